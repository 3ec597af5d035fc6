"""How connections begin: a SYN at a listener, an active OPEN, and what arrives in SYN-SENT.

RFC 9293 sections 3.10.1, 3.10.7.2 and 3.10.7.3; options of RFC 7323 and 2018; backlog as the paper's subsocket has it:
handshakes under way and connections not yet taken together, beyond it a SYN is dropped and counted, so
that the peer tries again. Octets in a SYN are not taken; the peer sends them again.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, ECONNREFUSED

from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.ending import fail
from neatctl.core.tcp.loss import measure
from neatctl.core.tcp.reply import reply_reset
from neatctl.core.tcp.states import ACTIVE_OPEN, CLOSE_CALLED, SYN_ACKED, SYN_ARRIVED
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb
from neatctl.core.tcp.telling import tell
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.seq import before, unwrap
from neatctl.core.wire.tcp_header import ACK, RST, SYN, TIMESTAMPS_OCTETS, Segment

_ACK, _RST, _SYN = ACK, RST, SYN
_ACTIVE_OPEN, _CLOSE_CALLED, _SYN_ARRIVED, _SYN_ACKED = ACTIVE_OPEN, CLOSE_CALLED, SYN_ARRIVED, SYN_ACKED
_TIMESTAMPS_OCTETS = TIMESTAMPS_OCTETS
_DEFAULT_MSS = 536
"""Without the option, IPv4 (MUST-15)."""
_LEAST_MSS = 88
"""Less than any real path has; a peer that announces less would make us send dust."""
_UNWRAPPED = 1 << 32
"""Unwrapped numbers begin above 2**32 and so are never negative."""
_ECONNREFUSED = ECONNREFUSED
_NO_FLOOR = -1
_NEVER = NEVER


def arrive_closed(tables: Tables, segment: Segment, key: bytes, floor: int, now: int) -> None:
    """A segment for no connection: LISTEN if there is a listener (section 3.10.7.2), else CLOSED (3.10.7.1).

    `floor` is the highest sequence number that an old connection of this key used (RFC 6191), or -1.
    """
    listener: Listener | None = None
    if segment.flags & (_SYN | _ACK | _RST) == _SYN:
        if not _may_connect(key):
            tables.counters.drop_address += 1
            return
        listener = tables.listener_for(key)
    if listener is None:
        if _may_connect(key):
            reply_reset(tables, segment, key, now)
        else:
            tables.counters.drop_address += 1
    elif listener.half_open + listener.untaken >= listener.backlog:
        tables.counters.drop_listen_overflow += 1
    elif tables.live >= tables.max_connections:
        tables.counters.drop_connections += 1
    else:
        _open_passively(tables, listener, segment, key, floor, now)


def open_actively(tables: Tables, app: Application, key: bytes, now: int) -> Tcb:
    """OPEN call, active (section 3.10.1): SYN goes with the next transmit. `key` is as the peer's segments have it.

    OSError if its addresses cannot be a connection's (MUST-46).
    """
    if not _may_connect(key):
        raise OSError(EADDRNOTAVAIL, "no connection can have these addresses")
    tcb = Tcb(key, tables.output.path(key[4:8], key[0:4], now), app, tables.pool)
    _choose_iss(tables, tcb, _NO_FLOOR, now)
    tcb.mss = min(_DEFAULT_MSS, tables.mss)
    tcb.room = tables.send_octets
    tcb.on(_ACTIVE_OPEN)
    tcb.syn_owed = True
    tables.enter(tcb)
    tables.number(tcb)
    tables.touch(tcb)
    return tcb


def arrive_syn_sent(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> None:
    """A segment in SYN-SENT (section 3.10.7.3), its steps in the RFC's order."""
    acked = False
    if segment.flags & _ACK:
        acked = unwrap(segment.ack, tcb.iss) == tcb.iss + 1
        if not acked:
            tables.counters.drop_ack += 1
            reply_reset(tables, segment, tcb.key, now)
            return
    if segment.flags & _RST:
        if acked:
            tables.counters.resets_in += 1
            fail(tables, tcb, _ECONNREFUSED)
        else:
            tables.counters.drop_reset += 1
        return
    if not segment.flags & _SYN:
        tables.counters.drop_ack += 1
        return
    _take_syn(tables, tcb, segment, now)
    if acked:
        establish(tables, tcb, segment, now)
        tcb.ack_now = True
    else:
        tcb.on(_SYN_ARRIVED)
        tcb.syn_owed = True
        tcb.backoff = 0
    tables.touch(tcb)


