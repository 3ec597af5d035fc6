"""Reads pcap and pcapng files: the places of their frames, in batches, within a window that moves over the file.

Takes microsecond and nanosecond files of either byte order, several sections and interfaces, and files that were cut
off in a record. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. What cannot be read raises BadCapture,
which says where. Knows octets in a Memory, and nothing of files or of what is in a frame.
"""

from __future__ import annotations

from collections.abc import Callable

from neatctl.core.native import Memory

PLACE_OCTETS = 32
"""Of one frame in `places`, as numbers of 8 octets in host order: where it lies, how many octets of it are there, how
many it had on the wire, and when (nanoseconds since 1970)."""
MAX_CAPTURED = 1 << 20
"""Octets of one frame. More is nonsense: libpcap stops at a quarter of it."""
WINDOW_OCTETS = 1 << 21
"""Of a window at least: each record that must be there as a whole is smaller."""

_MICROSECONDS, _NANOSECONDS, _MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
_SECTION, _BYTE_ORDER = 0x0A0D0D0A, 0x1A2B3C4D
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_FILE_HEADER = 24
_SECTION_HEADER = 28
_RECORD_HEADER = 16
_MAX_BLOCK = 64 << 20
_MAX_WHOLE = MAX_CAPTURED + (1 << 19)
"""A frame and its options, in one block."""
_MAX_INTERFACES = 4096
_INTERFACE_OCTETS = 40
_MASK32 = 0xFFFFFFFF
_NANO = 1_000_000_000
_FAR_FUTURE = 1 << 62
_MAX_CAPTURED = MAX_CAPTURED
_PLACE = PLACE_OCTETS


class BadCapture(ValueError):
    """Octets that are no capture, or one that cannot be used; the message says what and where."""


