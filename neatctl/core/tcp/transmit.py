"""What a connection sends, and when: one pass per burst over the connections that were touched.

All that a burst asks for leaves together: data with the ACK, the last data with FIN, one ACK for many segments.
The order is the RFCs': what is owed to loss recovery, then new data as far as the peer's window and cwnd allow, under
the sender's silly-window rule (RFC 9293 section 3.8.6.2.1) and Nagle's algorithm, then an ACK if still owed. A bare
ACK stands at SND.MAX even while old data is sent again, or the peer would find it outside its window. A full NIC
queue leaves the connection touched. Builds nothing itself (segment_out.py).
"""

from __future__ import annotations

from neatctl.core.tcp.flight import NEW_DUE, NO_TRIAL, SECOND_ACK_DUE, Flight, Repair
from neatctl.core.tcp.loss import schedule_tail_probe
from neatctl.core.tcp.recovery import pipe, repair_of, sent_again
from neatctl.core.tcp.segment_out import put_reset, put_segment, put_syn
from neatctl.core.tcp.states import CLOSED, ESTABLISHED, TIME_WAIT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import CORKED, FAST, OPEN, Tcb
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.tcp_header import ACK, FIN, PSH

_ACK, _FIN, _PSH = ACK, FIN, PSH
_FAST, _OPEN = FAST, OPEN
_CLOSED, _ESTABLISHED, _TIME_WAIT = CLOSED, ESTABLISHED, TIME_WAIT
_NEVER = NEVER
_NEW_DUE, _NO_TRIAL, _SECOND_ACK_DUE = NEW_DUE, NO_TRIAL, SECOND_ACK_DUE
_MAX_RTO_US = 60_000_000
_MAX_DUPLICATES = 16
_CORK_US = 200_000
"""As Linux."""
_CORKED = CORKED


def send_due(tables: Tables, tcb: Tcb, now: int) -> int:
    """Send what is due for one connection; how many segments. Touches it again when the NIC queue is full."""
    if tcb.reset_owed:
        if not put_reset(tables, tcb, now):
            tables.touch(tcb)
            return 0
        tcb.reset_owed = False
        tables.leave(tcb)
        return 1
    if tcb.state == _CLOSED or tcb.state == _TIME_WAIT:
        return 0
    sent = 0
    if tcb.syn_owed:
        sent = _send_syn(tables, tcb, now)
    elif tcb.state >= _ESTABLISHED:
        if tcb.probe_owed:
            sent += _send_probe(tables, tcb, now)
        if tcb.tail_owed:
            sent += _send_tail_probe(tables, tcb, now)
        if tcb.flight is not None and tcb.flight.lost > 0:
            if tcb.repair is not None and tcb.repair.trial >= _NEW_DUE:
                sent += _send_trial(tables, tcb, tcb.repair, now)
            if tcb.repair is None or tcb.repair.trial < _NEW_DUE:
                sent += _send_lost(tables, tcb, tcb.flight, now)
        if tcb.flight is not None and tcb.flight.lost > 0:
            tcb.cwnd_limited = True
        elif not tables.blocked:
            sent += _send_new(tables, tcb, now)
    while (tcb.ack_now or tcb.dups_owed > 0) and not tables.blocked:
        sent += put_segment(tables, tcb, tcb.snd_una if tcb.persist else tcb.snd_nxt, 0, _ACK, now)
        tcb.dups_owed = min(tcb.dups_owed, _MAX_DUPLICATES) - 1
    tcb.dups_owed = 0
    if tables.blocked:
        tables.touch(tcb)
    tables.arm(tcb, now)
    return sent


def _send_syn(tables: Tables, tcb: Tcb, now: int) -> int:
    if not put_syn(tables, tcb, now):
        return 0
    tcb.syn_owed = False
    if tcb.backoff == 0:
        tcb.rtt_seq = tcb.iss + 1
        tcb.rtt_us = now
    else:
        tcb.rtt_seq = -1
        tables.counters.retransmits += 1
    _start_timer(tcb, now)
    return 1


