"""Scenario files: what is read, and errors that name file, line and key."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from neatctl.cli import app
from neatctl.testbed.scenario.model import MEASURES
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
    assert [(step.at, step.name) for step in scenario.steps()] == [(0, "one"), (0, "files"), (1, ""), (1.5, "two")]
    assert scenario.testbed.files == {"big": 1000}


def write(directory: Path, text: str) -> Path:
    path = directory / "s.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seconds = 2", "second = 2", "s.toml:9: load[0].second: there is no such key; did you mean seconds?"),
        ("at = 1.5", 'at = "soon"', "s.toml:12: load[1].at: Expected `float`, got `str`"),
        ("at = 1.5", "at = 99", "s.toml:12: load[1].at: a time is 0 to 60 s (limit_s), not 99"),
        ("at = 1.5", "rate = -1", "s.toml:12: load[1].rate: a rate is not negative"),
        ("replicas = 3", "replicas = 99", "s.toml:4: testbed.replicas: the number of replicas is 1 to 64, not 99"),
        ("replicas = 3", "replcas = 3", "s.toml:4: testbed.replcas: there is no such key; did you mean replicas?"),
        ("replicas = 3", 'impair = "lose=1"', "s.toml:4: testbed.impair: impairment 'lose' is not known"),
        ("{ big = 1000 }", '{ "../x" = 1 }', "s.toml:5: testbed.files: '../x' is no plain file name"),
        ("schema = 1", "schema = 2", "s.toml:1: schema: Invalid enum value 2"),
        ('title = "t"', "", "s.toml:1: title: is missing"),
        ('title = "t"', 'titel = "t"', "s.toml:2: titel: there is no such key; did you mean title?"),
        ('path = "/big"', 'path = "/small"', "s.toml:15: fetch[0].path: it is none of the testbed's files"),
        ('path = "/big"', "", "s.toml:13: fetch[0].path: is missing"),
        ('component = "tcp"', 'component = "tpc"', "s.toml:18: fault[0].component: there is no component 'tpc'"),
        ('replica = "any"', "replica = 4", "s.toml:19: fault[0].replica: there are replicas 1 to 3"),
        ('name = "two"', 'name = "one"', "s.toml:11: load[1].name: another step is called 'one'"),
        ('measure = "requests"', 'measure = "request"', "s.toml:21: expect[0].measure: there is no measure 'request'"),
        ('of = "one"', 'of = "files"', "s.toml:22: expect[0].of: requests is of a load by its name; 'files' is none"),
        ("at_least = 1", "", "s.toml:21: expect[0].measure: it has no bound"),
        ('baseline = "one"', "", "s.toml:24: expect[1].baseline: rate_ratio is of a load by its name; '' is none"),
        ("at_most = 2", "at_most = 2\nreplica = 1", "s.toml:29: expect[1].replica: rate_ratio does not take it"),
        ("[[load]]\nname = \"one\"", "[load]\nname = \"one\"", "s.toml:10: "),
        ("schema = 1", "schema = ", "s.toml:1: Invalid value"),
        ("[[expect]]", "[[expectation]]", "s.toml:20: expectation: there is no such key; did you mean expect?"),
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
    assert "s.toml: sound, 4 steps, 2 expectations" in done.stdout
    assert done.stderr.splitlines() == [
        f"neatctl: {bad}: it is not UTF-8",
        f"neatctl: {tmp_path / 'none.toml'}: No such file or directory",
    ]


def test_every_measure_says_what_it_is() -> None:
    assert all(measure.meaning.endswith(".") for measure in MEASURES.values())


values = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 100), st.sampled_from(['"tcp"', '"x"', '""', "1.5", "[]", "{}", "nan"])),
    lambda inner: st.lists(inner, max_size=2).map(str),
    max_leaves=3,
)
keys = st.sampled_from(["at", "name", "load", "expect", "replica", "x"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), keys, values)))
def test_any_file_is_read_or_refused(tmp_path: Path, changes: list[tuple[int, str, object]]) -> None:
    lines = GOOD.splitlines()
    for at, key, value in changes:
        lines.insert(at, f"{key} = {str(value).lower() if isinstance(value, bool) else value}")
    text = "\n".join(lines)
    try:
        read_scenario(write(tmp_path, text))
    except BadScenario as error:
        refused = str(error)
    else:
        refused = f"{tmp_path / 's.toml'}:"
        tomllib.loads(text)
    assert refused.startswith(f"{tmp_path / 's.toml'}:")
