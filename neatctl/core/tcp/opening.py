"""How connections begin: a SYN at a listener, an active OPEN, and what arrives in SYN-SENT.

RFC 9293 sections 3.10.1, 3.10.7.2 and 3.10.7.3; options of RFC 7323 and 2018; backlog as the paper's subsocket has it:
handshakes under way and connections not yet taken together. Beyond it a SYN is answered by a cookie (cookies.py), and
when the connections not yet taken alone fill it, it is dropped and counted, so that the peer tries again.
Octets in a SYN are not taken; the peer sends them again.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, ECONNREFUSED

from neatctl.core.channel.socket_options import LEAST_MAXSEG
from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.congestion import congestion
from neatctl.core.tcp.cookies import PERIOD_US, send_cookie, take_cookie
from neatctl.core.tcp.ending import fail
from neatctl.core.tcp.loss import measure
from neatctl.core.tcp.options import Options
from neatctl.core.tcp.reply import reply_reset
from neatctl.core.tcp.segment_out import announced_mss
from neatctl.core.tcp.states import ACTIVE_OPEN, CLOSE_CALLED, SYN_ACKED, SYN_ARRIVED
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Flow, Tcb
from neatctl.core.tcp.telling import tell
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.seq import before, unwrap
from neatctl.core.wire.tcp_header import ACK, CWR, ECE, RST, SYN, TIMESTAMPS_OCTETS, Segment

_ACK, _RST, _SYN = ACK, RST, SYN
_ECE, _MARKS = ECE, ECE | CWR
_ACTIVE_OPEN, _CLOSE_CALLED, _SYN_ARRIVED, _SYN_ACKED = ACTIVE_OPEN, CLOSE_CALLED, SYN_ARRIVED, SYN_ACKED
_TIMESTAMPS_OCTETS = TIMESTAMPS_OCTETS
_DEFAULT_MSS4, _DEFAULT_MSS6 = 536, 1220
"""Without the option (MUST-15)."""
_KEY_IPV4 = 12
_LEAST_MSS = LEAST_MAXSEG
_MASK = 0xFFFFFFFF
_UNWRAPPED = 1 << 32
"""Unwrapped numbers begin above 2**32 and so are never negative."""
_ECONNREFUSED = ECONNREFUSED
_NEVER = NEVER
_UNSPECIFIED = bytes(16)
_COOKIES_US = 2 * PERIOD_US


def arrive_closed(tables: Tables, segment: Segment, key: bytes, floor: int, now: int) -> Tcb | None:
    """A segment for no connection: LISTEN if there is a listener (section 3.10.7.2), else CLOSED (3.10.7.1).

    `floor` is the highest sequence number that an old connection of this key used (RFC 6191), or -1. The ACK of a
    cookie makes a connection in SYN-RECEIVED, for which the segment then arrives.
    """
    if tables.cookies_until_us < 0:
        tables.cookies_until_us = now + _COOKIES_US  # Cookies of a replica that this one takes over from.
    listener: Listener | None = None
    if segment.flags & (_SYN | _ACK | _RST) == _SYN:
        if not _may_connect(key):
            tables.counters.drop_address += 1
            return None
        listener = tables.listener_for(key)
    elif segment.flags & (_SYN | _ACK | _RST) == _ACK and now < tables.cookies_until_us and _may_connect(key):
        return _open_by_cookie(tables, segment, key, now)
    elif segment.flags & (_SYN | _ACK | _RST) == 0 and tables.listener_for(key) is not None:
        tables.counters.drop_flags += 1
        return None
    if listener is None:
        if _may_connect(key):
            reply_reset(tables, segment, key, now)
        else:
            tables.counters.drop_address += 1
    elif listener.untaken >= listener.backlog:
        tables.counters.drop_listen_overflow += 1
    elif tables.live >= tables.max_connections:
        tables.counters.drop_connections += 1
    elif listener.half_open + listener.untaken < listener.backlog:
        _open_passively(tables, listener, segment, key, floor, now)
    elif floor >= 0:
        tables.counters.drop_listen_overflow += 1  # A cookie cannot be chosen above an old connection's numbers.
    else:
        tables.cookies_until_us = now + _COOKIES_US
        options: Options | None = listener.options
        mss = tables.mss_for(key)
        maxseg = options.maxseg if options is not None and options.maxseg else mss
        send_cookie(tables, segment, key, min(maxseg, mss), _receive_octets(tables, options), now)
    return None


def open_actively(tables: Tables, app: Application, key: bytes, floor: int, options: Options | None, now: int) -> Tcb:
    """OPEN call, active (section 3.10.1): SYN goes with the next transmit. `key` is as the peer's segments have it,
    `floor` as for `arrive_closed`. OSError if its addresses cannot be a connection's (MUST-46)."""
    if not _may_connect(key):
        raise OSError(EADDRNOTAVAIL, "no connection can have these addresses")
    tcb = Tcb(key, tables.path(key, now), app, tables.pool)
    _take_options(tables, tcb, options)
    tcb.rcv_scale = tables.scale_for(tcb.receive_octets)
    _choose_iss(tables, tcb, floor, now)
    tcb.mss = min(_default_mss(key), tables.mss_for(key))
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
    _take_syn(tables, tcb, segment, segment.seq, now)
    if acked:
        tcb.ecn_ok = tables.ecn and segment.flags & _MARKS == _ECE
        establish(tables, tcb, segment, now)
        tcb.ack_now = True
    else:
        tcb.on(_SYN_ARRIVED)
        tcb.syn_owed = True
        tcb.backoff = 0
    tables.touch(tcb)