def _send_probe(tables: Tables, tcb: Tcb, now: int) -> int:
    """One octet, or the FIN, beyond a closed window (section 3.8.6.1); into one that is merely small what it takes."""
    if not _put_range(tables, tcb, tcb.snd_una, max(min(tcb.snd_wnd, tcb.mss), 1), now):
        return 0
    tcb.probe_owed = False
    tables.counters.window_probes += 1
    return 1


def _send_tail_probe(tables: Tables, tcb: Tcb, now: int) -> int:
    """One new segment, else the last one again, to learn what became of the others (RFC 8985 section 7.3)."""
    if tcb.recovery != _OPEN or tcb.snd_nxt == tcb.snd_una:
        tcb.tail_owed = False
        return 0
    octets = min(tcb.buffer_seq + tcb.buffer.octets - tcb.snd_nxt, tcb.mss, tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt)
    seq = tcb.snd_nxt
    again = octets <= 0
    if again:
        seq = max(tcb.snd_nxt - tcb.mss, tcb.snd_una)
        octets = tcb.snd_nxt - seq
    if not _put_range(tables, tcb, seq, octets, now):
        return 0
    tcb.tail_owed = False
    tcb.tail_end = tcb.snd_nxt
    tcb.tail_again = again
    tcb.rack_us = _NEVER
    tcb.rtx_us = now + tcb.rto_us
    tables.counters.tail_probes += 1
    return 1


def _send_trial(tables: Tables, tcb: Tcb, repair: Repair, now: int) -> int:
    """Two new segments instead of what the timer took for lost (RFC 5682 section 2.1, step 2b); without, no trial."""
    if repair.trial != _NEW_DUE or tables.blocked:
        return 0
    tcb.cc.cwnd = min(tcb.cc.cwnd, 2 * tcb.mss)
    sent = _send_new(tables, tcb, now)
    repair.trial = _SECOND_ACK_DUE if sent else _NO_TRIAL
    return sent


def _send_lost(tables: Tables, tcb: Tcb, flight: Flight, now: int) -> int:
    """Send what is lost again as far as cwnd and the peer's window allow, full segments where neighbours are lost too
    or nothing was sent after them."""
    sent = 0
    mss = tcb.mss
    end = tcb.buffer_seq + tcb.buffer.octets
    while flight.lost > 0:
        seq = flight.next_lost()
        after = min(flight.lost_end(seq), seq + mss)
        if after == tcb.snd_nxt and after < end:
            after = min(seq + mss, end)
        if after > tcb.snd_una + tcb.snd_wnd:
            after = tcb.snd_una + tcb.snd_wnd if seq == tcb.snd_una else seq
        if after <= seq or pipe(tcb) + after - seq > tcb.cc.cwnd:
            break
        if not _put_range(tables, tcb, seq, after - seq, now):
            break
        sent += 1
    return sent


def _send_new(tables: Tables, tcb: Tcb, now: int) -> int:
    """Send from SND.NXT on as windows allow."""
    sent = 0
    end = tcb.buffer_seq + tcb.buffer.octets
    if tcb.snd_nxt == tcb.snd_una and tcb.snd_nxt < end and now - tcb.sent_us > tcb.rto_us:
        tcb.cc.on_idle(tcb.mss)
    while True:
        queued = end - tcb.snd_nxt
        if queued <= 0:
            if queued == 0 and tcb.fin_queued:
                sent += _put_range(tables, tcb, tcb.snd_nxt, 1, now)
            tcb.cwnd_limited = False
            break
        octets = _allowed(tables, tcb, queued)
        if octets == 0:
            break
        if not _put_range(tables, tcb, tcb.snd_nxt, octets, now):
            break
        sent += 1
    if sent:
        schedule_tail_probe(tcb, now)
    if tcb.cork and _corked(tcb, now):
        return sent
    if tcb.rtx_us == _NEVER and tcb.snd_nxt == tcb.snd_una and tcb.unsent() and not tables.blocked:
        tcb.persist = True
        tcb.rtx_us = now + min(tcb.rto_us << tcb.backoff, _MAX_RTO_US)
    return sent


