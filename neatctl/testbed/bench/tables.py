"""Reports and comparisons as people see them: tables on a terminal, columns elsewhere. Decides nothing."""

from __future__ import annotations

import statistics

from neatctl.testbed.bench.compare import Comparison
from neatctl.testbed.bench.labels import label
from neatctl.testbed.bench.results import Latency, Report, Result, Spread
from neatctl.testbed.screens import show_table

DIFFERENCES = {"more": "more", "less": "less", "noise": "noise hides it", "too few": "too few runs", "none": "no ratio"}
_ORDER = ("driver", "replica", "web", "syscall", "supervisor", "standby", "client", "others", "machine")


def octets(count: int | None) -> str:
    """A size with the unit that makes it short: 20 B, 64 kB, 10 MB."""
    if count is None:
        return "?"
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= factor:
            return f"{count / factor:g} {unit}"
    return f"{count} B"


def _spread(values: Spread, digits: int = 0) -> str:
    return f"{values.median:,.{digits}f} ({values.min:,.{digits}f}..{values.max:,.{digits}f})"


def _times(latency: Latency) -> list[object]:
    names = ("mean", "p50", "p90", "p99", "p99_9", "p99_99", "max")
    return [None if (value := getattr(latency, name)) is None else f"{value:,.0f}" for name in names]


def _what(result: Result) -> str:
    workload = result.workload
    on_each = workload.requests_per_connection
    kind = "until closed" if not on_each else "1 request each" if on_each == 1 else f"{on_each:,} requests each"
    rate = f", {workload.rate:,.0f} requests/s wanted" if workload.rate is not None else ""
    at_once = "" if workload.client == "httperf" else f", {workload.connections} connections"
    return f"{octets(workload.octets)}{at_once}, {kind}{rate}"


def show_report(report: Report) -> None:
    """All of it: figures, CPU, replicas, errors."""
    machine = report.machine
    mode = "compiled" if machine.compiled else "plain Python"
    print(
        f"neatctl {machine.neatctl} ({mode}), {machine.cpu}, {machine.cores} cores, Linux {machine.kernel}, "
        f"load by {machine.client}"
    )
    first = report.results[0]
    print(
        f"{report.repetitions} x {first.workload.seconds:g} s after {first.workload.warm_up_s:g} s of warm-up; median "
        "(range) of the repetitions\n"
    )
    _show_figures(report)
    _show_cpu(report)
    for result in report.results:
        _show_replicas(result, _where(result, report))
    _show_errors(report)


