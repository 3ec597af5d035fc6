"""Scenario files: what is read, and errors that name file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from neatctl.cli import app
from neatctl.testbed.scenario.model import MEASURES
from neatctl.testbed.scenario.plan import plan_of
from neatctl.testbed.scenario.reading import BadScenario, read_scenario

GOOD = """\
schema = 1
title = "t"
[testbed]
replicas = 3
files = { big = 1000 }

[[load]]
name = "one"
seconds = 2
[[load]]
name = "two"
at = 1.5
[[fetch]]
name = "files"
path = "/big"
[[phase]]
name = "before"
at = 0.5
seconds = 1
[[fault]]
at = 1
component = "tcp"
replica = "any"
[[expect]]
measure = "requests"
of = "one"
at_least = 1
[[expect]]
measure = "rate_ratio"
of = "two"
baseline = "one"
at_most = 2
"""


def test_steps_come_by_time(tmp_path: Path) -> None:
    scenario = read_scenario(write(tmp_path, GOOD))
    dues = [(due.at_s, due.step.name) for due in plan_of(scenario).dues]
    assert dues == [(0, "one"), (0, "files"), (0.5, "before"), (1, ""), (1.5, "two")]
    assert scenario.testbed.files == {"big": 1000}


def write(directory: Path, text: str) -> Path:
    path = directory / "s.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seconds = 2", "second = 2", "s.toml:9: load[0].second: there is no such key; did you mean seconds?"),
        ("at = 1.5", 'at = "soon"', "s.toml:12: load[1].at: expected a number, got a string"),
        ("at = 1.5", "at = 99", "s.toml:12: load[1].at: a time is 0 to 60 s (limit_s), not 99"),
        ("at = 1.5", "rate = -1", "s.toml:12: load[1].rate: a rate is 0.001 to 1e+07 requests/s, or 0"),
        ("replicas = 3", "replicas = 99", "s.toml:4: testbed.replicas: the number of replicas is 1 to 64, not 99"),
        ("replicas = 3", "replcas = 3", "s.toml:4: testbed.replcas: there is no such key; did you mean replicas?"),
        ("replicas = 3", 'impair = "lose=1"', "s.toml:4: testbed.impair: impairment 'lose' is not known"),
        ("{ big = 1000 }", '{ "../x" = 1 }', "s.toml:5: testbed.files: '../x' is no plain file name"),
        ("schema = 1", "schema = 2", "s.toml:1: schema: invalid enum value 2"),
        ('title = "t"', "", "s.toml:1: title: is missing"),
        ('title = "t"', 'titel = "t"', "s.toml:2: titel: there is no such key; did you mean title?"),
        ('path = "/big"', 'path = "/small"', "s.toml:15: fetch[0].path: it is none of the testbed's files"),
        ('path = "/big"', "", "s.toml:13: fetch[0].path: is missing"),
        ('component = "tcp"', 'component = "tpc"', "s.toml:22: fault[0].component: there is no component 'tpc'"),
        ('replica = "any"', "replica = 4", "s.toml:23: fault[0].replica: there are replicas 1 to 3"),
        ('name = "two"', 'name = "one"', "s.toml:11: load[1].name: another step is called 'one'"),
        ('measure = "requests"', 'measure = "request"', "s.toml:25: expect[0].measure: there is no measure 'request'"),
        ('of = "one"', 'of = "files"', "s.toml:26: expect[0].of: is the name of a load; 'files' is none"),
        ("at_least = 1", "", "s.toml:25: expect[0].measure: it has no bound"),
        ('baseline = "one"', "", "s.toml:28: expect[1].baseline: a ratio is relative to a load"),
        ("at_most = 2", "at_most = 2\nreplica = 1", "s.toml:33: expect[1].replica: rate_ratio does not take it"),
        ("at = 1.5", "jitter_s = 70", "load[1].jitter_s: up to as much as is left until 60 s (limit_s), not 70"),
        ("at = 1.5", "at = 59", "s.toml:10: load[1].seconds: it would end at 61 s, after 60 s (limit_s)"),
        ("at = 1.5", 'path = "x y"', "s.toml:12: load[1].path: a path is / and then visible ASCII"),
        ("at = 1.5", "connections = 0", "s.toml:12: load[1].connections: 1 to 60000, not 0"),
        ("at = 1.5", "[[scale]]\nreplicas = 0", "s.toml:13: scale[0].replicas: 1 to 64, not 0"),
        ("at = 1.5", "[[command]]\nargv = []", "s.toml:13: command[0].argv: names no command"),
        ("at = 1.5", '[[command]]\nargv = [\n"a",\n1]', "s.toml:15: command[0].argv[1]: expected a string"),
        ("at = 1.5", "[[syn_burst]]\nport = 0", "s.toml:13: syn_burst[0].port: 1 to 65535, not 0"),
        ("at = 1.5", '[[impair]]\nframes = "loss"', "s.toml:13: impair[0].frames: impairment 'loss'"),
        ("at = 1.5", '[[recover]]\ncomponent = "x"', "s.toml:13: recover[0].component: there is no component 'x'"),
        ("at = 1.5", '[[replay]]\nfile = "none.pcap"', "s.toml:13: replay[0].file: No such file or directory"),
        ("at = 1.5", '[[replay]]\nfile = "s.toml"', "s.toml:13: replay[0].file: "),
        ("at = 1.5", '[[replay]]\nfile = "s"\nspeed = "x"', "s.toml:14: replay[0].speed: a speed is a factor"),
        ("at = 1.5", '[[replay]]\nfile = "s"\nspeed = "2"', "s.toml:14: replay[0].speed: it is for mode live or"),
        ("at = 1.5", '[[replay]]\nfile = "s"\nmode = "live"\nreplicas = 2', "s.toml:15: replay[0].replicas: it is"),
        ("replicas = 3", 'transport = "inproc"', "s.toml:20: fault[0].kind: kill would hit the whole testbed"),
        ('replica = "any"', 'kind = "smoke"', "s.toml:23: fault[0].kind: tcp takes kill, segv, hang, exception, spin"),
        ('component = "tcp"', 'component = "web"\nkind="spin"', "s.toml:23: fault[0].kind: web takes kill, segv"),
        ("schema = 1", "schema = 1\nseed = -1", "s.toml:2: seed: a seed is 0 to 2^63 - 1"),
        ("schema = 1", "schema = 1\nlimit_s = inf", "s.toml:2: limit_s: 0.1 to 3600 s, not inf"),
        ("schema = 1", "schema = 1\nsettle_s = nan", "s.toml:2: settle_s: 0 to 60 s, not nan"),
        ("at_least = 1", "at_least = nan", "s.toml:27: expect[0].at_least: a bound is a number, not nan"),
        ("at_least = 1", "at_least = 2\nequals = 1", "expect[0].at_least: nothing is at least 2 and at most 1"),
        ('of = "one"', 'of = "one"\nduring = "one"', "expect[0].during: is the name of a phase; 'one' is none"),
        ('of = "two"', 'of = "two"\nduring = "before"', "is no phase of 0.1 s or more within the load 'two'"),
        ('measure = "requests"\nof = "one"', 'measure = "counter"\ncomponent = "tcp"\ncounter = "tcp_retransmit"',
         "expect[0].counter: tcp has no counter 'tcp_retransmit'; did you mean tcp_retransmits?"),
        ("[[load]]\nname = \"one\"", "[load]\nname = \"one\"", "s.toml:10: "),
        ("schema = 1", "schema = ", "s.toml:1: Invalid value"),
        ("[[expect]]", "[[expectation]]", "s.toml:24: expectation: there is no such key; did you mean expect?"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(BadScenario) as error:
        read_scenario(write(tmp_path, GOOD.replace(old, new)))
    assert said in str(error.value)
    assert str(error.value).startswith(str(tmp_path))


def test_a_scenario_that_expects_nothing_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="expects nothing"):
        read_scenario(write(tmp_path, 'schema = 1\ntitle = "t"\n'))


def test_check_says_all_that_is_wrong_and_exits_with_2(tmp_path: Path) -> None:
    good, bad = write(tmp_path, GOOD), tmp_path / "bad.toml"
    bad.write_bytes(b"\xff")
    done = CliRunner().invoke(app, ["scenario", "check", str(bad), str(tmp_path / "none.toml"), str(good)])
    assert done.exit_code == 2
    assert "s.toml: sound, 5 steps, 2 expectations" in done.stdout
    assert done.stderr.splitlines() == [
        f"neatctl: {bad}: it is not UTF-8",
        f"neatctl: {tmp_path / 'none.toml'}: No such file or directory",
    ]


def test_every_measure_says_what_it_is() -> None:
    assert all(measure.meaning.endswith(".") for measure in MEASURES.values())


keys = st.sampled_from(["at", "name", "load", "expect", "testbed", "phase", "seed", "limit_s", "of", "a`\n- at `$.b`"])
scalars = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=5).map(lambda text: json.dumps(text).replace("\x7f", "\\u007f")),
    st.sampled_from(['"tcp"', "2001-01-01", "07:30:00", "99999999999999999999", "1e400"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, max_size=2).map(lambda items: f"{{ {', '.join(f'k{i} = {v}' for i, v in enumerate(items))} }}"),
    ),
    max_leaves=4,
)


def read_or_refused(path: Path) -> None:
    try:
        read_scenario(path)
    except BadScenario as error:
        said = str(error)
        assert said.startswith(f"{path}:")
        assert len(said.splitlines()) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), keys, values), min_size=1, max_size=3))
def test_any_change_of_a_file_is_read_or_refused_in_one_line(
    tmp_path: Path, changes: list[tuple[int, str, str]]
) -> None:
    lines = GOOD.splitlines()
    for at, key, value in changes:
        # In place of a value that is there, or as a key more.
        key = lines[at % len(lines)].partition(" =")[0] if " = " in lines[at % len(lines)] else json.dumps(key)
        lines[at % len(lines)] = f"{key} = {value}"
    read_or_refused(write(tmp_path, "\n".join(lines)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.text().map(str.encode), st.binary()))
def test_any_octets_are_read_or_refused_in_one_line(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(octets)
    read_or_refused(path)


@pytest.mark.parametrize("text", ["x = " + "[" * 5000 + "]" * 5000, "seed = " + "9" * 5000, "a" * (2 << 20)])
def test_what_no_reader_takes_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadScenario):
        read_scenario(write(tmp_path, text))
