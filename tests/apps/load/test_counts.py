"""Counted values, their summaries and their merging: as the hdrhistogram package has them."""

from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.apps.load.counts import HIGHEST_US, Counts
from neatctl.apps.load.histogram import Summary, decoded, merged, summary_of

values = st.one_of(st.integers(1, 5000), st.integers(1, HIGHEST_US), st.sampled_from([1, 2047, 2048, HIGHEST_US]))


def counted(recorded: list[int]) -> Counts:
    counts = Counts()
    for value in recorded:
        counts.record(value)
    return counts


@settings(max_examples=60, deadline=None)
@given(st.lists(values, min_size=1, max_size=60))
def test_the_counts_are_those_of_the_package(recorded: list[int]) -> None:
    theirs = HdrHistogram(1, HIGHEST_US, 3)
    for value in recorded:
        assert theirs.record_value(value)
    ours = counted(recorded)
    assert ours.recorded() == [
        (theirs.get_value_from_index(i), theirs.counts[i]) for i in range(theirs.counts_len) if theirs.counts[i]
    ]
    summary = summary_of(ours)
    assert summary.count == len(recorded)
    assert (summary.min, summary.max) == (min(recorded), max(recorded))
    assert summary.mean == pytest.approx(sum(recorded) / len(recorded), abs=0.01)
    for name, percentile in (("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("p99_99", 99.99)):
        expected = min(theirs.get_value_at_percentile(percentile), max(recorded))
        assert getattr(summary, name) == max(expected, min(recorded))


def test_what_is_out_of_range_counts_at_its_end() -> None:
    assert counted([-5, 0, HIGHEST_US * 9]).recorded()[0] == (1, 2)
    assert summary_of(counted([HIGHEST_US * 9])).max == HIGHEST_US


def test_nothing_counted_is_told_as_nothing() -> None:
    summary = summary_of(Counts())
    assert (summary.count, summary.min, summary.mean, summary.p50, summary.max) == (0, None, None, None, None)
    assert decoded(summary.hdr).get_total_count() == 0
    assert merged([summary, summary_of(counted([7]))]).p50 == 7


def test_clients_are_merged_by_counts_not_by_percentiles() -> None:
    quick, slow = [100] * 990 + [200] * 10, [5000] * 100
    together = merged([summary_of(counted(quick)), summary_of(counted(slow))])
    alone = summary_of(counted(quick + slow))
    assert (together.count, together.p50, together.p99, together.min, together.max) == (
        alone.count, alone.p50, alone.p99, alone.min, alone.max,
    )  # fmt: skip
    assert together.mean == pytest.approx(alone.mean, rel=1e-4)
    assert decoded(together.hdr).get_value_at_percentile(50) == 100


@pytest.mark.parametrize("hdr", ["", "nonsense", "HISTFAAA", "AAAA"])
def test_what_is_no_histogram_is_refused(hdr: str) -> None:
    with pytest.raises(ValueError, match="not an HdrHistogram"):
        merged([Summary("us", 1, 1, 1.0, 1, 1, 1, 1, 1, 1, hdr)])