def _show_figures(report: Report) -> None:
    rows: list[list[object]] = []
    times: list[list[object]] = []
    for result in report.results:
        rates = [run.octets_per_s for run in result.runs if run.octets_per_s is not None]
        rows.append(
            [
                label(result, report.results),
                _what(result),
                _spread(result.requests_per_s, 0 if result.requests_per_s.median >= 100 else 1),
                f"{statistics.median(rates) / 1e6:,.2f}" if rates else None,
                _open(result),
                result.errors_total,
            ]
        )
        times.append([label(result, report.results), octets(result.workload.octets), *_times(result.latency)])
    show_table("Throughput", ("target", "load", "requests/s", "MB/s", "open", "errors"), rows, (2, 3, 4, 5))
    corrected = any(run.service_time is not None for result in report.results for run in result.runs)
    since = "from when a request was due: corrected for coordinated omission" if corrected else "of all repetitions"
    columns = ("target", "size", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max")
    show_table(f"Latency in microseconds, {since}", columns, times, tuple(range(2, 9)))


def _open(result: Result) -> str | None:
    """How many connections were open at once, in the worst run."""
    achieved = [run.connections_achieved for run in result.runs if run.connections_achieved is not None]
    if not achieved:
        return None
    if result.workload.client == "httperf":
        return f"{max(achieved)} at once"
    return f"{min(achieved)} of {max(run.connections_wanted for run in result.runs)}"


def _show_cpu(report: Report) -> None:
    known = list(dict.fromkeys(name for result in report.results for name in result.cpu_us_per_request))
    rank = {name: number for number, name in enumerate(_ORDER, 1)}
    names = sorted(known, key=lambda name: rank.get(name.partition(" ")[0], 0))
    if not names:
        return
    several = len({label(result, report.results) for result in report.results}) > 1
    heads = [
        f"{label(result, report.results)}, " * several + octets(result.workload.octets)
        for result in report.results
    ]
    rows: list[list[object]] = []
    for name in names:
        spent = [result.cpu_us_per_request.get(name) for result in report.results]
        rows.append([name, *(None if cost is None else f"{cost.median:,.1f}" for cost in spent)])
    title = "CPU us for each request (machine: all cores, the kernel too)"
    show_table(title, ("component", *heads), rows, tuple(range(1, len(heads) + 1)))


def _where(result: Result, report: Report) -> str:
    return f"{label(result, report.results)}, {octets(result.workload.octets)}"


def _show_replicas(result: Result, where: str) -> None:
    indices = sorted({replica.index for run in result.runs for replica in run.replicas})
    rows: list[list[object]] = []
    for index in indices:
        seen = [replica for run in result.runs for replica in run.replicas if replica.index == index]
        told: dict[str, int] = {}
        for replica in seen:
            for name, count in replica.losses.items():
                told[name] = told.get(name, 0) + count
        rows.append(
            [
                index,
                sum(replica.connections_accepted for replica in seen),
                sum(replica.connections_lost for replica in seen),
                sum(replica.packets_in for replica in seen),
                sum(replica.packets_out for replica in seen),
                ", ".join(f"{name} {count}" for name, count in told.items()) or "nothing",
            ]
        )
    if rows:
        columns = ("replica", "connections", "lost", "packets in", "packets out", "counters that tell of loss")
        title = f"Replicas, all repetitions with warm-up: {where}"
        show_table(title, columns, rows, (0, 1, 2, 3, 4))


def _show_errors(report: Report) -> None:
    for result in report.results:
        losses: dict[str, int] = {}
        for run in result.runs:
            for name, count in run.driver_losses.items():
                losses[name] = losses.get(name, 0) + count
        if losses:
            counted = ", ".join(f"{name} {count}" for name, count in losses.items())
            print(f"driver, {_where(result, report)}: {counted}")
        for run in result.runs:
            where = f"{_where(result, report)}, repetition {run.repetition}"
            for line in run.notes:
                print(f"{where}: {line}")
            if run.errors_total:
                reasons = ", ".join(f"{reason} ({count})" for reason, count in run.error_reasons.items())
                print(f"{where}: {run.errors_total} errors: {reasons}")
            if not run.requests:
                print(f"{where}: no request was answered")
    for line in report.notes:
        print(line)
    print(f"{report.errors_total} errors" if report.errors_total else "no errors")


def show_comparison(comparison: Comparison) -> None:
    """Ratios with their intervals, and what the noise hides."""
    for pair in comparison.pairs:
        rows: list[list[object]] = []
        for figure in pair.figures:
            ratio = figure.ratio
            interval = None if ratio.low is None or ratio.high is None else f"{ratio.low:.3f}..{ratio.high:.3f}"
            rows.append(
                [
                    figure.name,
                    f"{figure.first.median:,.6g}",
                    f"{figure.second.median:,.6g}",
                    f"{ratio.ratio:.3f}" if ratio.ratio is not None else None,
                    interval,
                    DIFFERENCES[ratio.verdict],
                ]
            )
        columns = ("figure", "A", "B", "B / A", "95 % interval", "difference")
        show_table(f"{pair.what} ({pair.repetitions[0]} and {pair.repetitions[1]} repetitions)", columns, rows,
                   (1, 2, 3, 4))  # fmt: skip
        for difference in pair.differences:
            print(f"not the same: {difference}")
        if any(pair.errors):
            print(f"errors: {pair.errors[0]} in A, {pair.errors[1]} in B")
        if any(figure.ratio.verdict == "too few" for figure in pair.figures):
            print("fewer than 4 repetitions on each side: whatever the ratio, noise may have made it")
    for only in comparison.unmatched:
        print(only)
    for difference in comparison.machines:
        print(f"not the same machine: {difference}")
