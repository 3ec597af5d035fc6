"""What one load process reported, whichever client it was, and how it is merged: of workers into one run's figures,
of runs into one result's. Latencies are merged as histograms, never averaged. Pure.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from msgspec.structs import asdict, replace

from neatctl.testbed.bench.results import Errors, Latency, Result, Run, Spread, TargetFacts, Workload

LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS = 1, 3_600_000_000, 3
_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}


@dataclass
class Outcome:
    """One load process. None: its client does not say."""

    seconds: float
    """Measured, without the warm-up."""
    requests: int
    """Right answers."""
    octets_in: int | None = None
    connections_wanted: int = 0
    connections_achieved: int | None = None
    connections_opened: int | None = None
    errors: Errors = field(default_factory=Errors)
    error_reasons: dict[str, int] = field(default_factory=dict)
    unanswered: int | None = None
    unsent: int | None = None
    latency: Latency = field(default_factory=Latency)
    service_time: Latency | None = None
    connect_time: Latency | None = None
    begun_us: int = 0
    """Of the measured period, by the monotonic clock; 0: it ended with the process."""


class NoHistogram(ValueError):
    """Text that is no HdrHistogram."""


def histogram(hdr: str) -> HdrHistogram:
    """A histogram from its base64 text; NoHistogram for what is none."""
    try:
        return HdrHistogram.decode(hdr)
    except (HdrCookieException, HdrHistogramSettingsException, HdrLengthException, TypeError, ValueError) as error:
        raise NoHistogram(f"not an HdrHistogram: {hdr[:40]!r}") from error


def merged_latency(parts: Iterable[Latency]) -> Latency:
    """Of several together: by their histograms where all have one, otherwise count, min, mean and max alone."""
    counted = [part for part in parts if part.count]
    if not counted:
        return Latency()
    if len(counted) == 1:
        return counted[0]
    total = sum(part.count for part in counted)
    least, most = [p.min for p in counted if p.min is not None], [p.max for p in counted if p.max is not None]
    sums = [part.mean * part.count for part in counted if part.mean is not None]
    whole = Latency(
        count=total,
        min=min(least) if len(least) == len(counted) else None,
        mean=round(sum(sums) / total, 2) if len(sums) == len(counted) else None,
        max=max(most) if len(most) == len(counted) else None,
    )
    if not all(part.hdr for part in counted):
        return whole
    made = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS)
    for part in counted:
        made.add(histogram(part.hdr))
    return _with_percentiles(whole, made)


def counted_latency(values: Iterable[tuple[int, int]]) -> Latency:
    """Of values in microseconds, each with how often it was seen."""
    made, total, summed, least, most = HdrHistogram(LOWEST_US, HIGHEST_US, SIGNIFICANT_DIGITS), 0, 0, HIGHEST_US, 0
    for value, count in values:
        made.record_value(min(max(value, 0), HIGHEST_US), count)
        total, summed, least, most = total + count, summed + value * count, min(least, value), max(most, value)
    if not total:
        return Latency()
    return _with_percentiles(Latency(count=total, min=least, mean=round(summed / total, 2), max=most), made)


def _with_percentiles(whole: Latency, made: HdrHistogram) -> Latency:
    at = made.get_percentile_to_value_dict(list(_PERCENTILES.values()))
    low, high = whole.min or 0.0, whole.max or float(HIGHEST_US)
    # The library answers with the highest value of a bucket, which nobody may have seen.
    percentiles = {name: min(max(float(at[percentile]), low), high) for name, percentile in _PERCENTILES.items()}
    return replace(whole, hdr=made.encode().decode(), **percentiles)


def merged_errors(parts: Iterable[Errors]) -> Errors:
    """Their sum by class."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(asdict(part))
    return Errors(**total)


def merged_reasons(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """What exactly was seen, and how often."""
    reasons: Counter[str] = Counter()
    for outcome in outcomes:
        reasons.update(outcome.error_reasons)
    return dict(reasons)


def _sum(values: Iterable[int | None]) -> int | None:
    """Their sum, or None unless all are known."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return sum(known) if known and len(known) == len(listed) else None


def _merged_optional(parts: Sequence[Latency | None]) -> Latency | None:
    known = [part for part in parts if part is not None]
    return merged_latency(known) if known else None


def merged(outcomes: Sequence[Outcome]) -> tuple[Outcome, float]:
    """Workers that loaded at the same time as one, and their requests/s together."""
    whole = Outcome(
        seconds=max(outcome.seconds for outcome in outcomes),
        requests=sum(outcome.requests for outcome in outcomes),
        octets_in=_sum(outcome.octets_in for outcome in outcomes),
        connections_wanted=sum(outcome.connections_wanted for outcome in outcomes),
        connections_achieved=_sum(outcome.connections_achieved for outcome in outcomes),
        connections_opened=_sum(outcome.connections_opened for outcome in outcomes),
        errors=merged_errors(outcome.errors for outcome in outcomes),
        error_reasons=merged_reasons(outcomes),
        unanswered=_sum(outcome.unanswered for outcome in outcomes),
        unsent=_sum(outcome.unsent for outcome in outcomes),
        latency=merged_latency(outcome.latency for outcome in outcomes),
        service_time=_merged_optional([outcome.service_time for outcome in outcomes]),
        connect_time=_merged_optional([outcome.connect_time for outcome in outcomes]),
        begun_us=max(outcome.begun_us for outcome in outcomes),
    )
    return whole, sum(outcome.requests / outcome.seconds for outcome in outcomes if outcome.seconds > 0)


def spread(values: Sequence[float]) -> Spread:
    """Median and range; at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def result_of(facts: TargetFacts, workload: Workload, runs: list[Run]) -> Result:
    """All repetitions of one workload on one target as a result; at least one run."""
    measured = [run.cpu.us_per_request for run in runs if run.cpu is not None and run.cpu.us_per_request]
    names = [name for name in (measured[0] if measured else {}) if all(name in costs for costs in measured)]
    return Result(
        target=facts,
        workload=workload,
        runs=runs,
        requests_per_s=spread([run.requests_per_s for run in runs]),
        cpu_us_per_request={name: spread([costs[name] for costs in measured]) for name in names},
        latency=merged_latency(run.latency for run in runs),
        errors=merged_errors(run.errors for run in runs),
        errors_total=sum(run.errors_total for run in runs),
    )
