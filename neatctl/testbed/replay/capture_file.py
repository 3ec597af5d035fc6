"""A capture from a file or pipe: read through a window, its frames in batches, chosen by a BPF expression.

`nic/devices/pcap.py` finds the places of frames in the window. libpcap, by pcapy-ng, compiles and runs the filters; it
does not read the files, since it cuts nanoseconds, drops original lengths and refuses interfaces that differ.

    with open_capture(path) as file:
        while file.read():
            for time_ns, octets_on_the_wire, frame in file.ethernet_frames(): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neatctl.core.native import Memory
from neatctl.nic.devices.pcap import PLACE_OCTETS, WINDOW_OCTETS, Capture
from neatctl.nic.replay import LINKS, ethertype_of

BATCH = 4096
"""Frames of one batch."""
ETHERNET_HEADER = 14
_LINKTYPE_RAW = 101
_DLT_RAW = 12
"""libpcap's own number for the same on Linux."""


class BadFilter(ValueError):
    """A BPF expression that libpcap does not take."""


class CaptureFile:
    """A capture and the batch that was read of it last: `places` has `count` entries (nic/devices/pcap.py)."""

    def __init__(self, capture: Capture, expression: str = "") -> None:
        self.capture = capture
        self.places = Memory(bytearray(BATCH * PLACE_OCTETS))
        self.count = 0
        self.passed_over = 0
        """Frames that the BPF expression did not choose."""
        self._expression = expression
        self._programs: dict[int, object] = {}

    def read(self) -> bool:
        """The next batch; False at the end. BadCapture where the file makes no sense; BadFilter."""
        self.count = self.capture.batch(self.places, BATCH)
        if self.count == 0:
            return False
        if self._expression:
            self._choose()
        return True

    def frames(self) -> Iterator[tuple[int, int, bytes]]:
        """Time (nanoseconds since 1970), octets on the wire, and what was captured of each frame of this batch."""
        memory, places = self.capture.memory, self.places
        for place in range(0, self.count * PLACE_OCTETS, PLACE_OCTETS):
            octets = memory.bytes(places.load64(place), places.load64(place + 8))
            yield places.load64(place + 24), places.load64(place + 16), octets

    def ethernet_frames(self) -> Iterator[tuple[int, int, bytes]]:
        """As `frames`, with an Ethernet header in front where the link has another one (addresses all 0). Nothing for
        link types that cannot be steered."""
        link = self.capture.link
        front = LINKS.get(link)
        if front == ETHERNET_HEADER:
            yield from self.frames()
        elif front is not None:
            for time_ns, original, octets in self.frames():
                ethertype = ethertype_of(Memory(octets), 0, len(octets), link, front)
                header = bytes(12) + ethertype.to_bytes(2, "big")
                yield time_ns, max(original - front, 0) + ETHERNET_HEADER, header + octets[front:]

    def _choose(self) -> None:
        if self.capture.link not in LINKS:
            return
        program = self._program(self.capture.link)
        kept = 0
        for index, (_time, _original, octets) in enumerate(self.frames()):
            if program.filter(octets):  # type: ignore[attr-defined]
                self.places.copy(kept * PLACE_OCTETS, self.places, index * PLACE_OCTETS, PLACE_OCTETS)
                kept += 1
        self.passed_over += self.count - kept
        self.count = kept

    def _program(self, link: int) -> object:
        if link not in self._programs:
            import pcapy

            try:
                # Not pcapy.compile: it reads the message of an error from memory that it has given back.
                self._programs[link] = pcapy.BPFProgram(self._expression, _DLT_RAW if link == _LINKTYPE_RAW else link)
            except pcapy.BPFError:
                raise BadFilter(f"{self._expression!r} is no filter that libpcap knows for link type {link}") from None
        return self._programs[link]


@contextmanager
def open_capture(path: Path | int, expression: str = "") -> Iterator[CaptureFile]:
    """A capture from a file or pipe, by path or descriptor. OSError if it cannot be read, BadCapture if it is none."""
    with open(path, "rb", buffering=0) as file:
        window = bytearray(WINDOW_OCTETS)
        view = memoryview(window)
        yield CaptureFile(Capture(Memory(window), lambda at: file.readinto(view[at:]) or 0), expression)
