"""`neatctl capture`: what goes through the driver, as a pcapng that names the replica of each packet, and as counts.

One interface for each queue (`replica N`), a comment and a direction on each packet, times in nanoseconds. Checksums
that the stack leaves to the device are completed; a super-frame stays one packet.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from neatctl import __version__
from neatctl.core.control.status import Status
from neatctl.core.process.run_directory import RunDirectory
from neatctl.nic.mirror import EVERY, NOBODY
from neatctl.nic.tracking import MAX_REPLICA
from neatctl.testbed import client
from neatctl.testbed.replay.capture_file import BadFilter
from neatctl.testbed.replay.mirror_client import LOOK_S, MirrorClient, NoMirror, open_mirror
from neatctl.testbed.replay.mirrored import MirrorReader
from neatctl.testbed.replay.pcapng import PcapngWriter
from neatctl.testbed.screens import note, show_table
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE

SCHEMA = 1
_CHECK_S = 0.25
_MAX_SNAP = 262_144
_ETHERNET = 1


class Options(msgspec.Struct, frozen=True):
    """What a user may set for a capture."""

    write: str = ""
    """A file, "-" for stdout, "" for none."""
    replica: int | None = None
    expression: str = ""
    """A BPF expression of libpcap."""
    limit: int | None = None
    """Frames."""
    seconds: float | None = None
    both: bool = False
    """What arrives, too."""


class KindCount(msgspec.Struct, frozen=True):
    """Frames of one kind."""

    replica: str
    """The number of a replica, `all` for what went to all of them, `none` for what the NIC dropped."""
    direction: str
    """`sent` by the stack, or `received`."""
    kind: str
    """Of nic/frame_kind.py."""
    frames: int


class CaptureReport(msgspec.Struct, frozen=True):
    """`neatctl capture --json`."""

    schema: int
    file: str
    frames: int
    octets: int
    passed_over: int
    """Frames of other replicas, or that the expression did not choose."""
    lost: int
    """Copies that found the mirror full; they are not in the capture."""
    seconds: float
    kinds: list[KindCount]


def run_capture(run: RunDirectory, options: Options, as_json: bool) -> int:
    """Capture until the limit, the time or Ctrl-C; the exit code."""
    if options.replica is not None and not 1 <= options.replica <= MAX_REPLICA:
        note(f"neatctl: replicas are numbered from 1 to {MAX_REPLICA}, not {options.replica}")
        return USAGE
    if options.write == "-" and (as_json or sys.stdout.isatty()):
        note("neatctl: a capture on stdout is for a pipe, for example `neatctl capture --write - | tshark -r -`")
        return USAGE
    try:
        choose = bpf(options.expression) if options.expression else None
    except BadFilter as error:
        note(f"neatctl: {error}")
        return USAGE
    client.require_running(run)
    code = HELD
    try:
        with open_output(options.write) as output:
            writer = PcapngWriter(f"neatctl {__version__}") if output is not None else None
            limit = options.limit if options.limit is not None else -1
            replica = options.replica if options.replica is not None else -1
            reader = MirrorReader(writer, choose, replica, limit)
            full_before = mirror_full(run)
            with open_mirror(run, reader, "both" if options.both else "sent") as mirror:
                begun = time.monotonic()
                if options.write:
                    note("capturing; Ctrl-C ends it" if options.seconds is None and limit < 0 else "capturing")
                try:
                    with contextlib.suppress(KeyboardInterrupt):
                        _follow(mirror, writer, output, options.seconds)
                except (NoMirror, client.NotRunning) as error:
                    note(f"neatctl: {error}")
                    code = DID_NOT_HOLD
                seconds = time.monotonic() - begun
    except NoMirror as error:
        note(f"neatctl: {error}")
        return DID_NOT_HOLD
    except BrokenPipeError:
        # Whoever read the capture has had enough: that is no failure.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return HELD
    except OSError as error:
        note(f"neatctl: {error.filename or options.write}: {error.strerror}")
        return USAGE
    lost = max(mirror_full(run) - full_before, 0) if code == HELD else 0
    _show(report_of(reader, options.write, lost, seconds), as_json)
    return code


def _follow(mirror: MirrorClient, writer: PcapngWriter | None, output: BinaryIO | None, seconds: float | None) -> None:
    """Read and write until the limit or the time."""
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    check = time.monotonic() + _CHECK_S
    while True:
        taken = mirror.read()
        write_out(writer, output)
        now = time.monotonic()
        if mirror.reader.full() or now >= end:
            return
        if now >= check:
            mirror.check()
            check = now + _CHECK_S
        if not taken:
            time.sleep(max(min(LOOK_S, end - now), 0))


def write_out(writer: PcapngWriter | None, output: BinaryIO | None) -> None:
    """Hand over what the writer has."""
    if writer is not None and output is not None and writer.used:
        output.write(writer.take())
        output.flush()


@contextlib.contextmanager
def open_output(name: str) -> Iterator[BinaryIO | None]:
    """The file of a capture, stdout for "-", None for ""."""
    if not name:
        yield None
    elif name == "-":
        yield sys.stdout.buffer
    else:
        with Path(name).open("wb") as file:
            yield file


def bpf(expression: str) -> Callable[[bytes], bool]:
    """Whether a BPF expression takes a frame. BadFilter if it is none."""
    import pcapy

    try:
        program = pcapy.compile(_ETHERNET, _MAX_SNAP, expression, 1, 0)
    except pcapy.PcapError as error:
        raise BadFilter(f"{expression!r} is no filter: {error}") from None
    return lambda octets: bool(program.filter(octets))


def mirror_full(run: RunDirectory) -> int:
    """The driver's count of copies that found no room."""
    answer = client.ask(run, "status")
    status = msgspec.json.decode(answer.body, type=Status)
    return sum(row.counters.get("mirror_full", 0) for row in status.processes if row.component == "driver")


def kind_counts(reader: MirrorReader) -> list[KindCount]:
    """What was read, by replica, direction and kind."""
    names = {NOBODY: "none", EVERY: "all"}
    return [
        KindCount(names.get(replica, str(replica)), direction, kind, frames)
        for direction, sent in (("received", False), ("sent", True))
        for replica, kinds in reader.kinds(sent).items()
        for kind, frames in kinds.items()
    ]


def report_of(reader: MirrorReader, file: str, lost: int, seconds: float) -> CaptureReport:
    kinds = kind_counts(reader)
    return CaptureReport(
        SCHEMA, file, reader.frames, reader.octets, reader.passed_over, lost, round(seconds, 3), kinds
    )


def _show(report: CaptureReport, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(report).decode())
        return
    if report.file != "-":
        show_kinds(report.kinds)
    passed = f", {report.passed_over:,} passed over" if report.passed_over else ""
    lost = f", {report.lost:,} lost because they came faster than they were read" if report.lost else ""
    note(f"{report.frames:,} frames of {report.octets:,} octets in {report.seconds:.1f} s{passed}{lost}")


def show_kinds(kinds: list[KindCount]) -> None:
    """A row for each replica, direction and kind."""
    rows = [(count.replica, count.direction, count.kind, count.frames) for count in kinds]
    show_table("frames by kind", ("replica", "direction", "kind", "frames"), rows, (3,))
