"""Ratios of targets that took turns, and the table of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from neatctl.testbed.bench.against import judged
from neatctl.testbed.bench.labels import label
from neatctl.testbed.bench.outcome import result_of
from neatctl.testbed.bench.results import Result, Run, TargetFacts, Workload
from neatctl.testbed.bench.sweep import sweeps
from neatctl.testbed.bench.versus_tables import show_sweeps, show_versus
from tests.testbed.bench.reports import report, run

URL = "http://10.77.0.2"


def ours(rates: Sequence[float], replicas: int = 1, workers: int = 1, **more: int) -> Result:
    facts = TargetFacts("neatctl", URL, replicas, "ring", "ipc", True, web_servers=more.get("web_servers"))
    return result_of(facts, Workload(workers=workers), made(rates))


def other(rates: Sequence[float], beside: int = 1, name: str = "linux", workload: Workload | None = None) -> Result:
    facts = TargetFacts(name, URL, beside_replicas=beside)
    return result_of(facts, workload or Workload(), made(rates))


def made(rates: Sequence[float]) -> list[Run]:
    return [run(rate, repetition=number, cpu_us=20 + number) for number, rate in enumerate(rates, 1)]


def test_runs_that_took_turns_are_compared_with_their_neighbours() -> None:
    # The machine becomes twice as slow after the third pair: the ratios of neighbours do not care.
    results = [
        other([100, 100, 100, 50, 50, 50]),
        ours([120, 121, 122, 60, 61, 60]),
        other([400, 400, 400, 200, 200, 200], name="limit"),
    ]
    linux, limit = judged(results)
    assert (linux.result, linux.base, linux.name) == (1, 0, "linux")
    assert linux.requests_per_s.ratio == pytest.approx(1.21, abs=0.01)
    assert linux.requests_per_s.verdict == "more"
    assert linux.requests_per_s_each == [1.2, 1.21, 1.22, 1.2, 1.22, 1.2]
    assert linux.cpu_us_per_request is not None
    assert linux.cpu_us_per_request.ratio == 1
    assert limit.requests_per_s.ratio == pytest.approx(0.3, abs=0.01)
    assert limit.requests_per_s.verdict == "less"


def test_only_what_took_turns_is_compared() -> None:
    large = Workload(octets=3000, path="/3000b")
    results = [other([100], 1), ours([50], 1), other([100], 2), ours([200], 2), other([1], 1, workload=large)]
    assert [(each.result, each.base, each.requests_per_s.ratio) for each in judged(results)] == [(1, 0, 0.5), (3, 2, 2)]
    assert judged([ours([1.0])]) == []


def test_a_server_that_answered_nothing_gives_no_ratio() -> None:
    (only,) = judged([other([0.0, 0.0]), ours([5.0, 6.0])])
    assert only.requests_per_s.verdict == "none"
    assert only.requests_per_s_each == []
    show_versus(replace(report(other([0.0]), ours([5.0])), versus=judged([other([0.0]), ours([5.0])])))


SWEPT = [
    other([90.0] * 6, 1),
    ours([100.0] * 6, 1, 1, web_servers=2),
    ours([130, 131, 129, 130, 132, 131], 1, 2, web_servers=2),
    other([110.0] * 6, 2),
    ours([80.0] * 6, 2, 1, web_servers=2),
    ours([200, 201, 202, 200, 203, 204], 2, 2, web_servers=2),
]


def test_a_sweep_is_a_table_with_its_best() -> None:
    (sweep,) = sweeps(SWEPT)
    assert sweep.rows == ("1 replica", "2 replicas", "linux")
    assert sweep.workers == (1, 2)
    assert (sweep.best.label, sweep.best.workers, sweep.best.requests_per_s.max) == ("2 replicas", 2, 204)
    assert sweep.second is not None
    assert (sweep.second.label, sweep.second.workers) == ("1 replica", 2)
    assert sweep.second_to_best is not None
    assert sweep.second_to_best.verdict == "less"
    linux = sweep.cells["linux", 1]
    assert (linux.requests_per_s.min, linux.requests_per_s.max, len(linux.rates)) == (90, 110, 12)
    assert ("linux", 2) not in sweep.cells


def test_one_configuration_or_several_sizes_are_no_sweep() -> None:
    large = Workload(octets=3000, path="/3000b")
    assert sweeps([other([1.0]), ours([2.0])]) == []
    assert sweeps([ours([1.0]), result_of(ours([1.0]).target, large, made([2.0]))]) == []


def test_people_see_the_best_and_whether_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    show_sweeps(report(*SWEPT))
    out = capsys.readouterr().out
    assert "200 (200..204) *" not in out
    assert "202 (200..204) *" in out
    assert out.count("*") == 2, "one cell, and what the star means"
    assert "2 web servers" in out
    assert "best: 2 replicas, 2 web servers; the next (1 replica, 2 web servers) has 0.65 of it\n" in out
    show_sweeps(report(ours([100, 99]), ours([100, 98], 2)))
    assert "too few repetitions to tell" in capsys.readouterr().out
    show_sweeps(report(ours([100, 99]), ours([100, 98], 1, 2)))
    assert "2 load processes" in capsys.readouterr().out, "a testbed that ran already has one web server"


def test_people_see_ratios_and_cpu_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    results = [other([100.0] * 3), ours([150.0, 160.0, 140.0])]
    show_versus(replace(report(*results), versus=judged(results)))
    out = capsys.readouterr().out
    assert "1.50\t1.40..1.60" in out
    assert out.count("22.0") == 2
    assert "fewer than 6 repetitions" in out


def test_a_label_says_no_more_than_is_needed() -> None:
    alone = [other([1.0]), ours([1.0])]
    assert [label(result, alone) for result in alone] == ["linux", "neatctl"]
    assert label(SWEPT[0], SWEPT) == "linux, beside 1 replica, 1 worker"
    assert label(SWEPT[5], SWEPT) == "2 replicas, 2 workers"
    assert len({label(result, SWEPT) for result in SWEPT}) == len(SWEPT)