class HalfOpen(Flow):
    """A listener's handshake that waits for its third segment, in the least room (RFC 4987 section 3.5, the SYN cache):
    a Tcb is made of it for whatever happens, and folded again if it is still a handshake then."""

    def __init__(self, tcb: Tcb, listener: Listener) -> None:
        self.tick = -1
        self.place = 0
        self.key = tcb.key
        self.state = tcb.state
        self.path = tcb.path
        self.listener = listener
        self.iss = tcb.iss
        self.irs = tcb.irs
        self.rcv_wnd = tcb.rcv_adv - tcb.rcv_nxt
        self.snd_wnd = tcb.snd_wnd
        self.rcv_scale = tcb.rcv_scale
        self.snd_scale = tcb.snd_scale
        self.mss = tcb.mss
        self.ts_ok = tcb.ts_ok
        self.ts_recent = tcb.ts_recent
        self.ts_recent_us = tcb.ts_recent_us
        self.sack_ok = tcb.sack_ok
        self.scale_ok = tcb.scale_ok
        self.ecn_ok = tcb.ecn_ok
        self.rtt_us = tcb.rtt_us if tcb.rtt_seq >= 0 else -1
        """When the SYN-ACK was sent, -1 once it was sent again (Karn)."""
        self.backoff = tcb.backoff
        self.unanswered = tcb.unanswered
        self.challenge_us = tcb.challenge_us


def fold(tables: Tables, tcb: Tcb, now: int) -> None:
    """Keep a handshake as HalfOpen if its listener has many; not one of which more is to be remembered."""
    listener = tcb.listener
    if listener is None or listener.half_open <= tables.whole_handshakes:
        return
    if tcb.rare is not None or tcb.dirty or tcb.rtx_us >= _NEVER:
        return
    tables.wheel.remove(tcb)
    entry = HalfOpen(tcb, listener)
    tables.flows[tcb.key] = entry
    tables.wheel.arm(entry, tcb.rtx_us, now)


def unfold(tables: Tables, entry: HalfOpen, now: int) -> Tcb:
    """The Tcb of a handshake, as it was but for options that its listener was given since."""
    tables.wheel.remove(entry)
    listener = entry.listener
    tcb = Tcb(entry.key, entry.path, listener.app, tables.pool)
    tcb.listener = listener
    tcb.on(_SYN_ARRIVED)
    _take_options(tables, tcb, listener.options)
    _number_from(tcb, entry.iss - _UNWRAPPED)
    tcb.irs = entry.irs
    tcb.rcv_nxt = tcb.last_ack = entry.irs + 1
    tcb.rcv_adv = tcb.rcv_nxt + entry.rcv_wnd
    tcb.snd_wnd = tcb.max_wnd = entry.snd_wnd
    tcb.rcv_scale = entry.rcv_scale
    tcb.snd_scale = entry.snd_scale
    tcb.mss = entry.mss
    tcb.ts_ok = entry.ts_ok
    tcb.ts_recent = entry.ts_recent
    tcb.ts_recent_us = entry.ts_recent_us
    tcb.sack_ok = entry.sack_ok
    tcb.scale_ok = entry.scale_ok
    tcb.ecn_ok = entry.ecn_ok
    if entry.rtt_us >= 0:
        tcb.rtt_us = entry.rtt_us
        tcb.rtt_seq = tcb.iss + 1
    tcb.backoff = entry.backoff
    tcb.unanswered = entry.unanswered
    tcb.challenge_us = entry.challenge_us
    tcb.rtx_us = entry.due_us
    tables.flows[tcb.key] = tcb
    tables.arm(tcb, now)
    return tcb


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
    if tcb.options is not None and tcb.options.keepalive:
        tcb.slow_us = min(tcb.slow_us, now + tcb.options.keep_idle_us)
    tcb.owes_accepted = True
    tell(tables, tcb)