def establish(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> None:
    """Our SYN is acknowledged and the peer's is here: the connection exists, and the application is told."""
    tcb.on(_SYN_ACKED)
    if tcb.fin_queued:
        tcb.on(_CLOSE_CALLED)
    tcb.snd_una = tcb.iss + 1
    if tcb.rtt_seq >= 0:
        measure(tcb, now - tcb.rtt_us)
        tcb.rtt_seq = -1
    tcb.backoff = 0
    tcb.unanswered = 0
    tcb.syn_owed = False
    tcb.rtx_us = _NEVER
    tcb.snd_wnd = segment.window
    if not segment.flags & _SYN:
        tcb.snd_wnd = segment.window << tcb.snd_scale
    tcb.max_wnd = max(tcb.max_wnd, tcb.snd_wnd)
    tcb.snd_wl1 = tcb.rcv_nxt
    tcb.snd_wl2 = tcb.snd_una
    tcb.cc.begin(tcb.mss)
    listener = tcb.listener
    if listener is None:
        tables.counters.opened += 1
    else:
        tables.counters.accepted += 1
        listener.half_open -= 1
        listener.untaken += 1
        tables.number(tcb)
        if listener.app.gone:
            tcb.orphan = True
    tcb.owes_accepted = True
    tell(tables, tcb)


def _open_passively(
    tables: Tables, listener: Listener, segment: Segment, key: bytes, floor: int, now: int
) -> None:
    tcb = Tcb(key, tables.output.path(key[4:8], key[0:4], now), listener.app, tables.pool)
    tcb.listener = listener
    listener.half_open += 1
    _choose_iss(tables, tcb, floor, now)
    tcb.room = tables.send_octets
    _take_syn(tables, tcb, segment, now)
    tcb.on(_SYN_ARRIVED)
    tcb.syn_owed = True
    tables.enter(tcb)
    tables.touch(tcb)


def _choose_iss(tables: Tables, tcb: Tcb, floor: int, now: int) -> None:
    """Choose ISS by RFC 6528, above all that an old connection of this key used."""
    iss = tables.secrets.isn(tcb.key, now)
    if floor >= 0 and before(iss, floor + 1):
        iss = (floor + 0x10001) & 0xFFFFFFFF
    tcb.iss = _UNWRAPPED + iss
    tcb.snd_una = tcb.iss
    tcb.snd_nxt = tcb.iss + 1
    tcb.snd_max = tcb.iss + 1
    tcb.recover = tcb.iss
    tcb.buffer_seq = tcb.iss + 1
    tcb.small_end = tcb.iss


def _take_syn(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> None:
    """Take the peer's ISN, window and options from its SYN."""
    tcb.irs = _UNWRAPPED + segment.seq
    tcb.rcv_nxt = tcb.irs + 1
    tcb.rcv_adv = tcb.rcv_nxt + min(tables.receive_octets, 0xFFFF)
    tcb.last_ack = tcb.rcv_nxt
    tcb.snd_wnd = segment.window
    tcb.max_wnd = segment.window
    mss = segment.mss if segment.mss else _DEFAULT_MSS
    mss = min(max(mss, _LEAST_MSS), tables.mss)
    if segment.has_timestamps:
        tcb.ts_ok = True
        tcb.ts_recent = segment.ts_val
        tcb.ts_recent_us = now
        mss -= _TIMESTAMPS_OCTETS
    tcb.mss = mss
    tcb.sack_ok = segment.sack_permitted
    if segment.scale >= 0:
        tcb.scale_ok = True
        tcb.snd_scale = segment.scale
        tcb.rcv_scale = tables.receive_scale


def _may_connect(key: bytes) -> bool:
    """Whether both addresses can be an end of a connection: no broadcast, multicast or nameless one, and not one
    endpoint with itself (MUST-57, MUST-63)."""
    if key[0] == 0 or key[0] >= 224 or key[4] >= 224:
        return False
    return key[3] != key[7] or key[8:10] != key[10:12] or key[0:4] != key[4:8]
