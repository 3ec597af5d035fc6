"""What people see of a replay: progress while it runs, tables of what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neatctl.nic.counters import DECLARED
from neatctl.testbed.replay.offline import OfflineReport
from neatctl.testbed.screens import note, show_table

_SENTENCES = dict(DECLARED.values())


@contextmanager
def progress_of(label: str, total_octets: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere: to be called with how many octets of the file were played."""
    if not sys.stderr.isatty():
        yield lambda _octets: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total_octets)
        yield lambda octets: bar.update(task, completed=octets)


def show_offline(report: OfflineReport) -> None:
    """Queues, counters, and one line on the rest."""
    queues = [(queue.replica, queue.frames, queue.flows) for queue in report.queues]
    show_table(f"{report.file} ({report.format})", ("replica", "frames", "new flows"), queues, (0, 1, 2))
    counted = [(name, value, _SENTENCES[name]) for name, value in report.counters.items()]
    show_table("counted by the NIC", ("counter", "value", "meaning"), counted, (1,))
    note(f"{report.frames:,} frames, {report.dropped:,} dropped, {report.to_all:,} to every queue; "
         f"{report.tracked:,} flows are tracked at the end")  # fmt: skip
    if report.spread is not None:
        spread = report.spread
        note(f"spread of new flows: chi-square {spread.chi_square} with {spread.degrees} degrees of freedom, "
             f"p = {spread.p_value:.3g}")  # fmt: skip
    if report.passed_over:
        note(f"{report.passed_over:,} frames were not chosen by the expression")
    for link, frames in report.other_links.items():
        note(f"{frames:,} frames of link type {link} were left out: only Ethernet, raw IP, loopback and Linux cooked "
             "captures can be steered")  # fmt: skip
    if report.truncated:
        note(f"{report.truncated:,} frames were captured in part; their headers were steered")
    if report.undated:
        note(f"{report.undated:,} frames have no time that could be, and were played at once")
    if report.cut:
        note("the file ends within a record: it was cut off; everything before was played")
    if report.bad:
        note(f"{report.file}: {report.bad}; everything before was played")
    mode = "" if report.compiled else " (plain Python: compile the packet path for the real rate)"
    note(f"{report.frames_per_s:,.0f} frames/s{mode}, {report.reading:.0%} of the time for reading the file")
