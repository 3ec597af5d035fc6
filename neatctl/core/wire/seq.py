"""Sequence numbers (RFC 9293 section 3.4): 32 bits on the wire, 63 bits that never wrap inside.

A connection keeps its numbers unwrapped, so that they compare and subtract as plain integers; a number
from the wire is unwrapped next to one that is known, and cut to 32 bits when it is sent. Timestamps
(RFC 7323) stay as they are on the wire and are compared by `before`. Knows nothing else.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_HALF = 0x80000000
_WRAP = 0x100000000


def unwrap(wire: int, near: int) -> int:
    """The number congruent to `wire` modulo 2**32 that lies within 2**31 of `near`."""
    distance = (wire - near) & _MASK
    if distance >= _HALF:
        distance -= _WRAP
    return near + distance


def before(a: int, b: int) -> bool:
    """Whether `a` comes before `b` in 32-bit serial arithmetic."""
    return ((a - b) & _MASK) >= _HALF
