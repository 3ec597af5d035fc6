"""Captures as octets, for the tests: pcap in every byte order and resolution, pcapng block by block."""

from __future__ import annotations

import struct
from collections.abc import Sequence

Record = tuple[int, bytes, int]
"""Time in nanoseconds, captured octets, length on the wire."""


def pcap(records: Sequence[Record], order: str = "<", nano: bool = False, link: int = 1) -> bytes:
    magic, unit = (0xA1B23C4D, 1) if nano else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for time_ns, octets, original in records:
        head = struct.pack(order + "IIII", time_ns // 10**9, time_ns % 10**9 // unit, len(octets), original)
        parts.append(head + octets)
    return b"".join(parts)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link: int = 1, options: bytes = b"", order: str = "<", snap: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def packet(ticks: int, octets: bytes, original: int, number: int = 0, order: str = "<") -> bytes:
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), original)
    return block(6, head + octets, order)
