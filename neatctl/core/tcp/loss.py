"""How losses are noticed and repaired: round-trip times, the retransmission timer, fast recovery.

RFC 6298 (timer, Karn), RFC 5681 and 6582 (NewReno: duplicate ACKs, partial ACKs), RFC 3042 (limited transmit, as
inflation of cwnd), RFC 6675 (with SACK: what is lost and what is in the pipe), RFC 8985 section 7 (tail loss probe).
How large cwnd is, congestion.py says; what goes out again, transmit.py. After a timeout SND.NXT falls back to
SND.UNA, and what SACK reports is passed over.
"""

from __future__ import annotations

from neatctl.core.tcp.ending import forget
from neatctl.core.tcp.path_mtu import suspect_black_hole
from neatctl.core.tcp.scoreboard import DUPLICATE_THRESHOLD, Scoreboard
from neatctl.core.tcp.slow_timer import give_up, on_slow_deadline, user_timeout_is_over
from neatctl.core.tcp.states import CLOSED, SYN_RECEIVED, SYN_SENT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import FAST, LOSS, OPEN, Tcb
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.seq import unwrap
from neatctl.core.wire.tcp_header import Segment

MIN_RTO_US = 200_000
"""As Linux; RFC 6298 (2.4) would have a second."""
MAX_RTO_US = 60_000_000
_GRANULARITY_US = 1_000
_MAX_BACKOFF = 16
_MIN_TAIL_US = 10_000
RETRIES = 15
"""R2 (MUST-20): about 15 minutes at the least."""
SYN_RETRIES = 7
"""R2 for a SYN is at least 3 minutes (MUST-23)."""
SYN_ACK_RETRIES = 5
ORPHAN_RETRIES = 8

_MIN_RTO_US, _MAX_RTO_US = MIN_RTO_US, MAX_RTO_US
_RETRIES, _SYN_RETRIES, _SYN_ACK_RETRIES, _ORPHAN_RETRIES = RETRIES, SYN_RETRIES, SYN_ACK_RETRIES, ORPHAN_RETRIES
_THRESHOLD = DUPLICATE_THRESHOLD
_OPEN, _FAST, _LOSS = OPEN, FAST, LOSS
_CLOSED = CLOSED
_SYN_RECEIVED, _SYN_SENT = SYN_RECEIVED, SYN_SENT
_NEVER = NEVER
_MASK = 0xFFFFFFFF


def pipe(tcb: Tcb) -> int:
    """How many octets are thought to be in the network (RFC 6675 section 4; FlightSize without SACK)."""
    board = tcb.scoreboard
    if board is None or board.octets == 0:
        return tcb.snd_nxt - tcb.snd_una
    if tcb.recovery == _FAST:
        lost = board.holes(max(tcb.snd_una, tcb.high_rxt), lost_edge(tcb, board))
        return tcb.snd_max - tcb.snd_una - board.octets - lost
    return board.holes(tcb.snd_una, tcb.snd_nxt)


def lost_edge(tcb: Tcb, board: Scoreboard) -> int:
    """Holes below this number are lost."""
    return max(board.lost_edge(tcb.mss), tcb.lost_below)


def measure(tcb: Tcb, rtt_us: int) -> None:
    """Take a round-trip time into SRTT, RTTVAR and RTO (RFC 6298 section 2)."""
    if tcb.srtt_us == 0:
        tcb.srtt_us = max(rtt_us, 1)
        tcb.rttvar_us = rtt_us >> 1
    else:
        deviation = tcb.srtt_us - rtt_us
        if deviation < 0:
            deviation = -deviation
        tcb.rttvar_us = (3 * tcb.rttvar_us + deviation) >> 2
        tcb.srtt_us = max((7 * tcb.srtt_us + rtt_us) >> 3, 1)
    rto = tcb.srtt_us + max(_GRANULARITY_US, 4 * tcb.rttvar_us)
    tcb.rto_us = min(max(rto, _MIN_RTO_US), _MAX_RTO_US)


def take_sack(tcb: Tcb, segment: Segment) -> int:
    """Note the SACK blocks of a segment; how many octets are reported for the first time. Nonsense is passed over.

    A block below the acknowledgment says that octets arrived twice (RFC 2883): what a tail probe repeated was not lost.
    """
    news = 0
    memory = segment.memory
    low = max(tcb.snd_una, segment.ack)
    for i in range(segment.sack_blocks):
        start = unwrap(memory.get32(segment.sack_at + 8 * i), tcb.snd_una)
        end = unwrap(memory.get32(segment.sack_at + 8 * i + 4), tcb.snd_una)
        if start < end <= low:
            tcb.tail_end = -1
        elif low < start < end <= tcb.snd_max:
            if tcb.scoreboard is None:
                tcb.scoreboard = Scoreboard()
                tcb.inflation = 0
            news += tcb.scoreboard.add(start, end)
    return news


