"""How losses are noticed: round-trip times, acknowledgments, duplicate ones, and what SACK reports.

RFC 6298 sections 2 and 3 (RTT, Karn), RFC 8985 (with SACK: RACK, and the probe of the tail), RFC 5681 and 6582
(without: three duplicate ACKs, partial ACKs), RFC 2018, 2883. How large cwnd is meanwhile, recovery.py and
congestion.py say; what goes out again, transmit.py; what happens when no ACK comes at all, timeout.py.
"""

from __future__ import annotations

from neatctl.core.tcp.flight import Flight
from neatctl.core.tcp.recovery import (
    DUPLICATE_THRESHOLD,
    end_trial,
    enter,
    leave,
    patience_us,
    proportion,
    repair_of,
    take_duplicate_report,
    take_trial,
    undo,
    was_needless,
)
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import FAST, LOSS, OPEN, Tcb
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.seq import unwrap
from neatctl.core.wire.tcp_header import Segment

MIN_RTO_US = 200_000
"""As Linux; RFC 6298 (2.4) would have a second."""
MAX_RTO_US = 60_000_000
_GRANULARITY_US = 1_000
_MIN_TAIL_US = 10_000
_MAX_ACK_DELAY_US = 200_000
"""As Linux."""
_RENEGED_US = 10_000
"""What was reported and is not acknowledged may come with the next ACK."""

_MIN_RTO_US, _MAX_RTO_US = MIN_RTO_US, MAX_RTO_US
_THRESHOLD = DUPLICATE_THRESHOLD
_OPEN, _FAST, _LOSS = OPEN, FAST, LOSS
_NEVER = NEVER
_MASK = 0xFFFFFFFF


def measure(tcb: Tcb, rtt_us: int) -> None:
    """Take a round-trip time into SRTT, RTTVAR and RTO (RFC 6298 section 2). It ends the back-off (section 3)."""
    tcb.backoff = 0
    tcb.min_rtt_us = min(tcb.min_rtt_us, rtt_us)
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


def take_sack(tables: Tables, tcb: Tcb, segment: Segment, now: int) -> int:
    """Note the SACK blocks of a segment; how many octets are reported for the first time. Nonsense is passed over."""
    news = 0
    memory = segment.memory
    low = max(tcb.snd_una, segment.ack)
    for i in range(segment.sack_blocks):
        start = unwrap(memory.get32(segment.sack_at + 8 * i), tcb.snd_una)
        end = unwrap(memory.get32(segment.sack_at + 8 * i + 4), tcb.snd_una)
        if i == 0 and start < end and (end <= segment.ack or _lies_within_next(tcb, segment, start, end)):
            take_duplicate_report(tables, tcb, start, end, now)
        elif low < start < end <= tcb.snd_nxt:
            news += tcb.in_flight().report(start, end, now, tcb.min_rtt_us)
    return news


def take_ack(tables: Tables, tcb: Tcb, ack: int, news: int, segment: Segment, now: int) -> None:
    """SND.UNA < SEG.ACK =< SND.NXT: free what is acknowledged, measure, and let windows and timers follow. `news`
    octets were reported by SACK for the first time."""
    acked = ack - tcb.snd_una
    freed = min(ack, tcb.buffer_seq + tcb.buffer.octets) - tcb.buffer_seq
    if freed > 0:
        tcb.buffer.drop(freed)
        tcb.buffer_seq += freed
        tcb.room_owed += freed
    _measure_ack(tables, tcb, ack, segment, now)
    tcb.snd_una = ack
    tcb.unanswered = 0
    tcb.persist = False
    amiss = tcb.recovery != _OPEN or tcb.dup_acks > 0
    flight = tcb.flight
    if flight is not None:
        amiss = amiss or flight.sacked + flight.lost > 0
        news += acked - flight.sacked
        flight.acknowledge(ack, now, tcb.min_rtt_us)
        news += flight.sacked
        if ack == tcb.snd_nxt:
            tcb.flight = None
            if flight.reordered:
                repair = repair_of(tcb)
                repair.reordered = True
    else:
        news = acked
    if ack == tcb.snd_nxt:
        tcb.rtx_us = _NEVER
    else:
        tcb.rtx_us = now + min(tcb.rto_us << tcb.backoff, _MAX_RTO_US)
    tcb.rack_us = _NEVER
    if amiss:
        _acknowledged_amiss(tables, tcb, acked, news, segment, now)
    elif tcb.cwnd_limited:
        tcb.cc.on_ack(acked, tcb.mss, tcb.srtt_us, now)
    if 0 <= tcb.tail_end < ack:
        tcb.tail_end = -1
        if tcb.tail_again and tcb.recovery == _OPEN:
            tcb.cc.on_loss(tcb.snd_nxt - ack, tcb.mss)
    schedule_tail_probe(tcb, now)


