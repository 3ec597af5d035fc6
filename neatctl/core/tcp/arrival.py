"""SEGMENT ARRIVES for a connection that has both SYNs or waits for the peer's ACK: RFC 9293 section 3.10.7.4.

The steps of that section in its order, one function each; a step says whether the next one follows. Before them
RFC 7323's PAWS; RFC 5961's challenge ACKs in the steps for RST, SYN and ACK. Nothing is sent here: a step notes
what is owed (`ack_now`, for one), and the connection is touched for the transmit at the end of the burst.
"""

from __future__ import annotations

from errno import ECONNREFUSED, ECONNRESET

from neatctl.core.tcp.ending import abort, fail, finish, forget, wait
from neatctl.core.tcp.loss import take_ack, take_duplicate, take_sack, window_opened
from neatctl.core.tcp.opening import establish
from neatctl.core.tcp.reassembly import Reassembly
from neatctl.core.tcp.recovery import take_echo
from neatctl.core.tcp.reply import reply_reset
from neatctl.core.tcp.sack_out import note_duplicate
from neatctl.core.tcp.states import (
    CLOSED,
    ESTABLISHED,
    FIN_ACKED,
    FIN_ARRIVED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    SYN_RECEIVED,
    TIME_WAIT,
)
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import OPEN, Tcb
from neatctl.core.tcp.telling import grow_room, tell, tell_data, tell_piece, tell_room
from neatctl.core.tcp.urgent import take_urgent
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.seq import before, unwrap
from neatctl.core.wire.tcp_header import ACK, CWR, ECE, FIN, RST, SYN, URG, Segment

_ACK, _CWR, _ECE, _FIN, _RST, _SYN, _URG = ACK, CWR, ECE, FIN, RST, SYN, URG
_CLOSED, _SYN_RECEIVED, _ESTABLISHED, _TIME_WAIT = CLOSED, SYN_RECEIVED, ESTABLISHED, TIME_WAIT
_FIN_WAIT_1, _FIN_WAIT_2 = FIN_WAIT_1, FIN_WAIT_2
_FIN_ACKED, _FIN_ARRIVED = FIN_ACKED, FIN_ARRIVED
_OPEN = OPEN
_NEVER = NEVER
_ECONNREFUSED, _ECONNRESET = ECONNREFUSED, ECONNRESET
_DELAYED_ACK_US = 40_000
"""RFC 9293 section 3.8.6.3 allows half a second (MUST-40)."""
_CHALLENGE_US = 100_000
"""One challenge ACK per connection in this time (RFC 5961 section 7, without a counter that all share)."""
_PAWS_IDLE_US = 24 * 86_400 * 1_000_000
"""TS.Recent is out of date after 24 days (RFC 7323 section 5.5)."""
_MAX_KEPT_OCTETS = 64 << 20
"""Out-of-order octets of all connections of a replica; beyond it they are sent again."""
ORPHAN_FIN_WAIT_US = 60_000_000
"""How long FIN-WAIT-2 waits for the FIN of a peer that nobody listens to any more; as Linux."""

_ORPHAN_FIN_WAIT_US = ORPHAN_FIN_WAIT_US


