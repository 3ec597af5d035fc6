"""Segments of a connection, built in place in the NIC queue's memory: SYN, data, ACK, FIN, RST.

One put after the other into the room that IpOutput.begin found; payload is copied once, from the send buffer into the
frame. Everything that leaves carries the newest acknowledgment and window, so each settles what was owed
of them. When, and how much, is decided in transmit.py. RFC 9293 section 3.1, RFC 7323, RFC 2018.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.core.tcp.sack_out import put_sack, sack_blocks
from neatctl.core.tcp.states import SYN_SENT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.tcp_header import (
    ACK,
    ALIGNED_TIMESTAMPS,
    CHECKSUM_AT,
    CWR,
    ECE,
    HEADER,
    RST,
    SYN,
    TIMESTAMPS_OCTETS,
)

_ACK, _CWR, _ECE, _RST, _SYN = ACK, CWR, ECE, RST, SYN
_HEADER = HEADER
_CHECKSUM_AT = CHECKSUM_AT
_ALIGNED = ALIGNED_TIMESTAMPS
_TIMESTAMPS_OCTETS = TIMESTAMPS_OCTETS
_NEVER = NEVER
_SYN_SENT = SYN_SENT
_MSS_HEAD = 0x02040000
_SCALE_HEAD = 0x01030300
_SACK_AND_TIMESTAMPS_HEAD = 0x0402080A
_SACK_PERMITTED = 0x01010402


def put_segment(tables: Tables, tcb: Tcb, seq: int, octets: int, flags: int, now: int) -> int:
    """Send a segment (more than an MSS: a super-frame) with `octets` from `seq`; 1, or 0 when the NIC queue is full."""
    header = _HEADER
    if tcb.ts_ok:
        header += _TIMESTAMPS_OCTETS
    blocks = 0
    reports = tcb.sack_ok and (tcb.reassembly is not None or tcb.twice_owed)
    if reports and octets == 0:
        blocks = sack_blocks(tcb)
        if blocks:
            header += 4 + 8 * blocks
    output = tables.output
    at = output.begin(tcb.path, header + octets, now)
    if at < 0:
        tables.blocked = True
        tables.counters.queue_full += 1
        return 0
    memory: Memory = output.memory
    memory.put32(at, tcb.ports)
    memory.put32(at + 4, seq)
    memory.put32(at + 8, tcb.rcv_nxt)
    if tcb.ecn_ok:
        flags |= _marks(tables, tcb, seq, octets)
    memory.put32(at + 12, header << 26 | flags << 16 | window_field(tcb))
    memory.put32(at + 16, 0)
    if tcb.ts_ok:
        memory.put32(at + 20, _ALIGNED)
        memory.put32(at + 24, tables.timestamp(now))
        memory.put32(at + 28, tcb.ts_recent)
    if blocks:
        put_sack(tcb, memory, at + header - 4 - 8 * blocks, blocks)
    if octets:
        tcb.buffer.copy_to(memory, at + header, seq - tcb.buffer_seq, octets)
    output.end(tcb.path, header + octets, _CHECKSUM_AT, tcb.mss if octets > tcb.mss else 0, header)
    tables.counters.segments_out += 1
    if reports and octets and tcb.ack_now:
        tcb.last_ack = tcb.rcv_nxt  # What there is to report goes in an ACK of its own.
    else:
        _acknowledged(tcb)
    return 1


def put_syn(tables: Tables, tcb: Tcb, now: int) -> int:
    """Send our SYN, with ACK but in SYN-SENT, and its options; 1, or 0 when the NIC queue is full."""
    active = tcb.state == _SYN_SENT
    timestamps = active or tcb.ts_ok
    sack = active or tcb.sack_ok
    scale = active or tcb.scale_ok
    header = _HEADER + 4
    if timestamps:
        header += _TIMESTAMPS_OCTETS
    elif sack:
        header += 4
    if scale:
        header += 4
    output = tables.output
    at = output.begin(tcb.path, header, now)
    if at < 0:
        tables.blocked = True
        tables.counters.queue_full += 1
        return 0
    memory: Memory = output.memory
    memory.put32(at, tcb.ports)
    memory.put32(at + 4, tcb.iss)
    memory.put32(at + 8, 0 if active else tcb.rcv_nxt)
    window = min(tcb.receive_octets, 0xFFFF)
    flags = _SYN if active else _SYN | _ACK
    if active and tables.ecn and tcb.backoff == 0:
        flags |= _ECE | _CWR
    elif not active and tcb.ecn_ok:
        flags |= _ECE
    memory.put32(at + 12, header << 26 | flags << 16 | window)
    memory.put32(at + 16, 0)
    memory.put32(at + 20, _MSS_HEAD | announced_mss(tables, tcb))
    place = at + 24
    if timestamps:
        memory.put32(place, _SACK_AND_TIMESTAMPS_HEAD if sack else _ALIGNED)
        memory.put32(place + 4, tables.timestamp(now))
        memory.put32(place + 8, 0 if active else tcb.ts_recent)
        place += 12
    elif sack:
        memory.put32(place, _SACK_PERMITTED)
        place += 4
    if scale:
        memory.put32(place, _SCALE_HEAD | tcb.rcv_scale)
    output.end(tcb.path, header, _CHECKSUM_AT, 0, header)
    tables.counters.segments_out += 1
    if not active:
        tcb.rcv_adv = tcb.rcv_nxt + window
        _acknowledged(tcb)
    return 1


def announced_mss(tables: Tables, tcb: Tcb) -> int:
    """The MSS option of our SYN: what the link takes, or less if the application wants less."""
    if tcb.options is None or tcb.options.maxseg == 0:
        return tables.mss_for(tcb.key)
    return min(tables.mss_for(tcb.key), tcb.options.maxseg)


def put_reset(tables: Tables, tcb: Tcb, now: int) -> int:
    """Send the RST of an aborted connection (section 3.10.5); 1, or 0 when the NIC queue is full."""
    output = tables.output
    at = output.begin(tcb.path, _HEADER, now)
    if at < 0:
        tables.blocked = True
        tables.counters.queue_full += 1
        return 0
    memory: Memory = output.memory
    memory.put32(at, tcb.ports)
    memory.put32(at + 4, tcb.snd_nxt)
    memory.put32(at + 8, tcb.rcv_nxt)
    memory.put32(at + 12, _HEADER << 26 | (_RST | _ACK) << 16)
    memory.put32(at + 16, 0)
    output.end(tcb.path, _HEADER, _CHECKSUM_AT, 0, _HEADER)
    tables.counters.segments_out += 1
    tables.counters.resets_out += 1
    return 1


def window_edge(tcb: Tcb) -> int:
    """The right edge that the receive buffer has room for now; it never moves to the left (SHLD-14)."""
    edge = tcb.rcv_nxt + tcb.receive_octets - tcb.unread - tcb.held_octets
    return max(edge, tcb.rcv_adv)


def window_field(tcb: Tcb) -> int:
    """The window to put into a header, and note of it; small steps of the edge are kept back (MUST-39)."""
    edge = window_edge(tcb)
    if edge - tcb.rcv_adv < min(tcb.receive_octets >> 1, tcb.mss):
        edge = tcb.rcv_adv
    scale = tcb.rcv_scale
    if edge <= tcb.rcv_nxt:
        return 0
    field = (edge - tcb.rcv_nxt) >> scale
    if tcb.rcv_nxt + (field << scale) < tcb.rcv_adv:
        field += 1
    field = min(field, 0xFFFF)
    if tcb.rcv_nxt + (field << scale) > tcb.rcv_adv:
        tcb.rcv_adv = tcb.rcv_nxt + (field << scale)
    return field


def _marks(tables: Tables, tcb: Tcb, seq: int, octets: int) -> int:
    """The flags that a segment has on a connection with ECN; new octets may be marked (RFC 3168 section 6.1)."""
    flags = 0
    if tcb.echo_owed:
        flags |= _ECE
    if octets and seq == tcb.snd_nxt and not tcb.persist:
        tables.output.markable = True
        if tcb.cwr_owed:
            tcb.cwr_owed = False
            flags |= _CWR
    return flags


def _acknowledged(tcb: Tcb) -> None:
    """An ACK of all that came went out."""
    tcb.last_ack = tcb.rcv_nxt
    tcb.unacked = 0
    tcb.ack_now = False
    tcb.ack_us = _NEVER
