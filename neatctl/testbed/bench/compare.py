"""Compares two reports: which results belong together, the ratio of each figure with its interval, and a verdict.

Several figures are looked at, each with an interval of 95 %: of twenty without any difference, one will seem to have
one. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from neatctl.testbed.bench.outcome import spread
from neatctl.testbed.bench.ratio import Ratio, ratio
from neatctl.testbed.bench.results import Report, Result, Run, Spread

SCHEMA = 1
KIND = "neatctl bench compare"
RATE = "requests/s"
_LATENCIES = {"p50": "latency p50 us", "p99": "latency p99 us", "p99_9": "latency p99.9 us"}


class Figure(msgspec.Struct, frozen=True):
    """One figure on both sides, over the repetitions."""

    name: str
    first: Spread
    second: Spread
    ratio: Ratio
    """The second over the first."""


class Pair(msgspec.Struct, frozen=True):
    """Two results that belong together."""

    what: str
    repetitions: tuple[int, int]
    errors: tuple[int, int]
    differences: list[str]
    """In what was measured, where it was not the same."""
    figures: list[Figure]


class Comparison(msgspec.Struct, frozen=True):
    """`neatctl bench compare --json`."""

    schema: int
    kind: str
    pairs: list[Pair]
    unmatched: list[str]
    """Results that only one of the reports has."""
    machines: list[str]
    """Facts of the machine that differ."""
    fail_below: float | None
    held: bool
    """No ratio of requests/s is below `fail_below`."""


def compare(first: Report, second: Report, fail_below: float | None = None) -> Comparison:
    """All results that both have, in the order of the first."""
    pairs, unmatched = matched(first.results, second.results)
    judged = [_pair(a, b) for a, b in pairs]
    low = [
        pair
        for pair in judged
        if fail_below is not None and (pair.figures[0].ratio.ratio is None or pair.figures[0].ratio.ratio < fail_below)
    ]
    held = not low and (fail_below is None or bool(judged))
    machines = _differences(msgspec.structs.asdict(first.machine), msgspec.structs.asdict(second.machine))
    return Comparison(SCHEMA, KIND, judged, unmatched, machines, fail_below, held)


def matched(
    first: Sequence[Result], second: Sequence[Result]
) -> tuple[list[tuple[Result, Result]], list[str]]:
    """Results that are alike, the closest first: in all settings, then in target, file and preset, then in file only.
    And a line for each that is left over."""
    if len(first) == len(second) == 1:
        return [(first[0], second[0])], []
    keys: list[Callable[[Result], object]] = [
        lambda result: (result.target.name, result.target.replicas, result.target.beside_replicas, result.workload),
        lambda result: (result.target.name, result.workload.preset, result.workload.octets, result.workload.path),
        lambda result: (result.workload.octets, result.workload.path),
    ]
    pairs: dict[int, tuple[Result, Result]] = {}
    left, right = dict(enumerate(first)), dict(enumerate(second))
    for key in keys:
        for at, result in list(left.items()):
            alike = [other for other, candidate in right.items() if key(candidate) == key(result)]
            rivals = [other for other, candidate in left.items() if key(candidate) == key(result)]
            if len(alike) == len(rivals) == 1:
                pairs[at] = (left.pop(at), right.pop(alike[0]))
    only = [f"only in A: {_named(result)}" for result in left.values()]
    only += [f"only in B: {_named(result)}" for result in right.values()]
    return [pairs[at] for at in sorted(pairs)], only


def _named(result: Result) -> str:
    replicas = f", {count} replica{'s' * (count != 1)}" if (count := result.target.replicas) is not None else ""
    return f"{result.target.name}{replicas}, {result.workload.path}, {result.workload.connections} connections"


def _differences(first: dict[str, object], second: dict[str, object]) -> list[str]:
    return [f"{name} {first[name]} and {second[name]}" for name in first if first[name] != second[name]]


def _pair(first: Result, second: Result) -> Pair:
    names = [name for name in first.cpu_us_per_request if name in second.cpu_us_per_request]
    figures = [
        _figure(RATE, first, second, lambda run: run.requests_per_s),
        *(_figure(name, first, second, _latency_of(field)) for field, name in _LATENCIES.items()),
        *(_figure(f"CPU us/request {name}", first, second, _cpu_of(name)) for name in names),
    ]
    settings = _differences(msgspec.structs.asdict(first.target), msgspec.structs.asdict(second.target))
    settings += _differences(msgspec.structs.asdict(first.workload), msgspec.structs.asdict(second.workload))
    return Pair(
        what=_named(first),
        repetitions=(len(first.runs), len(second.runs)),
        errors=(first.errors_total, second.errors_total),
        differences=[line for line in settings if not line.startswith("url ")],
        figures=[figure for figure in figures if figure is not None],
    )


def _latency_of(field: str) -> Callable[[Run], float | None]:
    return lambda run: getattr(run.latency, field)


def _cpu_of(component: str) -> Callable[[Run], float | None]:
    return lambda run: run.cpu.us_per_request.get(component) if run.cpu is not None else None


def _figure(name: str, first: Result, second: Result, value: Callable[[Run], float | None]) -> Figure | None:
    """One figure, of the runs that have it; None when a side has none."""
    sides = [[found for run in result.runs if (found := value(run)) is not None] for result in (first, second)]
    if not all(sides):
        return None
    return Figure(name, spread(sides[0]), spread(sides[1]), ratio(sides[0], sides[1]))
