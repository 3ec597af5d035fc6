"""The options of a captured segment, rewritten for another server: timestamps, SACK blocks; and what a SYN offers.

All other options stay as they were captured, octet by octet. RFC 9293 section 3.1, RFC 2018, RFC 7323. Knows octets.
"""

from __future__ import annotations

from collections.abc import Iterator

from neatctl.core.wire.tcp_header import (
    END_OF_OPTIONS,
    MAX_OPTIONS,
    MAX_SCALE,
    MSS_OPTION,
    NO_OPERATION,
    SACK_OPTION,
    SCALE_OPTION,
    TIMESTAMPS_OPTION,
)

SACK_BLOCK = 8
_NOPS = bytes((NO_OPERATION,))


def each(options: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, where it begins and its octets of every option with a length, up to the first that makes no sense."""
    at = 0
    while at < len(options) and options[at] != END_OF_OPTIONS:
        if options[at] == NO_OPERATION:
            at += 1
            continue
        octets = options[at + 1] if at + 1 < len(options) else 0
        if octets < 2 or at + octets > len(options):
            return
        yield options[at], at, octets
        at += octets


def timestamps(options: bytes) -> tuple[int, int] | None:
    """TSval and TSecr."""
    for kind, at, octets in each(options):
        if kind == TIMESTAMPS_OPTION and octets == 10:
            return int.from_bytes(options[at + 2 : at + 6], "big"), int.from_bytes(options[at + 6 : at + 10], "big")
    return None


def scale(options: bytes) -> int:
    """The window scale of a SYN, or -1."""
    for kind, at, octets in each(options):
        if kind == SCALE_OPTION and octets == 3:
            return min(options[at + 2], MAX_SCALE)
    return -1


def mss(options: bytes) -> int:
    """The MSS of a SYN, or 0."""
    for kind, at, octets in each(options):
        if kind == MSS_OPTION and octets == 4:
            return int.from_bytes(options[at + 2 : at + 4], "big")
    return 0


def rewritten(options: bytes, times: tuple[int, int] | None, sack: bytes = b"", may_grow: bool = True) -> bytes:
    """Options with these timestamps (None: without) and these SACK blocks of 8 octets instead of the captured ones.

    What goes leaves NOPs behind. Timestamps and blocks that had no place get one if `may_grow` and there is room.
    """
    made = bytearray(options)
    timed = times is None
    for kind, at, octets in each(options):
        if kind == TIMESTAMPS_OPTION and octets == 10 and times is not None:
            made[at + 2 : at + 10] = _eight(times)
            timed = True
        elif kind in {TIMESTAMPS_OPTION, SACK_OPTION}:
            made[at : at + octets] = _NOPS * octets
    if may_grow and (not timed or sack):
        del made[max((at + octets for _, at, octets in each(bytes(made))), default=0) :]
        if not timed and times is not None and len(made) + 12 <= MAX_OPTIONS:
            made += bytes((NO_OPERATION, NO_OPERATION, TIMESTAMPS_OPTION, 10)) + _eight(times)
        blocks = min(len(sack), (MAX_OPTIONS - len(made) - 4) // SACK_BLOCK * SACK_BLOCK)
        if blocks > 0:
            made += bytes((NO_OPERATION, NO_OPERATION, SACK_OPTION, 2 + blocks)) + sack[:blocks]
    made += _NOPS * (-len(made) % 4)
    return bytes(made)


def _eight(times: tuple[int, int]) -> bytes:
    return (times[0] & 0xFFFFFFFF).to_bytes(4, "big") + (times[1] & 0xFFFFFFFF).to_bytes(4, "big")
