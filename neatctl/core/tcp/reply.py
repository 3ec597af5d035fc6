"""Segments that belong to no connection: RST for what nobody expects, ACK from TIME-WAIT.

RFC 9293 sections 3.5.2 and 3.10.7.1. Sent at once and not again: when the NIC queue is full they are lost, and the
peer's next segment asks for them anew. Knows keys and numbers, not connections.
"""

from __future__ import annotations

from neatctl.core.ip.output import Path
from neatctl.core.native import Memory
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.time_wait import TimeWait
from neatctl.core.wire.seq import before, unwrap
from neatctl.core.wire.tcp_header import (
    ACK,
    ALIGNED_TIMESTAMPS,
    CHECKSUM_AT,
    FIN,
    HEADER,
    RST,
    SYN,
    TIMESTAMPS_OCTETS,
    Segment,
    answering_ports,
)

_ACK, _FIN, _RST, _SYN = ACK, FIN, RST, SYN
_HEADER = HEADER
_CHECKSUM_AT = CHECKSUM_AT
_ALIGNED = ALIGNED_TIMESTAMPS
_TIMESTAMPS_OCTETS = TIMESTAMPS_OCTETS
_NO_TIMESTAMPS = -1
_SILENCE_US = 100_000
"""From TIME-WAIT at most one ACK per tenth of a second, but to the peer's FIN (RFC 5961 section 7)."""


def reply_reset(tables: Tables, segment: Segment, key: bytes, now: int) -> None:
    """Answer a segment for which there is no connection; a RST is never answered (section 3.10.7.1)."""
    if segment.flags & _RST:
        tables.counters.drop_reset += 1
        return
    path = tables.path(key, now)
    if segment.flags & _ACK:
        reply(tables, path, key, segment.ack, 0, _RST, 0, _NO_TIMESTAMPS, now)
    else:
        reply(tables, path, key, 0, segment.seq + segment.length, _RST | _ACK, 0, _NO_TIMESTAMPS, now)


def reply(
    tables: Tables, path: Path, key: bytes, seq: int, ack: int, flags: int, window: int, ts_recent: int, now: int
) -> None:
    """Send a segment without octets along `path` to where `key` came from; `ts_recent` is echoed, or -1 for none."""
    output = tables.output
    header = _HEADER
    if ts_recent >= 0:
        header += _TIMESTAMPS_OCTETS
    at = output.begin(path, header, now)
    if at < 0:
        tables.counters.queue_full += 1
        return
    memory: Memory = output.memory
    memory.put32(at, answering_ports(key))
    memory.put32(at + 4, seq)
    memory.put32(at + 8, ack)
    memory.put32(at + 12, header << 26 | flags << 16 | window)
    memory.put32(at + 16, 0)
    if ts_recent >= 0:
        memory.put32(at + 20, _ALIGNED)
        memory.put32(at + 24, tables.timestamp(now))
        memory.put32(at + 28, ts_recent)
    output.end(path, header, _CHECKSUM_AT, 0, header)
    tables.counters.segments_out += 1
    if flags & _RST:
        tables.counters.resets_out += 1


def arrive_time_wait(tables: Tables, rest: TimeWait, segment: Segment, now: int) -> bool:
    """A segment for a connection in TIME-WAIT. True if it is a SYN that may open the next one: `rest` is gone."""
    seq = unwrap(segment.seq, rest.rcv_nxt)
    if segment.flags & _RST:
        if seq == rest.rcv_nxt:
            tables.waits.remove(rest)
        else:
            tables.counters.drop_reset += 1
        return False
    if segment.flags & _SYN and not segment.flags & _ACK and _is_fresh(rest, segment, seq):
        tables.waits.remove(rest)
        tables.counters.time_waits_reused += 1
        return True
    if segment.length == 0 and seq == rest.rcv_nxt:
        return False
    if segment.flags & _FIN and seq + segment.length == rest.rcv_nxt:
        rest.due_us = now + tables.waits.time_wait_us
    elif now < rest.silent_until_us:
        return False
    rest.silent_until_us = now + _SILENCE_US
    reply(tables, rest.path, rest.key, rest.snd_nxt, rest.rcv_nxt, _ACK, rest.window, rest.ts_recent, now)
    return False


def _is_fresh(rest: TimeWait, segment: Segment, seq: int) -> bool:
    """Whether a SYN cannot be a duplicate of the old connection (RFC 6191 section 2)."""
    if segment.has_timestamps:
        if rest.ts_recent < 0:
            return True
        if segment.ts_val != rest.ts_recent:
            return before(rest.ts_recent, segment.ts_val)
    return seq > rest.rcv_nxt
