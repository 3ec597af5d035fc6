"""The TCP connections of a capture: frames in, a script for each connection whose client's SYN is there.

What is not played is counted under a reason. Memory is bounded by KEPT_OCTETS; a capture with more is played in parts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from neatctl.core.wire.tcp_header import ACK, SYN
from neatctl.nic.devices.pcap import BadCapture
from neatctl.nic.replay import LINKS
from neatctl.testbed.replay.capture_file import open_capture
from neatctl.testbed.replay.stateful import captured
from neatctl.testbed.replay.stateful.captured import CapturedSegment
from neatctl.testbed.replay.stateful.script import Endpoint, Script, Writer

KEPT_OCTETS = 1 << 30
NO_SYN = "TCP without the client's SYN"
OTHER_LINK = "other link types"
NOT_CHOSEN = "not chosen by --connections"
_SEGMENT_OCTETS = 400
_CONNECTION_OCTETS = 4000
_FLOWS = 1 << 20
_COUNTED_AS_FRAMES = frozenset({captured.FRAGMENT, captured.MALFORMED})
_Flow = tuple[Endpoint, Endpoint]


class TooMuch(ValueError):
    """More than is kept at once; the message says what to do."""


class Conversations:
    """Frames in their order; `scripts` at the end. Connections are numbered from 1 on by their first SYN; those from
    `first` to `last` are kept."""

    def __init__(self, first: int = 1, last: int = 1 << 62) -> None:
        self.frames = 0
        self.skipped: dict[str, int] = {}
        """Connections that are not played by reason; frames for what belongs to none."""
        self._first = first
        self._last = last
        self._numbered = 0
        self._kept = 0
        self._writers: dict[_Flow, Writer | None] = {}
        self._finished: list[Writer] = []

    def add(self, time_ns: int, original: int, frame: bytes) -> None:
        """An Ethernet frame of which `original` octets were on the wire. TooMuch."""
        self.frames += 1
        segment = captured.parse(time_ns, original, frame)
        if isinstance(segment, str):
            if segment != captured.NOT_TCP:
                self.skip(segment)
            return
        flow, back = (segment.source, segment.destination), (segment.destination, segment.source)
        if segment.flags & (SYN | ACK) == SYN:
            self._open(segment, flow)
            return
        found = flow if flow in self._writers else back
        writer = self._writers.get(found)
        if writer is not None:
            before = writer.octets
            writer.add(segment)
            self._keep(writer.octets - before + _SEGMENT_OCTETS)
        elif found not in self._writers and len(self._writers) < _FLOWS:
            self._writers[flow] = None
            self.skip(NO_SYN)

    def skip(self, reason: str, count: int = 1) -> None:
        """Count what is not played."""
        self.skipped[reason] = self.skipped.get(reason, 0) + count

    def scripts(self) -> list[Script]:
        """All connections by number."""
        writers = self._finished + [writer for writer in self._writers.values() if writer is not None]
        return sorted((writer.finish() for writer in writers), key=lambda script: script.number)

    def _open(self, segment: CapturedSegment, flow: _Flow) -> None:
        before = self._writers.get(flow)
        if before is not None:
            if before.is_of_this(segment):
                before.add(segment)
                return
            self._finished.append(before)
        self._writers.pop((segment.destination, segment.source), None)
        self._numbered += 1
        if self._first <= self._numbered <= self._last:
            self._keep(_CONNECTION_OCTETS)
            self._writers[flow] = Writer(self._numbered, segment)
        else:
            self._writers[flow] = None
            self.skip(NOT_CHOSEN)

    def _keep(self, octets: int) -> None:
        self._kept += octets
        if self._kept > KEPT_OCTETS:
            raise TooMuch(
                f"the first {self._numbered:,} connections hold more than {KEPT_OCTETS >> 20} MiB: play fewer at a "
                "time with --connections A-B, or choose some with --bpf"
            )


def read(
    path: Path, expression: str, conversations: Conversations, progress: Callable[[int], None] | None = None
) -> str:
    """All frames of a file; why it stopped making sense, or "".

    BadCapture (it is none), BadFilter, OSError, TooMuch.
    """
    with open_capture(path, expression) as file:
        while True:
            try:
                if not file.read():
                    return ""
            except BadCapture as error:
                return str(error)
            if file.capture.link not in LINKS:
                conversations.skip(OTHER_LINK, file.count)
            for frame in file.ethernet_frames():
                conversations.add(*frame)
            if progress is not None:
                progress(file.capture.at)
