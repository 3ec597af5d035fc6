"""Ours against Linux and against the ceiling: ratios of results whose runs took turns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neatctl.testbed.bench.cpu import MACHINE
from neatctl.testbed.bench.ratio import Ratio, paired_ratio
from neatctl.testbed.bench.results import Against, Result, Run

LINUX, LIMIT = "linux", "limit"
OTHERS = (LINUX, LIMIT)
"""What can be measured against, in the order of a repetition's runs and of tables."""


def judged(results: Sequence[Result]) -> list[Against]:
    """Each of our results against every other target of the same workload beside the same testbed."""
    made = []
    for place, ours in enumerate(results):
        if ours.target.name in OTHERS:
            continue
        for base, other in enumerate(results):
            beside = other.target.beside_replicas == ours.target.replicas and other.workload == ours.workload
            if other.target.name in OTHERS and beside:
                made.append(_against(place, ours, base, other))
    return made


def _against(place: int, ours: Result, base: int, other: Result) -> Against:
    rates = [(a.requests_per_s, b.requests_per_s) for a, b in zip(other.runs, ours.runs, strict=True)]
    return Against(
        result=place,
        base=base,
        name=other.target.name,
        requests_per_s=paired_ratio([a for a, _ in rates], [b for _, b in rates]),
        requests_per_s_each=[round(b / a, 4) for a, b in rates if a > 0],
        cpu_us_per_request=_ratio(ours, other, _machine_us),
        p99_us=_ratio(ours, other, lambda run: run.latency.p99),
    )


def _machine_us(run: Run) -> float | None:
    return run.cpu.us_per_request.get(MACHINE) if run.cpu is not None else None


def _ratio(ours: Result, other: Result, value: Callable[[Run], float | None]) -> Ratio | None:
    """Of the pairs of runs that both have the figure; None when there is none."""
    both = [(value(a), value(b)) for a, b in zip(other.runs, ours.runs, strict=True)]
    known = [(a, b) for a, b in both if a is not None and b is not None]
    return paired_ratio([a for a, _ in known], [b for _, b in known]) if known else None
