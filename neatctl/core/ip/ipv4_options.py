"""The options of an IPv4 header, as far as a host must look at them: RFC 791 section 3.1, RFC 1122 section 3.2.1.8.

None changes what is done with a datagram, so all are passed over; only source routes are refused (RFC 7126 section
4.3.5: they serve attacks alone), and lengths that lead outside of the header.
"""

from __future__ import annotations

from neatctl.core.native import Memory

SOUND = 0
SOURCE_ROUTE = -1
_FIXED = 20
_END, _NOP = 0, 1
_LOOSE_ROUTE, _STRICT_ROUTE = 131, 137


def check_options(memory: Memory, ip: int, header: int) -> int:
    """SOUND, SOURCE_ROUTE, or the offset in the header of the octet that cannot be."""
    at = ip + _FIXED
    end = ip + header
    while at < end:
        kind = memory.get8(at)
        if kind == _END:
            return SOUND
        if kind == _NOP:
            at += 1
            continue
        if at + 1 >= end or memory.get8(at + 1) < 2 or at + memory.get8(at + 1) > end:
            return min(at + 1, end - 1) - ip
        if kind in (_LOOSE_ROUTE, _STRICT_ROUTE):
            return SOURCE_ROUTE
        at += memory.get8(at + 1)
    return SOUND
