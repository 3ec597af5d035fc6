"""Comparisons with other targets, and sweeps, as people see them. Decides nothing."""

from __future__ import annotations

from neatctl.testbed.bench.cpu import MACHINE
from neatctl.testbed.bench.labels import counted, row_of
from neatctl.testbed.bench.ratio import Ratio
from neatctl.testbed.bench.results import Report, Result, Spread
from neatctl.testbed.bench.sweep import Sweep, sweeps, worker_words
from neatctl.testbed.bench.tables import DIFFERENCES, octets
from neatctl.testbed.screens import show_table

_WHAT = {
    "linux": "lighttpd on the Linux stack, in a namespace of its own",
    "limit": "the ceiling: what the device and the load client allow; no stack, and no server to use",
}


def _load(result: Result) -> str:
    workload = result.workload
    workers = f", {counted(workload.workers, 'worker')}" if workload.workers > 1 else ""
    return f"{octets(workload.octets)}, {workload.connections} connections{workers}"


def _range(values: Spread) -> str:
    return f"{values.median:,.0f} ({values.min:,.0f}..{values.max:,.0f})"


def _times(ratio: Ratio | None) -> str | None:
    return None if ratio is None or ratio.ratio is None else f"{ratio.ratio:.2f}"


def _machine_us(result: Result) -> str | None:
    spent = result.cpu_us_per_request.get(MACHINE)
    return None if spent is None else f"{spent.median:,.1f}"


def show_versus(report: Report) -> None:
    """Ratios of runs that took turns, a table for each other target."""
    for name in dict.fromkeys(each.name for each in report.versus):
        rows: list[list[object]] = []
        for each in (found for found in report.versus if found.name == name):
            ours, other = report.results[each.result], report.results[each.base]
            ratio = each.requests_per_s
            interval = None if ratio.low is None or ratio.high is None else f"{ratio.low:.2f}..{ratio.high:.2f}"
            seen = each.requests_per_s_each
            rows.append(
                [
                    f"{row_of(ours)}; {_load(ours)}",
                    _range(ours.requests_per_s),
                    _range(other.requests_per_s),
                    _times(ratio),
                    f"{min(seen):.2f}..{max(seen):.2f}" if seen else None,
                    interval,
                    DIFFERENCES[ratio.verdict],
                    _machine_us(ours),
                    _machine_us(other),
                    _times(each.p99_us),
                ]
            )
        columns = (
            "ours", "requests/s", f"{name} requests/s", "ratio", "range", "95 % interval", "difference",
            "CPU us/request", f"{name} CPU", "p99 ratio",
        )  # fmt: skip
        show_table(f"Ours over {name}: {_WHAT[name]}", columns, rows, (1, 2, 3, 4, 5, 7, 8, 9))
    if any(each.requests_per_s.verdict == "too few" for each in report.versus):
        print("fewer than 6 repetitions: whatever the ratio, noise may have made it")
    if report.versus:
        print("CPU is the whole machine's, with the load client; runs took turns, and ratios are of neighbours\n")


def show_sweeps(report: Report) -> None:
    """A table for each workload that was measured in several configurations."""
    for sweep in sweeps(report.results):
        rows: list[list[object]] = []
        for label in sweep.rows:
            cells = [sweep.cells.get((label, workers)) for workers in sweep.workers]
            texts = [
                None if cell is None else _range(cell.requests_per_s) + (" *" if cell is sweep.best else "")
                for cell in cells
            ]
            rows.append([label, *texts])
        columns = ("", *(worker_words(sweep, workers) for workers in sweep.workers))
        workload = sweep.workload
        title = f"Requests/s, {octets(workload.octets)}, {workload.connections} connections; * best"
        show_table(title, columns, rows, tuple(range(1, len(columns))))
        print(_verdict(sweep))


def _verdict(sweep: Sweep) -> str:
    """Whether the best is one."""
    best, second, ratio = sweep.best, sweep.second, sweep.second_to_best
    text = f"best: {best.label}, {worker_words(sweep, best.workers)}"
    if second is None or ratio is None or ratio.ratio is None:
        return text
    words = {"less": "", "noise": "; noise hides the difference"}.get(ratio.verdict, "; too few repetitions to tell")
    following = f"{second.label}, {worker_words(sweep, second.workers)}"
    return f"{text}; the next ({following}) has {ratio.ratio:.2f} of it{words}\n"
