"""Workers merged into runs, and runs into results: counts add up, latencies are merged and never averaged."""

from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from neatctl.testbed.bench.outcome import (
    HIGHEST_US,
    LOWEST_US,
    NoHistogram,
    Outcome,
    histogram,
    merged,
    merged_latency,
    result_of,
)
from neatctl.testbed.bench.results import Errors, Latency, TargetFacts, Workload
from tests.testbed.bench.reports import run


def latency(values: list[int]) -> Latency:
    made = HdrHistogram(LOWEST_US, HIGHEST_US, 3)
    for value in values:
        made.record_value(value)
    return Latency(
        count=len(values), min=min(values), mean=sum(values) / len(values), max=max(values), hdr=made.encode().decode()
    )


def test_percentiles_are_of_all_values_together() -> None:
    whole = merged_latency([latency([100] * 990), latency([5000] * 10)])
    assert (whole.count, whole.min, whole.p50, whole.p90, whole.max) == (1000, 100, 100, 100, 5000)
    assert whole.p99 == 100
    assert whole.p99_9 == pytest.approx(5000, rel=0.001)
    assert whole.mean == pytest.approx(149)


@given(st.lists(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=20), min_size=2, max_size=4))
def test_merging_is_as_if_one_had_seen_all(parts: list[list[int]]) -> None:
    whole = merged_latency(map(latency, parts))
    every = sorted(value for part in parts for value in part)
    assert (whole.count, whole.min, whole.max) == (len(every), every[0], every[-1])
    assert whole.p50 is not None
    assert whole.p99_99 is not None
    assert every[0] <= whole.p50 <= whole.p99_99 <= every[-1], "no value that nobody saw"
    assert whole.p50 == pytest.approx(every[(len(every) + 1) // 2 - 1], rel=0.002)
    assert histogram(whole.hdr).get_total_count() == len(every)


def test_without_histograms_there_are_no_merged_percentiles() -> None:
    whole = merged_latency([Latency(count=1, mean=10, p99=10), Latency(count=3, mean=20, p99=20)])
    assert (whole.count, whole.mean, whole.p99) == (4, 17.5, None)
    assert merged_latency([]).count == 0
    assert merged_latency([Latency(), Latency(count=2, p99=7)]).p99 == 7, "who saw nothing changes nothing"


@pytest.mark.parametrize("text", ["", "HISTF", "AAAA" * 20, "Ünicode"])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(NoHistogram):
        histogram(text)


def test_workers_add_up() -> None:
    one = Outcome(1.0, 100, 1000, 4, 4, 5, Errors(reset=1), {"reset": 1}, 1, 0, begun_us=10)
    other = Outcome(2.0, 300, 3000, 4, 3, 4, Errors(reset=2, timeout=1), {"reset": 2}, 2, 0, begun_us=20)
    whole, requests_per_s = merged([one, other])
    assert (whole.requests, whole.connections_wanted, whole.connections_achieved) == (400, 8, 7)
    assert requests_per_s == 250
    assert (whole.errors, whole.error_reasons) == (Errors(reset=3, timeout=1), {"reset": 3})
    assert (whole.begun_us, whole.seconds, whole.unanswered) == (20, 2.0, 3)
    other.connections_achieved = None
    assert merged([one, other])[0].connections_achieved is None, "one who does not say makes the sum unknown"


def test_a_result_has_the_errors_of_all_its_runs() -> None:
    runs = [run(100, Errors(status=2)), run(300), run(200, Errors(reset=1))]
    made = result_of(TargetFacts("neatctl", "http://10.77.0.2"), Workload(), runs)
    assert (made.requests_per_s.median, made.requests_per_s.min, made.requests_per_s.max) == (200, 100, 300)
    assert (made.errors, made.errors_total) == (Errors(status=2, reset=1), 3)
    assert made.cpu_us_per_request["driver"].median == 5.0
