"""Counted latencies as histograms of the `hdrhistogram` package: percentiles, encoding, merging of several clients'.

What is written is in the format that all HdrHistogram libraries read. Sources: HdrHistogram's V2 compressed encoding;
G. Tene, "How not to measure latency" (why percentiles are merged by counts and never averaged).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from hdrh.histogram import HdrHistogram

from neatctl.apps.load.counts import HIGHEST_US, LOWEST_US, SIGNIFICANT_DIGITS, Counts

_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}


class Summary(msgspec.Struct):
    """A histogram as it stands in reports; times in microseconds, null where nothing was counted."""

    unit: str
    count: int
    min: int | None
    mean: float | None
    p50: int | None
    p90: int | None
    p99: int | None
    p99_9: int | None
    p99_99: int | None
    max: int | None
    hdr: str
    """V2, compressed, base64."""


def summary_of(counts: Counts) -> Summary:
    """Of what one client counted; min, mean and max are exact."""
    made = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)
    for value_us, count in counts.recorded():
        made.record_value(value_us, count)
    if not counts.total:
        return _summary(made, 0, 0.0, 0)
    return _summary(made, counts.least_us, counts.sum_us / counts.total, counts.most_us)


def merged(summaries: Iterable[Summary]) -> Summary:
    """Of several clients together; min, mean and max are as exact as theirs. ValueError for what is no histogram."""
    made = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)
    least_us, most_us, sum_us = HIGHEST_US, 0, 0.0
    for summary in summaries:
        made.add(decoded(summary.hdr))
        if summary.min is not None and summary.mean is not None and summary.max is not None:
            least_us, most_us = min(least_us, summary.min), max(most_us, summary.max)
            sum_us += summary.mean * summary.count
    total = int(made.get_total_count())
    return _summary(made, least_us, sum_us / total if total else 0.0, most_us)


def decoded(hdr: str) -> HdrHistogram:
    """The histogram of a summary; ValueError for what is none."""
    from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException

    try:
        return HdrHistogram.decode(hdr)
    except (HdrCookieException, HdrHistogramSettingsException, HdrLengthException, TypeError) as error:
        raise ValueError(f"not an HdrHistogram: {hdr[:40]!r}") from error


def _summary(made: HdrHistogram, least_us: int, mean_us: float, most_us: int) -> Summary:
    total = int(made.get_total_count())
    hdr = made.encode().decode()
    if not total:
        return Summary("us", 0, None, None, None, None, None, None, None, None, hdr)
    at = made.get_percentile_to_value_dict(list(_PERCENTILES.values()))
    # The package answers with the highest value of a part, which nobody may have seen.
    values = {name: min(max(int(at[percentile]), least_us), most_us) for name, percentile in _PERCENTILES.items()}
    return Summary(unit="us", count=total, min=least_us, mean=round(mean_us, 2), max=most_us, hdr=hdr, **values)