def take_duplicate(tables: Tables, tcb: Tcb, news: int, now: int) -> None:
    """An ACK that says no more than that a segment arrived out of order (RFC 5681 section 2), or news by SACK."""
    tables.counters.duplicate_acks_in += 1
    tcb.dup_acks += 1
    if not tcb.sack_ok:
        news = tcb.mss
        if tcb.recovery == _OPEN and tcb.dup_acks >= _THRESHOLD and tcb.snd_una > tcb.recover:
            tcb.in_flight().lose(tcb.snd_una + tcb.mss)
            enter(tables, tcb, now)
    elif tcb.flight is not None:
        _look(tables, tcb, tcb.flight, now)
    if tcb.recovery == _LOSS:
        end_trial(tcb)
    if tcb.recovery == _FAST:
        proportion(tcb, news)
    elif tcb.recovery == _LOSS and tcb.sack_ok and news:
        tcb.cc.on_ack(news, tcb.mss, tcb.srtt_us, now)
    tables.touch(tcb)


def look_again(tables: Tables, tcb: Tcb, now: int) -> None:
    """`rack_us` came: what was overtaken for too long is lost, or the tail of what is in flight is to be probed."""
    flight = tcb.flight
    if flight is not None and (tcb.recovery != _OPEN or flight.sacked > 0):
        _look(tables, tcb, flight, now)
        if tcb.recovery == _FAST:
            proportion(tcb, 0)
    else:
        tcb.tail_owed = True
        tcb.rtx_us = now + tcb.rto_us
    tables.touch(tcb)


def schedule_tail_probe(tcb: Tcb, now: int) -> None:
    """Ask after the last segments in flight when no ACK comes for two round trips (RFC 8985 section 7.2), and for as
    long as a peer may delay its ACK of a single one; at the latest when the retransmission timer would run out."""
    if tcb.recovery != _OPEN or not tcb.sack_ok or (tcb.flight is not None and tcb.flight.sacked + tcb.flight.lost > 0):
        return
    tcb.rack_us = _NEVER
    if tcb.tail_end < 0 and tcb.snd_nxt > tcb.snd_una and tcb.srtt_us and not tcb.persist:
        due = now + max(2 * tcb.srtt_us, _MIN_TAIL_US)
        if tcb.snd_nxt - tcb.snd_una <= tcb.mss:
            due += _MAX_ACK_DELAY_US
        tcb.rack_us = min(due, tcb.rtx_us)


def window_opened(tcb: Tcb) -> None:
    """The peer answered while its window was closed: go on where SND.UNA is, if it has opened (section 3.8.6.1)."""
    tcb.unanswered = 0
    if tcb.snd_wnd > 0:
        tcb.persist = False
        tcb.probe_owed = False
        tcb.backoff = 0
        tcb.rtx_us = _NEVER
        if tcb.snd_nxt > tcb.snd_una:
            tcb.in_flight().lose(tcb.snd_nxt)


def _lies_within_next(tcb: Tcb, segment: Segment, start: int, end: int) -> bool:
    """Whether the first SACK block is a part of the second: then it tells of a duplicate (RFC 2883 section 4.2)."""
    if segment.sack_blocks < 2:
        return False
    memory = segment.memory
    at = segment.sack_at + 8
    return unwrap(memory.get32(at), tcb.snd_una) <= start and end <= unwrap(memory.get32(at + 4), tcb.snd_una)


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


def _acknowledged_amiss(tables: Tables, tcb: Tcb, acked: int, delivered: int, segment: Segment, now: int) -> None:
    """SND.UNA moved while something was overtaken or is being repaired; `delivered` octets arrived."""
    mss = tcb.mss
    if tcb.recovery != _OPEN:
        repair = repair_of(tcb)
        if was_needless(tcb, segment):
            undo(tables, tcb, now)
        elif repair.trial:
            take_trial(tables, tcb, now)
        if tcb.recovery != _OPEN and tcb.snd_una >= tcb.recover:
            leave(tcb)
    flight = tcb.flight
    if tcb.sack_ok:
        tcb.dup_acks = 0
        if flight is not None:
            _look(tables, tcb, flight, now)
    elif tcb.recovery == _FAST:
        # A partial acknowledgment: the next segment is lost too (RFC 6582 section 3.2, step 3).
        delivered = max(acked - tcb.dup_acks * mss, mss)
        tcb.dup_acks = max(tcb.dup_acks - max(acked // mss - 1, 0), 0)
        tcb.in_flight().lose(tcb.snd_una + mss)
    else:
        tcb.dup_acks = 0
        delivered = min(acked, 2 * mss)
    if tcb.recovery == _FAST:
        proportion(tcb, delivered)
    elif tcb.recovery == _LOSS or tcb.cwnd_limited:
        tcb.cc.on_ack(delivered, mss, tcb.srtt_us, now)


def _look(tables: Tables, tcb: Tcb, flight: Flight, now: int) -> None:
    """Find what is lost, with SACK (RFC 8985 section 6.2), and when to look again."""
    if flight.reneged():
        tcb.rtx_us = min(tcb.rtx_us, now + max(tcb.srtt_us >> 1, _RENEGED_US))
        return
    flight.detect(patience_us(tcb, flight), now)
    tcb.rack_us = flight.look_us
    if flight.lost and tcb.recovery == _OPEN:
        enter(tables, tcb, now)
        tcb.rack_us = flight.look_us