def segment_arrives(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> None:
    """A segment for a connection in SYN-RECEIVED or later, TIME-WAIT excepted."""
    segment.seq = unwrap(segment.seq, tcb.rcv_nxt)
    segment.ack = unwrap(segment.ack, tcb.snd_una)
    tcb.heard_us = now
    if (
        _check_timestamp(tables, tcb, segment, now)
        and _check_sequence(tables, tcb, segment, now)
        and _check_reset(tables, tcb, segment, now)
        and _check_syn(tables, tcb, segment, now)
        and _check_ack(tables, tcb, segment, now)
    ):
        if tcb.ecn_ok:
            _take_mark(tables, tcb, segment)
        if segment.flags & _URG:
            take_urgent(tables, tcb, segment)
        if segment.data_octets:
            _take_text(tables, tcb, segment, now)
        if segment.flags & _FIN and tcb.state >= _ESTABLISHED:
            tcb.ack_now = True
            if tcb.peer_fin < 0:
                tcb.peer_fin = segment.seq + segment.data_octets
        if tcb.peer_fin == tcb.rcv_nxt:
            _take_fin(tables, tcb, now)
    if tcb.state == _CLOSED or tcb.state == _TIME_WAIT:
        return
    if tcb.ack_now or tcb.unsent() or (tcb.flight is not None and tcb.flight.lost > 0):
        tables.touch(tcb)
    if not tcb.dirty:
        tables.arm(tcb, now)


def _take_mark(tables: Tables, tcb: Tcb, segment: Segment) -> None:
    """What a router marked is echoed until the peer says that it has reduced its rate (RFC 3168 section 6.1.3)."""
    if segment.flags & _CWR:
        tcb.echo_owed = False
    if tables.output.was_marked():
        tables.counters.ecn_marks_in += 1
        tcb.echo_owed = True


def _check_timestamp(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> bool:
    """PAWS (RFC 7323 section 5.3, R1 and R3); a segment without the option on a connection with it is taken as it is.

    The time of what is repeated is kept as well, so that the peer does not take the wait for its timer for a round
    trip; but only of the last window: who cannot see the connection must not set the clock ahead (R2).
    """
    if not tcb.ts_ok or not segment.has_timestamps:
        return True
    if before(segment.ts_val, tcb.ts_recent) and now - tcb.ts_recent_us < _PAWS_IDLE_US:
        if not segment.flags & _RST:
            tables.counters.drop_paws += 1
            _challenge(tables, tcb, segment.data_octets > 0, now)
            return False
    elif tcb.rcv_nxt - tcb.receive_octets <= segment.seq <= tcb.last_ack:
        tcb.ts_recent = segment.ts_val
        tcb.ts_recent_us = now
    return True


def _check_sequence(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> bool:
    """First: is any of it in the window? What lies outside is cut off (sections 3.4 and 3.10.7.4)."""
    seq = segment.seq
    window = tcb.rcv_adv - tcb.rcv_nxt
    if window < 0:
        window = 0
    if segment.length == 0:
        if tcb.rcv_nxt <= seq <= tcb.rcv_nxt + window:
            return True
    elif window == 0:
        if seq == tcb.rcv_nxt:
            segment.flags &= ~_FIN
            segment.data_octets = 0
            tcb.ack_now = True
            return True
    elif seq < tcb.rcv_nxt + window and seq + segment.length > tcb.rcv_nxt:
        return True
    tables.counters.drop_sequence += 1
    if segment.flags & _RST:
        return False
    if segment.data_octets and seq + segment.data_octets <= tcb.rcv_nxt:
        tables.counters.duplicates_in += 1
        note_duplicate(tcb, seq, seq + segment.data_octets)
    if segment.flags & _SYN and not segment.flags & _ACK and tcb.state == _SYN_RECEIVED and seq == tcb.irs:
        tcb.syn_owed = True
        tables.touch(tcb)
    else:
        _challenge(tables, tcb, segment.data_octets > 0 or bool(segment.flags & _FIN), now)
    return False


def _check_reset(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> bool:
    """Second: RST. Only one at RCV.NXT counts (RFC 5961 section 3.2)."""
    if not segment.flags & _RST:
        return True
    if segment.seq != tcb.rcv_nxt:
        tables.counters.drop_reset += 1
        _challenge(tables, tcb, False, now)
    elif tcb.state == _SYN_RECEIVED and tcb.id == 0:
        tables.counters.resets_in += 1
        forget(tables, tcb)
    else:
        tables.counters.resets_in += 1
        fail(tables, tcb, _ECONNREFUSED if tcb.state == _SYN_RECEIVED else _ECONNRESET)
    return False


def _check_syn(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> bool:
    """Fourth (third, security, is not used): a SYN in the window."""
    if not segment.flags & _SYN:
        return True
    tables.counters.drop_sequence += 1
    if tcb.state == _SYN_RECEIVED and tcb.id == 0:
        forget(tables, tcb)
    else:
        _challenge(tables, tcb, False, now)
    return False


def _check_ack(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> bool:
    """Fifth: the ACK field."""
    if not segment.flags & _ACK:
        tables.counters.drop_ack += 1
        return False
    ack = segment.ack
    if tcb.state == _SYN_RECEIVED:
        if not tcb.snd_una < ack <= tcb.snd_nxt:
            tables.counters.drop_ack += 1
            reply_reset(tables, segment, tcb.key, now)
            return False
        listener = tcb.listener
        if (
            listener is not None
            and listener.defer_us
            and segment.length == 0
            and not _deferred_long_enough(tables, tcb, listener.defer_us, now)
        ):
            return False
        establish(tables, tcb, segment, now)
    if ack > tcb.snd_nxt or ack < tcb.snd_una - tcb.max_wnd:
        tables.counters.drop_ack += 1
        _challenge(tables, tcb, False, now)
        return False
    news = 0
    if segment.sack_blocks and tcb.sack_ok:
        news = take_sack(tables, tcb, segment, now)
    if tcb.ecn_ok and segment.flags & _ECE and not segment.flags & _SYN:
        take_echo(tables, tcb, ack)
    window = segment.window << tcb.snd_scale
    if ack > tcb.snd_una:
        take_ack(tables, tcb, ack, news, segment, now)
        _take_window(tcb, segment, window)
        if 2 * tcb.cc.cwnd > tables.send_octets:
            grow_room(tables, tcb)
        if tcb.room_owed >= tcb.room_lump:
            tell_room(tables, tcb)
        return _our_fin_acked(tables, tcb, now)
    if ack == tcb.snd_una:
        if ack == tcb.tail_end and segment.length == 0:
            tcb.tail_end = -1
        if news or (tcb.snd_nxt > ack and segment.length == 0 and window == tcb.snd_wnd and not tcb.persist):
            take_duplicate(tables, tcb, news, now)
        _take_window(tcb, segment, window)
    return True


def _deferred_long_enough(tables: Tables, tcb: Tcb, defer_us: int, now: int) -> bool:
    """TCP_DEFER_ACCEPT: a handshake waits for the first octets; when that took too long the SYN-ACK goes again, and
    the answer to it makes the connection."""
    rare = tcb.rarely()
    if rare.defer_until_us == 0:
        rare.defer_until_us = now + defer_us
        tcb.rtx_us = rare.defer_until_us
        tcb.backoff = tcb.unanswered = 0
        tcb.rtt_seq = -1
        tables.counters.accepts_deferred += 1
        return False
    return now >= rare.defer_until_us


def _take_window(tcb: Tcb, segment: Segment, window: int) -> None:
    """SND.WND from the newest segment (section 3.10.7.4, MUST-34 included: it may shrink)."""
    if tcb.snd_wl1 < segment.seq or (tcb.snd_wl1 == segment.seq and tcb.snd_wl2 <= segment.ack):
        tcb.snd_wnd = window
        tcb.snd_wl1 = segment.seq
        tcb.snd_wl2 = segment.ack
        if window > tcb.max_wnd:
            tcb.max_wnd = window
    if tcb.persist:
        window_opened(tcb)


def _our_fin_acked(tables: Tables, tcb: Tcb, now: int) -> bool:
    """What the states in which our FIN is out make of an acknowledgment; False if the connection is over."""
    if tcb.fin_seq < 0 or tcb.snd_una <= tcb.fin_seq or tcb.state == _FIN_WAIT_2:
        return True
    tcb.on(_FIN_ACKED)
    if tcb.state == _CLOSED:
        finish(tables, tcb)
        return False
    if tcb.state == _TIME_WAIT:
        wait(tables, tcb, now)
        return False
    if tcb.orphan:
        tcb.slow_us = now + _ORPHAN_FIN_WAIT_US
    return True


def _take_text(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> None:
    """Seventh (sixth, URG: its octets are taken in line): the segment text, as far as it is new and in the window."""
    if tcb.state != _ESTABLISHED and tcb.state != _FIN_WAIT_1 and tcb.state != _FIN_WAIT_2:
        return
    seq = segment.seq
    at = segment.data_at
    octets = segment.data_octets
    if seq < tcb.rcv_nxt:
        note_duplicate(tcb, seq, tcb.rcv_nxt)
        at += tcb.rcv_nxt - seq
        octets -= tcb.rcv_nxt - seq
        seq = tcb.rcv_nxt
    if seq + octets > tcb.rcv_adv:
        octets = tcb.rcv_adv - seq
        segment.flags &= ~_FIN
    if octets <= 0:
        tcb.ack_now = True
        return
    if tcb.orphan:
        abort(tables, tcb, 0, now)
        return
    if seq > tcb.rcv_nxt:
        _keep(tables, tcb, segment, seq, at, octets)
        return
    tcb.rcv_nxt += octets
    tcb.dups_owed = 0
    tables.counters.octets_in += octets
    tell_data(tables, tcb, segment.memory, at, octets)
    tcb.unacked += octets
    if tcb.reassembly is not None:
        _take_kept(tables, tcb, tcb.reassembly)
        tcb.ack_now = True
    elif tcb.unacked >= 2 * tcb.mss or segment.data_octets > tcb.mss or tcb.quickack:
        tcb.ack_now = True
    elif tcb.ack_us == _NEVER:
        tcb.ack_us = now + _DELAYED_ACK_US


def _keep(tables: Tables, tcb: Tcb, segment: Segment, seq: int, at: int, octets: int) -> None:
    """Queue octets behind a gap, and owe the peer a duplicate ACK at once (RFC 5681 section 4.2)."""
    if tcb.reassembly is None:
        tcb.reassembly = Reassembly()
    kept = tcb.reassembly
    cost = kept.cost
    if kept.holds(seq, seq + octets):
        tables.counters.duplicates_in += 1
        note_duplicate(tcb, seq, seq + octets)
    elif tables.kept < _MAX_KEPT_OCTETS and kept.insert(seq, segment.memory, at, octets):
        tables.kept += kept.cost - cost
        tables.counters.out_of_order_in += 1
    else:
        tables.counters.drop_out_of_order += 1
        segment.flags &= ~_FIN
    tcb.ack_now = True
    if not tcb.sack_ok:
        tcb.dups_owed += 1


def _take_kept(tables: Tables, tcb: Tcb, kept: Reassembly) -> None:
    """The gap is closed: hand over what waited behind it (MUST-59: all of it before the ACK)."""
    tables.kept -= kept.cost
    while True:
        span = kept.take(tcb.rcv_nxt)
        if span is None:
            break
        seq = span.start
        for piece in span.pieces:
            end = seq + len(piece)
            if end > tcb.rcv_nxt:
                tell_piece(tables, tcb, piece, tcb.rcv_nxt - seq)
                tables.counters.octets_in += end - tcb.rcv_nxt
                tcb.rcv_nxt = end
            seq = end
    tables.kept += kept.cost
    if not kept.spans:
        tcb.reassembly = None


def _take_fin(tables: Tables, tcb: Tcb, now: int) -> None:
    """Eighth: the peer's FIN is next in order."""
    state = tcb.state
    if state != _ESTABLISHED and state != _FIN_WAIT_1 and state != _FIN_WAIT_2:
        return
    tcb.rcv_nxt += 1
    tcb.ack_now = True
    if tcb.reassembly is not None:
        tables.kept -= tcb.reassembly.cost
        tcb.reassembly = None
    tcb.owes_end = True
    if not tcb.waiting:
        tell(tables, tcb)
    tcb.on(_FIN_ARRIVED)
    if tcb.state == _TIME_WAIT:
        wait(tables, tcb, now)


def _challenge(tables: Tables, tcb: Tcb, answers_data: bool, now: int) -> None:
    """Owe the peer an ACK of what we have; not too often, but to octets always, since its own may have been lost."""
    if answers_data:
        tcb.ack_now = True
    elif now >= tcb.challenge_us:
        tcb.challenge_us = now + _CHALLENGE_US
        tables.counters.challenge_acks += 1
        tcb.ack_now = True
