"""Writes pcapng: sections, interfaces and packets with a comment and a direction, as octets in one memory.

draft-ietf-opsawg-pcapng: Section Header, Interface Description and Enhanced Packet Blocks, in the host's byte order,
Ethernet, times in nanoseconds. Knows neither files nor what is in a frame.
"""

from __future__ import annotations

import sys

from neatctl.core.native import Memory

ROOM = 1 << 20
"""Octets that are collected at most; a packet takes up to a tenth of it."""

_SECTION = 0x0A0D0D0A
_BYTE_ORDER = 0x1A2B3C4D
_INTERFACE = 1
_ENHANCED_PACKET = 6
_PACKET_HEADER = 28
_MASK32 = 0xFFFFFFFF
_HOST = sys.byteorder
_COMMENT, _APPLICATION, _IF_NAME, _IF_RESOLUTION, _PACKET_FLAGS = 1, 4, 2, 9, 2
INBOUND, OUTBOUND = 1, 2
_ROOM = ROOM
_ROOM_OF_INTERFACES = 1 << 17


class PcapngWriter:
    """Blocks one after another in `memory`, `used` octets so far; `take` empties it. Begins with a section header."""

    def __init__(self, application: str = "neatctl") -> None:
        self.memory = Memory(bytearray(ROOM + _ROOM_OF_INTERFACES))
        self.used = 0
        self.interfaces = 0
        body = _word(_BYTE_ORDER) + _half(1) + _half(0) + b"\xff" * 8
        self._block(_SECTION, body + _option(_APPLICATION, application.encode()) + bytes(4))

    def interface(self, name: str) -> int:
        """Describe an interface; its number."""
        options = _option(_IF_NAME, name.encode()) + _option(_IF_RESOLUTION, b"\x09") + bytes(4)
        self._block(_INTERFACE, _half(1) + _half(0) + _word(0) + options)
        self.interfaces += 1
        return self.interfaces - 1

    def packet(self, interface: int, time_ns: int, source: Memory, at: int, octets: int, options: Memory) -> bool:
        """A packet of so many octets with what `packet_options` made; False when it needs a `take` before."""
        padded = (octets + 3) & ~3
        length = _PACKET_HEADER + padded + options.octets + 4
        if length > _ROOM - self.used:
            return False
        memory = self.memory
        place = self.used
        memory.put32h(place, _ENHANCED_PACKET)
        memory.put32h(place + 4, length)
        memory.put32h(place + 8, interface)
        memory.put32h(place + 12, time_ns >> 32)
        memory.put32h(place + 16, time_ns & _MASK32)
        memory.put32h(place + 20, octets)
        memory.put32h(place + 24, octets)
        place += _PACKET_HEADER
        if padded:
            memory.fill(place + padded - 4, 4, 0)
        memory.copy(place, source, at, octets)
        memory.copy(place + padded, options, 0, options.octets)
        memory.put32h(place + padded + options.octets, length)
        self.used += length
        return True

    def take(self) -> bytes:
        """All octets since the last call."""
        taken = self.memory.bytes(0, self.used)
        self.used = 0
        return taken

    def _block(self, kind: int, body: bytes) -> None:
        length = _word(len(body) + 12)
        block = _word(kind) + length + body + length
        self.memory.put(self.used, block)
        self.used += len(block)


def packet_options(comment: str, direction: int) -> Memory:
    """The options of packets with this comment and direction (INBOUND, OUTBOUND)."""
    return Memory(_option(_COMMENT, comment.encode()) + _option(_PACKET_FLAGS, _word(direction)) + bytes(4))


def _word(value: int) -> bytes:
    return value.to_bytes(4, _HOST)


def _half(value: int) -> bytes:
    return value.to_bytes(2, _HOST)


def _option(code: int, value: bytes) -> bytes:
    return _half(code) + _half(len(value)) + value + bytes(-len(value) % 4)
