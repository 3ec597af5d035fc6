"""SYN cookies (RFC 4987 section 3.6): a handshake of which nothing is remembered, for when a backlog is full.

The ISN of our SYN-ACK holds what the SYN said: 24 bits of a keyed hash over the connection, the peer's ISN and a period
of 32 seconds, and 8 bits, as FreeBSD lays them out, for MSS, window scale, SACK and the period's parity. Timestamps are
known by the ACK itself. The key comes from the boot's secret and the clock is the machine's, so a replica that was born
after the SYN takes the cookie too. Knows no listeners; opening.py says when cookies are sent and believed.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.core.tcp.tables import Tables
from neatctl.core.wire.tcp_header import (
    ACK,
    ALIGNED_TIMESTAMPS,
    CHECKSUM_AT,
    HEADER,
    SYN,
    TIMESTAMPS_OCTETS,
    Segment,
    answering_ports,
)

PERIOD_US = 32_000_000
"""A cookie is believed in its own period and the next one."""

_PERIOD_US = PERIOD_US
_MSS = (216, 536, 1200, 1360, 1400, 1440, 1452, 1460)
_SCALE = (-1, 0, 1, 2, 4, 6, 7, 8)
"""-1 for no window scale option."""
_MASK = 0xFFFFFFFF
_HASH_MASK = 0xFFFFFF00
_SYN_ACK = SYN | ACK
_HEADER = HEADER
_CHECKSUM_AT = CHECKSUM_AT
_ALIGNED = ALIGNED_TIMESTAMPS
_TIMESTAMPS_OCTETS = TIMESTAMPS_OCTETS
_MSS_HEAD = 0x02040000
_SCALE_HEAD = 0x01030300
_SACK_AND_TIMESTAMPS_HEAD = 0x0402080A
_SACK_PERMITTED = 0x01010402


def make_cookie(tables: Tables, segment: Segment, key: bytes, now: int) -> int:
    """The ISN that answers this SYN."""
    mss = 7
    offered = segment.mss if segment.mss else 536
    while mss > 0 and _MSS[mss] > offered:
        mss -= 1
    scale = 0
    if segment.scale >= 0:
        scale = 7
        while _SCALE[scale] > segment.scale:
            scale -= 1
    period = now // _PERIOD_US
    bits = mss << 5 | scale << 2 | (2 if segment.sack_permitted else 0) | (period & 1)
    hashed = tables.secrets.cookie(key, segment.seq, period, bits)
    return (hashed & _HASH_MASK) | (bits ^ (hashed >> 24))


def take_cookie(tables: Tables, segment: Segment, key: bytes, now: int) -> bool:
    """Whether the ACK of a handshake acknowledges a cookie of ours; then `segment` has the options of its SYN."""
    cookie = (segment.ack - 1) & _MASK
    bits = (cookie & 0xFF) ^ (cookie >> 24)
    period = now // _PERIOD_US
    if (period ^ bits) & 1:
        period -= 1
    hashed = tables.secrets.cookie(key, (segment.seq - 1) & _MASK, period, bits)
    if (hashed ^ cookie) & _HASH_MASK:
        return False
    segment.mss = _MSS[bits >> 5]
    segment.scale = _SCALE[bits >> 2 & 7]
    segment.sack_permitted = bits & 2 != 0
    return True


def send_cookie(tables: Tables, segment: Segment, key: bytes, mss: int, receive_octets: int, now: int) -> None:
    """Answer a SYN by a SYN-ACK of which nothing is remembered; when the NIC queue is full it is lost."""
    header = _HEADER + 4
    if segment.has_timestamps:
        header += _TIMESTAMPS_OCTETS
    elif segment.sack_permitted:
        header += 4
    if segment.scale >= 0:
        header += 4
    output = tables.output
    path = tables.path(key, now)
    at = output.begin(path, header, now)
    if at < 0:
        tables.counters.queue_full += 1
        return
    memory: Memory = output.memory
    memory.put32(at, answering_ports(key))
    memory.put32(at + 4, make_cookie(tables, segment, key, now))
    memory.put32(at + 8, segment.seq + 1)
    memory.put32(at + 12, header << 26 | _SYN_ACK << 16 | min(receive_octets, 0xFFFF))
    memory.put32(at + 16, 0)
    memory.put32(at + 20, _MSS_HEAD | mss)
    place = at + 24
    if segment.has_timestamps:
        memory.put32(place, _SACK_AND_TIMESTAMPS_HEAD if segment.sack_permitted else _ALIGNED)
        memory.put32(place + 4, tables.timestamp(now))
        memory.put32(place + 8, segment.ts_val)
        place += 12
    elif segment.sack_permitted:
        memory.put32(place, _SACK_PERMITTED)
        place += 4
    if segment.scale >= 0:
        memory.put32(place, _SCALE_HEAD | tables.scale_for(receive_octets))
    output.end(path, header, _CHECKSUM_AT, 0, header)
    tables.counters.segments_out += 1
    tables.counters.cookies_sent += 1
