"""What a plot shows, as numbers: the paper's Figures 4, 5, 7 and 11 and percentiles, out of a report. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from neatctl.testbed.bench.labels import label
from neatctl.testbed.bench.outcome import histogram, merged_latency, spread
from neatctl.testbed.bench.results import Latency, Report, Result, Run, Workload
from neatctl.testbed.bench.sweep import sweeps

NINES = (0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999)
"""Percentiles of a curve; those of which fewer than two requests are beyond are left out."""


@dataclass(frozen=True)
class Line:
    """One line of a plot: as many `low` and `high` (range over the repetitions) as points, or none."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plot:
    """One figure; `name` is its file's."""

    name: str
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_scale: str = "linear"
    """linear, log, or percentile: 1 / (1 - x) on a logarithmic axis."""
    y_scale: str = "linear"
    ticks: tuple[float, ...] = ()
    """Of x, where only these are sensible."""


def plots_of(report: Report) -> list[Plot]:
    """All that the report has enough points for."""
    return [*_sizes(report.results), *_sweeps(report.results), *_percentiles(report.results)]


# ---- Figures 4 and 5: throughput and latency against the size of the file ----
def _sizes(results: Sequence[Result]) -> list[Plot]:
    lines: dict[str, list[Result]] = {}
    for result in results:
        if result.workload.octets:
            lines.setdefault(label(result, results, beside=False), []).append(result)
    longest = max((len({one.workload.octets for one in line}) for line in lines.values()), default=0)
    if longest < 2:
        return []

    def across(name: str, title: str, y_label: str, drawn: tuple[Line, ...]) -> Plot:
        return Plot(name, f"{title} by size of the file", "octets of the file", y_label, drawn, "log", "log")

    requests = _against_size(lines, lambda run: run.requests_per_s or None)
    p50 = _against_size(lines, lambda run: run.latency.p50, ", p50")
    p99 = _against_size(lines, lambda run: run.latency.p99, ", p99")
    return [
        across("throughput-by-size", "Throughput", "Mbit/s of heads and contents", _against_size(lines, _megabits)),
        across("requests-by-size", "Requests", "requests/s", requests),
        across("latency-by-size", "Latency", "us", (*p50, *p99)),
    ]


def _megabits(run: Run) -> float | None:
    return run.octets_per_s * 8 / 1e6 if run.octets_per_s else None


def _against_size(
    lines: dict[str, list[Result]], value: Callable[[Run], float | None], suffix: str = ""
) -> tuple[Line, ...]:
    made = []
    for name, results in lines.items():
        points = []
        for octets in sorted({result.workload.octets or 0 for result in results}):
            runs = [run for result in results if result.workload.octets == octets for run in result.runs]
            known = [seen for run in runs if (seen := value(run)) is not None]
            if known:
                points.append((float(octets), spread(known)))
        made.append(
            Line(
                name + suffix,
                tuple(x for x, _ in points),
                tuple(y.median for _, y in points),
                tuple(y.min for _, y in points),
                tuple(y.max for _, y in points),
            )
        )
    return tuple(line for line in made if line.x)


# ---- Figures 7 and 11: requests by replicas and web servers ----
def _sweeps(results: Sequence[Result]) -> list[Plot]:
    found = sweeps(results)
    made = []
    for number, sweep in enumerate(found, 1):
        rows = {
            row: [cell for workers in sweep.workers if (cell := sweep.cells.get((row, workers))) is not None]
            for row in sweep.rows
        }
        what = "web servers" if sweep.web_servers else "load processes"
        x_label = f"{what}, each with a load process" if sweep.web_servers else what
        lines = []
        for row, cells in rows.items():
            rates = [cell.requests_per_s for cell in cells]
            lines.append(
                Line(
                    row,
                    tuple(float(cell.workers) for cell in cells),
                    tuple(rate.median for rate in rates),
                    tuple(rate.min for rate in rates),
                    tuple(rate.max for rate in rates),
                )
            )
        ticks = tuple(float(workers) for workers in sweep.workers)
        if len(sweep.workers) == 1:
            x_label, lines, ticks = "replicas", *_by_replicas(results, sweep.workload)
        name = "sweep" if len(found) == 1 else f"sweep-{number}"
        title = f"Requests/s: {sweep.workload.octets} octets, {sweep.workload.connections} connections"
        made.append(Plot(name, title, x_label, "requests/s", tuple(lines), ticks=ticks))
    return made


def _by_replicas(results: Sequence[Result], workload: Workload) -> tuple[list[Line], tuple[float, ...]]:
    """With one number of web servers: a line for each target, along the replicas of the testbed."""
    points: dict[str, list[tuple[float, Result]]] = {}
    for result in results:
        beside = result.target.replicas or result.target.beside_replicas
        if replace(result.workload, workers=workload.workers) == workload and beside:
            points.setdefault(result.target.name, []).append((float(beside), result))
    lines = []
    for name, line in points.items():
        line.sort(key=lambda point: point[0])
        rates = [result.requests_per_s for _, result in line]
        lines.append(
            Line(
                name,
                tuple(x for x, _ in line),
                tuple(rate.median for rate in rates),
                tuple(rate.min for rate in rates),
                tuple(rate.max for rate in rates),
            )
        )
    return lines, tuple(sorted({x for line in lines for x in line.x}))


# ---- latency by percentile ----
def _percentiles(results: Sequence[Result]) -> list[Plot]:
    # Another target's latencies beside each testbed of a sweep are one line.
    seen: dict[tuple[str, int | None], list[Latency]] = {}
    for result in results:
        if result.latency.hdr and result.latency.count:
            key = (label(result, results, beside=False), result.workload.octets)
            seen.setdefault(key, []).append(result.latency)
    sizes = {octets for _, octets in seen}
    lines = []
    for (name, octets), parts in seen.items():
        latency = merged_latency(parts)
        known = [nine for nine in NINES if latency.count * (1 - nine / 100) >= 1.999]
        at = histogram(latency.hdr).get_percentile_to_value_dict(known)
        words = name if len(sizes) == 1 else f"{name}, {octets} octets"
        lines.append(Line(words, tuple(known), tuple(float(at[nine]) for nine in known)))
    if not lines:
        return []
    return [
        Plot("latency-percentiles", "Latency by percentile, all repetitions", "percentile", "us", tuple(lines),
             x_scale="percentile", y_scale="log")
    ]  # fmt: skip
