"""When nothing comes back: the retransmission timer, its back-off, giving up; probes of a closed window.

RFC 6298 section 5, RFC 9293 sections 3.8.1 (R1, R2), 3.8.3 and 3.8.6.1. All deadlines of a connection come up here;
what the slow ones do is in slow_timer.py, RACK's in loss.py. What goes out then, transmit.py says.
"""

from __future__ import annotations

from errno import EHOSTUNREACH

from neatctl.core.tcp.ending import forget
from neatctl.core.tcp.flight import NO_TRIAL
from neatctl.core.tcp.loss import look_again
from neatctl.core.tcp.path_mtu import suspect_black_hole
from neatctl.core.tcp.recovery import begin_trial, reduce
from neatctl.core.tcp.slow_timer import give_up, on_slow_deadline, user_timeout_is_over
from neatctl.core.tcp.states import CLOSED, SYN_RECEIVED, SYN_SENT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import FAST, LOSS, OPEN, Tcb
from neatctl.core.tcp.wheel import NEVER

RETRIES = 15
"""R2 (MUST-20): about 15 minutes at the least."""
SYN_RETRIES = 7
"""R2 for a SYN is at least 3 minutes (MUST-23)."""
SYN_ACK_RETRIES = 5
ORPHAN_RETRIES = 8
_MAX_BACKOFF = 16

_RETRIES, _SYN_RETRIES, _SYN_ACK_RETRIES, _ORPHAN_RETRIES = RETRIES, SYN_RETRIES, SYN_ACK_RETRIES, ORPHAN_RETRIES
_FAST, _OPEN, _LOSS = FAST, OPEN, LOSS
_CLOSED, _SYN_RECEIVED, _SYN_SENT = CLOSED, SYN_RECEIVED, SYN_SENT
_NEVER = NEVER
_NO_TRIAL = NO_TRIAL


def on_deadline(tables: Tables, tcb: Tcb, now: int) -> None:
    """The deadline of a connection came: retransmit or probe, send a delayed ACK, or forget it."""
    if tcb.slow_us <= now:
        on_slow_deadline(tables, tcb, now)
        if tcb.state == _CLOSED:
            return
    if tcb.rack_us <= now:
        tcb.rack_us = _NEVER
        look_again(tables, tcb, now)
    if tcb.ack_us <= now:
        tcb.ack_us = _NEVER
        tcb.ack_now = True
        tables.touch(tcb)
    if tcb.rtx_us <= now:
        tcb.rtx_us = _NEVER
        _on_timeout(tables, tcb, now)
    else:
        tables.arm(tcb, now)


def _on_timeout(tables: Tables, tcb: Tcb, now: int) -> None:
    """The retransmission timer, or the persist timer, ran out (RFC 6298 section 5.4 and on)."""
    tcb.unanswered += 1
    if tcb.state == _SYN_SENT and tables.output.in_vain(tcb.path):
        tcb.soft_error = EHOSTUNREACH
        give_up(tables, tcb)
        return
    if tcb.options is not None and tcb.options.user_timeout_us and tcb.state != _SYN_RECEIVED:
        if user_timeout_is_over(tcb, now):
            give_up(tables, tcb)
            return
    elif tcb.unanswered > _retries(tcb):
        _give_up(tables, tcb)
        return
    tcb.rtt_seq = -1
    tcb.rack_us = _NEVER
    tcb.tail_end = -1
    tcb.tail_owed = False
    first = tcb.backoff == 0
    tcb.backoff = min(tcb.backoff + 1, _MAX_BACKOFF)
    if not first:
        # Nobody answers: the path's MAC may come from a damaged frame (RFC 1122 section 2.3.2.1).
        tables.output.doubt(tcb.path, now)
    if tcb.state <= _SYN_RECEIVED:
        tcb.syn_owed = True
    elif tcb.persist or tcb.snd_wnd == 0:
        tcb.persist = True
        tcb.probe_owed = True
    else:
        _lose_all(tables, tcb, first, now)
    tables.touch(tcb)


def _lose_all(tables: Tables, tcb: Tcb, first: bool, now: int) -> None:
    """All that is in flight and was not reported is taken for lost; one segment goes, then slow start."""
    tables.counters.retransmission_timeouts += 1
    if tcb.recovery == _OPEN:
        reduce(tcb)
        begin_trial(tcb)
    elif tcb.repair is not None:
        tcb.repair.trial = _NO_TRIAL
    # In fast recovery ssthresh has been reduced already, for the same losses.
    tcb.cc.on_timeout(tcb.snd_nxt - tcb.snd_una, tcb.mss, first and tcb.recovery != _FAST)
    tcb.cwr_owed = tcb.ecn_ok
    tcb.recovery = _LOSS
    tcb.recover = tcb.snd_nxt
    tcb.dup_acks = 0
    flight = tcb.in_flight()
    if flight.reneged():
        tables.counters.reports_reneged += 1
        flight.forget_reports()
    else:
        flight.lose(tcb.snd_nxt)
    suspect_black_hole(tables, tcb, now)


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
