"""The verb before anything is started: wrong usage is one line and exit code 2; what a session reports."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from neatctl.testbed.bench import own
from neatctl.testbed.bench.outcome import result_of
from neatctl.testbed.bench.results import Errors, TargetFacts, Workload
from neatctl.testbed.bench.session import Options, bench, report_of, show
from neatctl.testbed.bench.workload import Asked
from tests.testbed.bench.reports import result, run


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(Asked(preset="fast")), "--preset: there is no 'fast'"),
        (Options(Asked(client="httperf")), "give --rate"),
        (Options(Asked(path="/x")), "--path is for a testbed that runs"),
        (Options(replicas="0"), "--replicas: the number of replicas is 1 to 64"),
        (Options(replicas="1,2,x"), "--replicas: 'x' is no number"),
        (Options(replicas="1,65"), "--replicas: the number of replicas is 1 to 64"),
        (Options(workers="1,0"), "--workers: 0 is not between"),
        (Options(workers=""), "--workers: '' is no number"),
        (Options(versus=("windows",)), "--versus: 'windows' is none of linux, limit"),
        (Options(Asked(octets="1,20"), versus=("limit",)), "--versus: the ceiling "),
        (Options(plot=True), "--plot writes into the directory of --out"),
        (Options(repetitions=0), "--repetitions: 0 is not"),
        (Options(seed=-1), "--seed: a seed is"),
        (Options(as_json=True, as_csv=True), "--json and --csv"),
        (Options(out=Path("/proc/nowhere/x")), "--out: /proc/nowhere/x: "),
        (Options(out=Path("/proc")), "--out: /proc is not empty"),
    ],
)
def test_wrong_usage_is_one_line(options: Options, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(options) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert len(err.splitlines()) == 1
    assert out == ""


def test_errors_or_a_run_without_an_answer_do_not_hold() -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    facts, workload = TargetFacts("neatctl", "http://10.77.0.2"), Workload()
    assert report_of([result([1.0, 2.0])], Options(), now, 1.0).held
    assert not report_of([result([1.0, 0.0])], Options(), now, 1.0).held
    failed = result_of(facts, workload, [run(5), run(5, Errors(timeout=1))])
    assert not report_of([result([1.0]), failed], Options(), now, 1.0).held


def test_people_see_errors_and_what_was_lost(capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    failed = result_of(TargetFacts("neatctl", "http://10.77.0.2"), Workload(), [run(5000), run(5000, Errors(status=4))])
    show(report_of([failed], Options(), now, 1.0), Options())
    out = capsys.readouterr().out
    assert "repetition 1: 4 errors: status 503 (4)" in out
    assert "tcp_retransmits 4" in out
    assert "queue_full 2" in out
    assert out.endswith("4 errors\n")


def test_a_site_has_files_of_the_sizes_that_were_asked_for(tmp_path: Path) -> None:
    own.make_site(tmp_path, [0, 1, 3_000_000], seed=4)
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"0b": 0, "1b": 1, "3000000b": 3_000_000}
    content = (tmp_path / "3000000b").read_bytes()
    assert content[: 1 << 20] != content[1 << 20 : 2 << 20], "octets that do not repeat show what is out of place"