class Capture:
    """One file, from its first frame to its last. BadCapture if its beginning is none of a capture.

    `memory` is the whole file; or, with `fill`, a window of WINDOW_OCTETS or more: `fill(at)` puts the file's next
    octets into it from `at` on and returns how many they are, 0 at the file's end. It is called only by `batch`.
    """

    def __init__(self, memory: Memory, fill: Callable[[int], int] | None = None) -> None:
        self.memory = memory
        self._fill = fill
        self._end = 0 if fill else memory.octets
        self._ended = fill is None
        self._base = 0
        self._next = 0
        self._more()
        self.at = 0
        """How far the file was read, in octets."""
        self.frames = 0
        self.truncated = 0
        """Frames of which the capture has only the beginning."""
        self.undated = 0
        """Frames whose time cannot be; theirs is 0."""
        self.cut = False
        """The file ends within a record."""
        self.sections = 0
        self.interfaces = 0
        """Of the current section."""
        self.link = -1
        """The link type of the last batch (LINKTYPE_ of the pcap registry)."""
        self._swapped = False
        self._factor = 1
        self._interfaces = Memory(bytearray(_MAX_INTERFACES * _INTERFACE_OCTETS))
        if self._end < 4:
            raise BadCapture("it is empty" if self._end == 0 else "it is no pcap or pcapng file")
        magic = memory.get32h(0)
        if magic == _SECTION:
            self.format = "pcapng"
            return
        self.format = "pcap"
        other = _swap32(magic)
        self._swapped = other in (_MICROSECONDS, _NANOSECONDS, _MODIFIED)
        magic = other if self._swapped else magic
        if magic == _MODIFIED:
            raise BadCapture("it is of a pcap dialect of long ago (a1b2cd34); `editcap IN OUT` makes a pcapng of it")
        if magic not in (_MICROSECONDS, _NANOSECONDS):
            raise BadCapture(_what_it_is(memory))
        if self._end < _FILE_HEADER:
            raise BadCapture("its file header is cut off")
        self._factor = 1000 if magic == _MICROSECONDS else 1
        self.link = self._get32(20) & 0xFFFF
        self.sections = self.interfaces = 1
        self.at = self._next = _FILE_HEADER

    def batch(self, places: Memory, room: int) -> int:
        """Put the places of the next frames, at most `room` and all of one link type; how many, 0 at the end.

        BadCapture where the file makes no sense any more; the frames before it were given.
        """
        if self.format == "pcap":
            count = self._batch_of_records(places, room)
        else:
            count = self._batch_of_blocks(places, room)
        self.frames += count
        self.at = self._base + (self._end if self.cut else self._next)
        return count

    def _more(self) -> bool:
        """Move the window on to what comes next and fill it; False if nothing came. Places given before are void."""
        if self._ended:
            return False
        came = False
        rest = self._end - self._next
        while rest < 0:
            # A block that nobody reads goes on behind the window.
            self._base += self._end
            self._end = self._read(0)
            if self._ended:
                self._next = 0
                self.cut = True
                return False
            self._next = -rest
            rest = self._end - self._next
            came = True
        if self._next:
            self.memory.copy(0, self.memory, self._next, rest)
            self._base += self._next
            self._next = 0
            self._end = rest
        while self._end < self.memory.octets and not self._ended:
            read = self._read(self._end)
            self._end += read
            came = came or read > 0
        return came

    def _read(self, at: int) -> int:
        assert self._fill is not None
        read = self._fill(at)
        self._ended = read == 0
        return read

    # ---- pcap ----
    def _batch_of_records(self, places: Memory, room: int) -> int:
        count = 0
        while count < room:
            at = self._next
            rest = self._end - at
            captured = self._get32(at + 8) if rest >= _RECORD_HEADER else 0
            if captured > _MAX_CAPTURED:
                if count == 0:
                    raise BadCapture(f"the record at octet {self._base + at} claims to hold {captured} octets")
                break
            if rest < _RECORD_HEADER + captured:
                if count == 0:
                    if self._more():
                        continue
                    self.cut = rest > 0
                break
            time_ns = self._get32(at) * _NANO + self._get32(at + 4) * self._factor
            self._place(places, count, at + _RECORD_HEADER, captured, self._get32(at + 12), time_ns)
            count += 1
            self._next = at + _RECORD_HEADER + captured
        return count

    # ---- pcapng ----
    def _batch_of_blocks(self, places: Memory, room: int) -> int:
        count = 0
        while count < room:
            at = self._next
            rest = self._end - at
            if rest < _SECTION_HEADER:
                if count == 0 and self._more():
                    continue
                if rest < 12:
                    self.cut = self.cut or (count == 0 and rest > 0)
                    break
            kind = self._get32(at)
            if kind == _SECTION:
                if count:
                    break
                if rest < _SECTION_HEADER:
                    self.cut = True
                    break
                self._find_byte_order(at)
            octets = self._get32(at + 4)
            used = kind in (_ENHANCED_PACKET, _OLD_PACKET, _SIMPLE_PACKET, _INTERFACE, _SECTION)
            if octets < 12 or octets & 3 or octets > (_MAX_WHOLE if used else _MAX_BLOCK):
                if count == 0:
                    raise BadCapture(f"the block at octet {self._base + at} claims to be {octets} octets long")
                break
            if octets > rest and (used or self._ended):
                if count == 0:
                    if self._more():
                        continue
                    self.cut = True
                break
            if kind == _SECTION:
                self._begin_section(at)
            elif kind == _INTERFACE:
                if count:
                    break
                self._begin_interface(at, octets)
            elif used:
                placed = self._packet(places, count, kind, at, octets)
                if placed < 0:
                    break
                count += placed
            self._next = at + octets
        return count

    def _packet(self, places: Memory, count: int, kind: int, at: int, octets: int) -> int:
        """Place the packet of a block: 1. -1 if the batch must end before it: it is bad, or of another link type."""
        if octets < (16 if kind == _SIMPLE_PACKET else 32):
            return self._bad(count, at, "is too short")
        interface = 0
        if kind == _ENHANCED_PACKET:
            interface = self._get32(at + 8)
        elif kind == _OLD_PACKET:
            interface = self._get16(at + 8)
        if interface >= self.interfaces:
            return self._bad(count, at, f"is of interface {interface}, which nothing describes")
        described = interface * _INTERFACE_OCTETS
        link = self._interfaces.load64(described)
        if count and link != self.link:
            return -1
        data = at + 28
        time_ns = 0
        if kind == _SIMPLE_PACKET:
            data = at + 12
            original = self._get32(at + 8)
            snap = self._interfaces.load64(described + 8)
            captured = min(original, octets - 16)
            if snap:
                captured = min(captured, snap)
        else:
            captured = self._get32(at + 20)
            original = self._get32(at + 24)
            time_ns = self._time(described, self._get32(at + 12), self._get32(at + 16))
        if captured > at + octets - 4 - data or captured > _MAX_CAPTURED:
            return self._bad(count, at, f"claims to hold {captured} octets")
        self.link = link
        self._place(places, count, data, captured, original, time_ns)
        return 1

    def _bad(self, count: int, at: int, why: str) -> int:
        if count == 0:
            raise BadCapture(f"the packet block at octet {self._base + at} {why}")
        return -1

    def _time(self, described: int, high: int, low: int) -> int:
        """Nanoseconds since 1970 of a time in the units of an interface; 0, and counted, if that is no time."""
        ticks = (high & 0x7FFFFFFF) << 32 | low
        divisor = self._interfaces.load64(described + 16)
        shift = self._interfaces.load64(described + 24)
        if shift:
            seconds = ticks >> shift
            time_ns = (ticks & ((1 << shift) - 1)) * _NANO >> shift
        else:
            seconds = ticks // divisor
            time_ns = (ticks - seconds * divisor) * (_NANO // divisor)
        seconds += self._interfaces.load64(described + 32)
        if high > 0x7FFFFFFF or seconds < 0 or seconds > _FAR_FUTURE // _NANO:
            self.undated += 1
            return 0
        return seconds * _NANO + time_ns

    def _find_byte_order(self, at: int) -> None:
        """Each section has its own."""
        order = self.memory.get32h(at + 8)
        if order not in (_BYTE_ORDER, _swap32(_BYTE_ORDER)):
            raise BadCapture(f"the section at octet {self._base + at} has no byte order")
        self._swapped = order != _BYTE_ORDER

    def _begin_section(self, at: int) -> None:
        version = self._get16(at + 12)
        if version != 1:
            raise BadCapture(f"the section at octet {self._base + at} is of version {version} of pcapng, not 1")
        self.sections += 1
        self.interfaces = 0

    def _begin_interface(self, at: int, octets: int) -> None:
        if octets < 20:
            raise BadCapture(f"the interface block at octet {self._base + at} is too short")
        if self.interfaces == _MAX_INTERFACES:
            raise BadCapture(f"there are more than {_MAX_INTERFACES} interfaces at octet {self._base + at}")
        resolution, offset_s = self._time_options(at + 16, at + octets - 4)
        power = resolution & 0x7F
        described = self.interfaces * _INTERFACE_OCTETS
        if power > (32 if resolution & 0x80 else 9):
            base = 2 if resolution & 0x80 else 10
            raise BadCapture(f"the interface at octet {self._base + at} counts time in units of {base}^-{power} s")
        self._interfaces.store64(described, self._get16(at + 8))
        self._interfaces.store64(described + 8, self._get32(at + 12))
        self._interfaces.store64(described + 16, 1 if resolution & 0x80 else 10**power)
        self._interfaces.store64(described + 24, power if resolution & 0x80 else 0)
        self._interfaces.store64(described + 32, offset_s)
        self.interfaces += 1

    def _time_options(self, at: int, end: int) -> tuple[int, int]:
        """if_tsresol and if_tsoffset (seconds) among the options from `at` on."""
        resolution, offset_s = 6, 0
        while at + 4 <= end:
            code, octets = self._get16(at), self._get16(at + 2)
            if code == 0 or at + 4 + octets > end:
                break
            if code == 9 and octets == 1:
                resolution = self.memory.get8(at + 4)
            elif code == 14 and octets == 8:
                words = self._get32(at + 4), self._get32(at + 8)
                high, low = (words[1], words[0]) if self._low_first() else words
                offset_s = high << 32 | low
                if offset_s >= 1 << 63:
                    offset_s -= 1 << 64
                if abs(offset_s) > _FAR_FUTURE // _NANO:
                    raise BadCapture(f"the interface option at octet {self._base + at} moves time by {offset_s} s")
            at += 4 + (octets + 3 & ~3)
        return resolution, offset_s

    def _low_first(self) -> bool:
        """Whether this section is little-endian."""
        probe = Memory(bytearray(4))
        probe.put32h(0, 1)
        return (probe.get8(0) == 1) != self._swapped

    # ---- both ----
    def _place(self, places: Memory, index: int, at: int, captured: int, original: int, time_ns: int) -> None:
        place = index * _PLACE
        places.store64(place, at)
        places.store64(place + 8, captured)
        places.store64(place + 16, original if original > captured else captured)
        places.store64(place + 24, time_ns)
        if original > captured:
            self.truncated += 1

    def _get32(self, at: int) -> int:
        value = self.memory.get32h(at)
        return _swap32(value) if self._swapped else value

    def _get16(self, at: int) -> int:
        value = self.memory.get16h(at)
        return (value & 0xFF) << 8 | value >> 8 if self._swapped else value


def _swap32(value: int) -> int:
    return (value & 0xFF) << 24 | (value & 0xFF00) << 8 | value >> 8 & 0xFF00 | value >> 24 & 0xFF


def _what_it_is(memory: Memory) -> str:
    """Why these octets are no capture, for whoever gave the wrong file."""
    head = memory.bytes(0, min(memory.octets, 4))
    if head[:2] == b"\x1f\x8b":
        return "it is compressed; `gunzip` it first"
    if head in (b"\x28\xb5\x2f\xfd", b"\xfd7zX"):
        return "it is compressed; decompress it first"
    return "it is no pcap or pcapng file"