def _open_passively(tables: Tables, listener: Listener, segment: Segment, key: bytes, floor: int, now: int) -> None:
    tcb = _begin_passively(tables, listener, key, now)
    _choose_iss(tables, tcb, floor, now)
    _take_syn(tables, tcb, segment, segment.seq, now)
    tcb.ecn_ok = segment.flags & _MARKS == _MARKS
    tcb.on(_SYN_ARRIVED)
    tcb.syn_owed = True
    tables.touch(tcb)


def _open_by_cookie(tables: Tables, segment: Segment, key: bytes, now: int) -> Tcb | None:
    """The ACK of a SYN-ACK that nobody remembers: a connection if it holds our cookie, else a RST."""
    listener = tables.listener_for(key)
    if listener is None or not take_cookie(tables, segment, key, now):
        if listener is not None:
            tables.counters.cookies_refused += 1
        reply_reset(tables, segment, key, now)
    elif listener.untaken >= listener.backlog:
        tables.counters.drop_listen_overflow += 1
    elif tables.live >= tables.max_connections:
        tables.counters.drop_connections += 1
    else:
        tables.counters.cookies_taken += 1
        tcb = _begin_passively(tables, listener, key, now)
        _number_from(tcb, (segment.ack - 1) & _MASK)
        _take_syn(tables, tcb, segment, (segment.seq - 1) & _MASK, now)
        tcb.on(_SYN_ARRIVED)
        return tcb
    return None


def _begin_passively(tables: Tables, listener: Listener, key: bytes, now: int) -> Tcb:
    """A connection of a listener, with what it inherits."""
    tcb = Tcb(key, tables.path(key, now), listener.app, tables.pool)
    tcb.listener = listener
    listener.half_open += 1
    _take_options(tables, tcb, listener.options)
    tables.enter(tcb)
    return tcb


def _take_options(tables: Tables, tcb: Tcb, options: Options | None) -> None:
    """What a new connection is set to; None for all defaults."""
    tcb.receive_octets = _receive_octets(tables, options)
    tcb.room = tables.send_octets
    if options is not None:
        tcb.options = options
        if options.congestion > 0:
            tcb.cc = congestion(options.congestion)
        tcb.room = options.send_octets or tables.send_octets
        tcb.nodelay = options.nodelay
        tcb.cork = options.cork
        tcb.quickack = options.quickack
    tcb.room_lump = max(tcb.room >> 2, 1)


def _receive_octets(tables: Tables, options: Options | None) -> int:
    if options is None or options.receive_octets == 0:
        return tables.receive_octets
    return options.receive_octets


def _choose_iss(tables: Tables, tcb: Tcb, floor: int, now: int) -> None:
    """Choose ISS by RFC 6528, above all that an old connection of this key used."""
    iss = tables.secrets.isn(tcb.key, now)
    if floor >= 0 and before(iss, floor + 1):
        iss = (floor + 0x10001) & 0xFFFFFFFF
    _number_from(tcb, iss)


def _number_from(tcb: Tcb, iss: int) -> None:
    """Begin to send with this ISS."""
    tcb.iss = _UNWRAPPED + iss
    tcb.snd_una = tcb.iss
    tcb.snd_nxt = tcb.iss + 1
    tcb.recover = tcb.iss
    tcb.buffer_seq = tcb.iss + 1
    tcb.small_end = tcb.iss


def _take_syn(tables: Tables, tcb: Tcb, segment: Segment, irs: int, now: int) -> None:
    """Take the peer's ISN, window and options from its SYN."""
    tcb.irs = _UNWRAPPED + irs
    tcb.rcv_nxt = tcb.irs + 1
    tcb.rcv_adv = tcb.rcv_nxt + min(tcb.receive_octets, 0xFFFF)
    tcb.last_ack = tcb.rcv_nxt
    tcb.snd_wnd = segment.window
    tcb.max_wnd = segment.window
    mss = segment.mss if segment.mss else _default_mss(tcb.key)
    mss = min(max(mss, _LEAST_MSS), announced_mss(tables, tcb))
    if tables.path_mtus.count:
        mss = tables.path_mtus.clamped(tcb, mss, now)
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
        tcb.rcv_scale = tables.scale_for(tcb.receive_octets)
    else:
        tcb.rcv_scale = 0


def _may_connect(key: bytes) -> bool:
    """Whether both addresses can be an end of a connection: no broadcast, multicast or nameless one, and not one
    endpoint with itself (MUST-57, MUST-63)."""
    if len(key) != _KEY_IPV4:
        return key[0] != 0xFF and key[16] != 0xFF and key[0:16] != _UNSPECIFIED and key[0:18] != key[16:34]
    if key[0] == 0 or key[0] >= 224 or key[4] >= 224:
        return False
    return key[3] != key[7] or key[8:10] != key[10:12] or key[0:4] != key[4:8]


def _default_mss(key: bytes) -> int:
    return _DEFAULT_MSS4 if len(key) == _KEY_IPV4 else _DEFAULT_MSS6