def _corked(tcb: Tcb, now: int) -> bool:
    """Whether it is the cork that holds octets back: then they leave after 200 ms at the latest."""
    queued = tcb.buffer_seq + tcb.buffer.octets - tcb.snd_nxt
    if queued <= 0:
        tcb.cork = _CORKED
        return False
    if tcb.cork != _CORKED or queued >= tcb.mss or tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt < queued:
        return False
    tcb.slow_us = min(tcb.slow_us, now + _CORK_US)
    return True


def _allowed(tables: Tables, tcb: Tcb, queued: int) -> int:
    """How many of the `queued` octets at SND.NXT may go in one segment or super-frame now; 0 to wait."""
    mss = tcb.mss
    seq = tcb.snd_nxt
    octets = queued
    if octets > mss:
        octets = min(octets, max(tables.gso_octets, mss))
    window = tcb.snd_una + tcb.snd_wnd - seq
    congestion = tcb.cc.cwnd - pipe(tcb)
    tcb.cwnd_limited = congestion < min(octets, window)
    octets = min(octets, window, congestion)
    if octets >= mss:
        if octets < queued or (octets > mss and _nagle(tcb)):
            octets -= octets % mss
        return octets
    if octets <= 0:
        return 0
    if octets < queued:
        if octets == window and 2 * octets >= tcb.max_wnd:
            return octets
        return 0
    return 0 if _nagle(tcb) else octets


def _nagle(tcb: Tcb) -> bool:
    """Whether a last segment that is not full must wait: one such is unacknowledged, and nothing hurries (SHLD-7)."""
    if tcb.cork == _CORKED:
        return not tcb.fin_queued
    return tcb.small_end > tcb.snd_una and not tcb.nodelay and not tcb.fin_queued


def _put_range(tables: Tables, tcb: Tcb, seq: int, length: int, now: int) -> int:
    """Send `length` numbers from `seq`: octets, and FIN behind the last one if it is queued. 1, or 0 when blocked."""
    end = tcb.buffer_seq + tcb.buffer.octets
    octets = min(length, end - seq)
    after = seq + octets
    flags = _ACK
    if after == end:
        if octets:
            flags |= _PSH
        if tcb.fin_queued:
            flags |= _FIN
            after += 1
    if not put_segment(tables, tcb, seq, octets, flags, now):
        return 0
    if flags & _FIN:
        tcb.fin_seq = end
    if octets % tcb.mss and after > tcb.small_end:
        tcb.small_end = after
    if seq < tcb.snd_nxt:
        tables.counters.retransmits += 1
        tcb.rtt_seq = -1
        again = min(after, tcb.snd_nxt)
        tcb.in_flight().again(seq, again, now)
        sent_again(tables, tcb, again - seq, now)
        if seq == tcb.snd_una:
            tcb.rtx_us = _NEVER  # It has the whole time once more to be answered.
    if after > tcb.snd_nxt:
        tables.counters.octets_out += max(seq + octets - max(tcb.snd_nxt, seq), 0)
        if tcb.flight is not None or (tcb.snd_nxt > tcb.snd_una and tcb.sent_us != now):
            tcb.in_flight().sent(after, now)
        if tcb.rtt_seq < 0 and seq == tcb.snd_nxt and tcb.recovery == _OPEN:
            tcb.rtt_seq = after
            tcb.rtt_us = now
        tcb.snd_nxt = after
    if tcb.recovery == _FAST:
        repair = repair_of(tcb)
        repair.out += after - seq
    tcb.sent_us = now
    _start_timer(tcb, now)
    return 1


def _start_timer(tcb: Tcb, now: int) -> None:
    """The retransmission timer runs from the first segment in flight on (RFC 6298, 5.1)."""
    if tcb.rtx_us == _NEVER:
        tcb.rtx_us = now + min(tcb.rto_us << tcb.backoff, _MAX_RTO_US)