def take_ack(tables: Tables, tcb: Tcb, ack: int, segment: Segment, now: int) -> None:
    """SND.UNA < SEG.ACK =< what was sent: free what is acknowledged, measure, and let windows and timers follow."""
    acked = ack - tcb.snd_una
    freed = min(ack, tcb.buffer_seq + tcb.buffer.octets) - tcb.buffer_seq
    if freed > 0:
        tcb.buffer.drop(freed)
        tcb.buffer_seq += freed
        tcb.room_owed += freed
    _measure_ack(tables, tcb, ack, segment, now)
    tcb.snd_una = ack
    if tcb.snd_nxt < ack:
        tcb.snd_nxt = ack
    if tcb.scoreboard is not None:
        tcb.scoreboard.advance(ack)
    tcb.backoff = 0
    tcb.unanswered = 0
    tcb.persist = False
    tcb.rtx_owed = False
    if tcb.recovery == _OPEN and tcb.dup_acks == 0:
        if tcb.cwnd_limited:
            tcb.cc.on_ack(acked, tcb.mss, now)
    else:
        _recover(tcb, acked, now)
    if ack == tcb.snd_max:
        tcb.rtx_us = _NEVER
    else:
        tcb.rtx_us = now + tcb.rto_us
    if 0 <= tcb.tail_end < ack:
        tcb.tail_end = -1
        if tcb.tail_again and tcb.recovery == _OPEN:
            tcb.cc.on_loss(tcb.snd_max - ack, tcb.mss, now)
    schedule_tail_probe(tcb, now)


def schedule_tail_probe(tcb: Tcb, now: int) -> None:
    """Ask after the last segments in flight when no ACK comes for two round trips (RFC 8985 section 7.2).

    Not for a single segment: its ACK may be delayed, and then the probe would come no sooner than the timeout.
    """
    tcb.tail_us = _NEVER
    if (
        tcb.sack_ok
        and tcb.recovery == _OPEN
        and tcb.tail_end < 0
        and tcb.snd_max - tcb.snd_una > tcb.mss
        and tcb.srtt_us
        and not tcb.persist
    ):
        due = now + max(2 * tcb.srtt_us, _MIN_TAIL_US)
        if due < tcb.rtx_us:
            tcb.tail_us = due


def take_duplicate(tables: Tables, tcb: Tcb, now: int) -> None:
    """An ACK that says no more than that a segment arrived out of order (RFC 5681 section 2), or news by SACK."""
    tables.counters.duplicate_acks_in += 1
    tcb.dup_acks += 1
    board = tcb.scoreboard
    if tcb.recovery == _FAST:
        if board is None:
            tcb.inflation += tcb.mss
    elif tcb.recovery == _OPEN:
        if board is None:
            lost = tcb.dup_acks >= _THRESHOLD and tcb.snd_una > tcb.recover
            tcb.inflation = min(tcb.dup_acks, 2) * tcb.mss
        else:
            if 0 <= tcb.tail_end <= board.top():
                tcb.lost_below = tcb.tail_end
            lost = tcb.dup_acks >= _THRESHOLD or lost_edge(tcb, board) > tcb.snd_una
        if lost:
            tables.counters.fast_retransmits += 1
            tcb.recovery = _FAST
            tcb.recover = tcb.snd_max
            tcb.high_rxt = tcb.snd_una
            tcb.rtx_owed = True
            tcb.rtt_seq = -1
            tcb.tail_us = _NEVER
            tcb.cc.on_loss(tcb.snd_max - tcb.snd_una, tcb.mss, now)
            tcb.inflation = _THRESHOLD * tcb.mss if board is None else 0
            tcb.rtx_us = now + tcb.rto_us
    tables.touch(tcb)


def window_opened(tcb: Tcb) -> None:
    """The peer answered while its window was closed: go on where SND.UNA is, if it has opened (section 3.8.6.1)."""
    tcb.unanswered = 0
    if tcb.snd_wnd > 0:
        tcb.persist = False
        tcb.probe_owed = False
        tcb.backoff = 0
        tcb.rtx_us = _NEVER
        tcb.snd_nxt = tcb.snd_una


