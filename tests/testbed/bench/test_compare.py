"""Two reports compared: which results belong together, what is said of them, and when it fails."""

from __future__ import annotations

from msgspec.structs import replace

from neatctl.testbed.bench.compare import RATE, compare, matched
from neatctl.testbed.bench.results import Errors, Workload
from tests.testbed.bench.reports import MACHINE, report, result, run

SLOW = [1000.0, 1010, 990, 1005, 995]
FAST = [1200.0, 1210, 1190, 1205, 1195]


def test_a_difference_is_told_with_its_interval() -> None:
    (pair,) = compare(report(result(SLOW)), report(result(FAST))).pairs
    figures = {figure.name: figure for figure in pair.figures}
    assert figures[RATE].ratio.verdict == "more"
    assert figures["latency p99 us"].ratio.verdict == "noise"
    assert {"CPU us/request driver", "CPU us/request machine", "latency p50 us", "latency p99.9 us"} < set(figures)
    assert pair.repetitions == (5, 5)
    assert pair.differences == []


def test_two_runs_of_the_same_thing_do_not_differ() -> None:
    first, second = result([1000.0, 700, 1300, 900, 1100]), result([950.0, 1250, 720, 1150, 1010])
    (pair,) = compare(report(first), report(second)).pairs
    assert pair.figures[0].ratio.verdict == "noise"


def test_fail_below_looks_at_the_ratio_of_requests_per_second() -> None:
    slower = report(result(FAST)), report(result(SLOW))
    assert not compare(*slower, fail_below=0.9).held
    assert compare(*slower, fail_below=0.8).held
    assert compare(*slower).held
    dead = report(result([0.0] * 5))
    assert not compare(report(result(SLOW)), dead, fail_below=0.1).held
    assert not compare(dead, dead, fail_below=0.1).held, "nothing was there to compare with"


def test_results_are_matched_by_what_was_measured() -> None:
    sizes = [replace(Workload(preset="sizes"), path=f"/{octets}b", octets=octets) for octets in (1, 10, 100)]
    first = [result(SLOW, workload=workload) for workload in sizes]
    second = [result(FAST, workload=replace(workload, connections=32)) for workload in reversed(sizes[:2])]
    pairs, unmatched = matched(first, second)
    assert [(a.workload.octets, b.workload.octets) for a, b in pairs] == [(1, 1), (10, 10)]
    assert len(unmatched) == 1
    assert unmatched[0].startswith("only in A: neatctl, 2 replicas, /100b")
    compared = compare(report(*first), report(*second)).pairs[0]
    assert compared.differences == ["connections 64 and 32"]


def test_results_that_could_belong_to_several_are_left_alone() -> None:
    first = [result(SLOW, workload=Workload(connections=number)) for number in (8, 64)]
    pairs, unmatched = matched(first, [result(SLOW, workload=Workload(connections=32)), result(FAST, "linux")])
    assert pairs == []
    assert len(unmatched) == 4


def test_targets_of_one_report_are_not_mixed_up() -> None:
    sides = [result(SLOW, "neatctl"), result(FAST, "linux")]
    pairs, unmatched = matched(sides, sides[::-1])
    assert [(a.target.name, b.target.name) for a, b in pairs] == [("neatctl", "neatctl"), ("linux", "linux")]
    assert unmatched == []


def test_another_machine_and_errors_are_said() -> None:
    wrong = result(SLOW)
    wrong = replace(wrong, runs=[run(1000, Errors(status=7))], errors=Errors(status=7), errors_total=7)
    comparison = compare(report(result(SLOW)), report(wrong, machine=replace(MACHINE, cores=64)))
    assert comparison.machines == ["cores 2 and 64"]
    assert comparison.pairs[0].errors == (0, 7)
