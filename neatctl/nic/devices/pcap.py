"""Reads pcap and pcapng files: the places of their frames in batches, so that the frames themselves are never copied.

Takes microsecond and nanosecond files of either byte order, several sections and interfaces, and files that were cut
off in a record. Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. What cannot be read raises BadCapture,
which says where. Knows octets in a Memory, and nothing of files or of what is in a frame.
"""

from __future__ import annotations

from neatctl.core.native import Memory

PLACE_OCTETS = 32
"""Of one frame in `places`, as numbers of 8 octets in host order: where it lies, how many octets of it are there, how
many it had on the wire, and when (nanoseconds since 1970)."""
MAX_CAPTURED = 1 << 20
"""Octets of one frame. More is nonsense: libpcap stops at a quarter of it."""

_MICROSECONDS, _NANOSECONDS, _MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
_SECTION, _BYTE_ORDER = 0x0A0D0D0A, 0x1A2B3C4D
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 1, 2, 3, 6
_FILE_HEADER = 24
_RECORD_HEADER = 16
_MAX_BLOCK = 64 << 20
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
    """One file, from its first frame to its last. BadCapture if its beginning is none of a capture."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
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
        if memory.octets < 4:
            raise BadCapture("it is empty" if memory.octets == 0 else "it is no pcap or pcapng file")
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
        if memory.octets < _FILE_HEADER:
            raise BadCapture("its file header is cut off")
        self._factor = 1000 if magic == _MICROSECONDS else 1
        self.link = self._get32(20) & 0xFFFF
        self.sections = self.interfaces = 1
        self.at = _FILE_HEADER

    def batch(self, places: Memory, room: int) -> int:
        """Put the places of the next frames, at most `room` and all of one link type; how many, 0 at the end.

        BadCapture where the file makes no sense any more; the frames before it were given.
        """
        if self.format == "pcap":
            count = self._batch_of_records(places, room)
        else:
            count = self._batch_of_blocks(places, room)
        self.frames += count
        return count

    # ---- pcap ----
    def _batch_of_records(self, places: Memory, room: int) -> int:
        memory = self.memory
        count = 0
        at = self.at
        while count < room:
            rest = memory.octets - at
            if rest < _RECORD_HEADER:
                self.cut = rest > 0
                break
            captured = self._get32(at + 8)
            if captured > _MAX_CAPTURED:
                if count == 0:
                    raise BadCapture(f"the record at octet {at} claims to hold {captured} octets")
                break
            if captured > rest - _RECORD_HEADER:
                self.cut = True
                break
            time_ns = self._get32(at) * _NANO + self._get32(at + 4) * self._factor
            self._place(places, count, at + _RECORD_HEADER, captured, self._get32(at + 12), time_ns)
            count += 1
            at += _RECORD_HEADER + captured
        self.at = at
        return count

    # ---- pcapng ----
    def _batch_of_blocks(self, places: Memory, room: int) -> int:
        memory = self.memory
        count = 0
        while count < room:
            at = self.at
            rest = memory.octets - at
            if rest < 12:
                self.cut = rest > 0
                break
            kind = self._get32(at)
            if kind == _SECTION:
                if count:
                    break
                self._begin_section(at, rest)
                if self.cut:
                    break
            octets = self._get32(at + 4)
            if octets < 12 or octets & 3 or octets > _MAX_BLOCK:
                if count == 0:
                    raise BadCapture(f"the block at octet {at} claims to be {octets} octets long")
                break
            if octets > rest:
                self.cut = True
                break
            if kind in (_ENHANCED_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                placed = self._packet(places, count, kind, at, octets)
                if placed < 0:
                    break
                count += placed
            elif kind == _INTERFACE:
                if count:
                    break
                self._begin_interface(at, octets)
            self.at = at + octets
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
            raise BadCapture(f"the packet block at octet {at} {why}")
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

    def _begin_section(self, at: int, rest: int) -> None:
        """A section has a byte order and interfaces of its own."""
        if rest < 28:
            self.cut = True
            return
        order = self.memory.get32h(at + 8)
        if order not in (_BYTE_ORDER, _swap32(_BYTE_ORDER)):
            raise BadCapture(f"the section at octet {at} has no byte order")
        self._swapped = order != _BYTE_ORDER
        if self._get16(at + 12) != 1:
            raise BadCapture(f"the section at octet {at} is of version {self._get16(at + 12)} of pcapng, not 1")
        self.sections += 1
        self.interfaces = 0

    def _begin_interface(self, at: int, octets: int) -> None:
        if octets < 20:
            raise BadCapture(f"the interface block at octet {at} is too short")
        if self.interfaces == _MAX_INTERFACES:
            raise BadCapture(f"there are more than {_MAX_INTERFACES} interfaces at octet {at}")
        resolution, offset_s = self._time_options(at + 16, at + octets - 4)
        power = resolution & 0x7F
        described = self.interfaces * _INTERFACE_OCTETS
        if power > (32 if resolution & 0x80 else 9):
            base = 2 if resolution & 0x80 else 10
            raise BadCapture(f"the interface at octet {at} counts time in units of {base}^-{power} s")
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
                    raise BadCapture(f"the interface option at octet {at} moves time by {offset_s} s")
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
