"""What people see of a replay: progress while it runs, tables of what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neatctl.nic.counters import DECLARED
from neatctl.testbed.replay.offline import OfflineReport
from neatctl.testbed.screens import note, show_table

ONLY = "only Ethernet, raw IP, loopback and Linux cooked captures can be steered"
_SENTENCES = dict(DECLARED.values())
_LINKS = {
    9: "PPP",
    50: "PPP in HDLC",
    51: "PPPoE",
    105: "IEEE 802.11",
    127: "IEEE 802.11 with radiotap",
    163: "IEEE 802.11 with AVS",
    187: "Bluetooth",
    189: "USB",
    192: "PPI",
    195: "IEEE 802.15.4",
    201: "Bluetooth",
    220: "USB",
    239: "NFLOG",
    249: "USBPcap",
    258: "PKTAP",
}
"""Those that captures of others have most often."""


def link_name(link: int) -> str:
    """For people, by LINKTYPE_ of the pcap registry."""
    return f"link type {link} ({_LINKS[link]})" if link in _LINKS else f"link type {link}"


@contextmanager
def progress_of(label: str, total: int, of_octets: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere: to be called with how many octets of the file were played, or how many of
    what else is counted."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = DownloadColumn() if of_octets else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def show_offline(report: OfflineReport) -> None:
    """Queues, counters, and one line on the rest."""
    queues = [(queue.replica, queue.frames, queue.flows) for queue in report.queues]
    show_table(f"{report.file} ({report.format})", ("replica", "frames", "flows"), queues, (0, 1, 2))
    counted = [(name, value, _SENTENCES[name]) for name, value in report.counters.items()]
    show_table("counted by the NIC", ("counter", "value", "meaning"), counted, (1,))
    more = "more than " if report.more_flows else ""
    plural = "" if report.flows == 1 else "s"
    note(f"{report.frames:,} frames of {more}{report.flows:,} flow{plural}, {report.dropped:,} dropped, "
         f"{report.to_all:,} to every queue; {report.tracked:,} tracked at the end")  # fmt: skip
    if report.spread is not None:
        spread = report.spread
        note(f"spread of flows over queues: chi-square {spread.chi_square} with {spread.degrees} degrees of freedom, "
             f"p = {spread.p_value:.3g}{' (rough: few flows)' if spread.rough else ''}")  # fmt: skip
    if report.passed_over:
        note(f"{report.passed_over:,} frames were not chosen by the expression")
    for link, frames in report.other_links.items():
        note(f"{frames:,} frames of {link_name(int(link))} were left out: {ONLY}")
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
    note(f"--seed {report.seed} gives the same RSS key")