def on_deadline(tables: Tables, tcb: Tcb, now: int) -> None:
    """The deadline of a connection came: retransmit or probe, send a delayed ACK, or forget it."""
    if tcb.slow_us <= now:
        on_slow_deadline(tables, tcb, now)
        if tcb.state == _CLOSED:
            return
    if tcb.tail_us <= now:
        tcb.tail_us = _NEVER
        tcb.tail_owed = True
        tables.touch(tcb)
    if tcb.ack_us <= now:
        tcb.ack_us = _NEVER
        tcb.ack_now = True
        tables.touch(tcb)
    if tcb.rtx_us <= now:
        tcb.rtx_us = _NEVER
        _on_timeout(tables, tcb, now)
    else:
        tables.arm(tcb, now)


def _measure_ack(tables: Tables, tcb: Tcb, ack: int, segment: Segment, now: int) -> None:
    """The measurement under way ends; where Karn's algorithm forbids one, the echoed timestamp gives it (RFC 7323)."""
    if tcb.rtt_seq >= 0:
        if ack >= tcb.rtt_seq:
            tcb.rtt_seq = -1
            measure(tcb, now - tcb.rtt_us)
    elif tcb.ts_ok and segment.has_timestamps and segment.ts_ecr:
        echoed_us = ((tables.timestamp(now) - segment.ts_ecr) & _MASK) * 1000
        if echoed_us <= _MAX_RTO_US:
            measure(tcb, max(echoed_us, _GRANULARITY_US))


def _recover(tcb: Tcb, acked: int, now: int) -> None:
    """SND.UNA moved while a loss is repaired (RFC 6582 section 3.2; after a timeout: slow start)."""
    mss = tcb.mss
    if tcb.recovery == _FAST and tcb.snd_una < tcb.recover:
        if tcb.scoreboard is None:
            tcb.inflation = max(tcb.inflation - acked, 0) + mss
        tcb.rtx_owed = tcb.snd_una >= tcb.high_rxt
        return
    tcb.dup_acks = 0
    tcb.inflation = 0
    if tcb.recovery == _FAST:
        tcb.recovery = _OPEN
        tcb.cc.on_recovered(tcb.snd_max - tcb.snd_una, mss, now)
    elif tcb.recovery == _LOSS:
        if tcb.snd_una >= tcb.recover:
            tcb.recovery = _OPEN
        tcb.cc.on_ack(min(acked, 2 * mss), mss, now)


def _on_timeout(tables: Tables, tcb: Tcb, now: int) -> None:
    """The retransmission timer, or the persist timer, ran out (RFC 6298 section 5.4 and on)."""
    tcb.unanswered += 1
    if tcb.options is not None and tcb.options.user_timeout_us and tcb.state != _SYN_RECEIVED:
        if user_timeout_is_over(tcb, now):
            give_up(tables, tcb)
            return
    elif tcb.unanswered > _retries(tcb):
        _give_up(tables, tcb)
        return
    tcb.rtt_seq = -1
    tcb.tail_us = _NEVER
    tcb.tail_end = -1
    tcb.tail_owed = False
    first = tcb.backoff == 0
    tcb.backoff = min(tcb.backoff + 1, _MAX_BACKOFF)
    if not first:
        # Nobody answers: the path's MAC may come from a damaged frame (RFC 1122 section 2.3.2.1).
        tables.output.neighbours.doubt(tcb.path.neighbour, now)
    if tcb.state <= _SYN_RECEIVED:
        tcb.syn_owed = True
    elif tcb.persist or tcb.snd_wnd == 0:
        tcb.persist = True
        tcb.probe_owed = True
    else:
        tables.counters.retransmission_timeouts += 1
        tcb.cc.on_timeout(tcb.snd_max - tcb.snd_una, tcb.mss, first, now)
        tcb.recovery = _LOSS
        tcb.recover = tcb.snd_max
        tcb.lost_below = 0
        tcb.dup_acks = 0
        tcb.inflation = 0
        tcb.rtx_owed = False
        tcb.snd_nxt = tcb.snd_una
        if tcb.scoreboard is not None:
            tcb.scoreboard.clear()
        suspect_black_hole(tables, tcb, now)
    tables.touch(tcb)


def _retries(tcb: Tcb) -> int:
    if tcb.state == _SYN_SENT:
        return _SYN_RETRIES
    if tcb.state == _SYN_RECEIVED:
        return _SYN_ACK_RETRIES
    return _ORPHAN_RETRIES if tcb.orphan else _RETRIES


def _give_up(tables: Tables, tcb: Tcb) -> None:
    if tcb.id == 0:
        tables.counters.half_open_timeouts += 1
        forget(tables, tcb)
        return
    give_up(tables, tcb)
