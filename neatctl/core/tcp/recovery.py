"""An episode of loss: how fast what was lost goes out again, and what is taken back when nothing was lost.

RFC 6937 (proportional rate reduction: over a round trip cwnd comes down to ssthresh, by as much as arrives), RFC 6675
(the pipe), RFC 8985 section 6.2 step 4 (how much reordering RACK bears), RFC 2883, 3522 and 4015 (duplicates that the
peer reports and echoed timestamps tell that a retransmission was needless), RFC 5682 (F-RTO: so do two ACKs of what was
not sent again). What is lost, loss.py says.
"""

from __future__ import annotations

from neatctl.core.tcp.flight import (
    FIRST_ACK_DUE,
    NEW_DUE,
    NO_TRIAL,
    PATIENT_EPISODES,
    SECOND_ACK_DUE,
    Flight,
    Repair,
)
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import FAST, LOSS, OPEN, Tcb
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.seq import before
from neatctl.core.wire.tcp_header import Segment

DUPLICATE_THRESHOLD = 3
"""DupThresh of RFC 5681 and RFC 6675."""

_THRESHOLD = DUPLICATE_THRESHOLD
_FAST, _LOSS, _OPEN = FAST, LOSS, OPEN
_NEVER = NEVER
_NONE = -1
_PATIENT_EPISODES = PATIENT_EPISODES
_NO_TRIAL, _FIRST_ACK_DUE, _NEW_DUE, _SECOND_ACK_DUE = NO_TRIAL, FIRST_ACK_DUE, NEW_DUE, SECOND_ACK_DUE


def repair_of(tcb: Tcb) -> Repair:
    """The record of a connection's losses, made now if there is none."""
    repair = tcb.repair
    if repair is None:
        repair = tcb.repair = Repair()
    return repair


def pipe(tcb: Tcb) -> int:
    """How many octets are thought to be in the network (RFC 6675 section 4). Without SACK each duplicate ACK says that
    a segment left it; the first two of them only let new ones follow (RFC 3042)."""
    octets = tcb.snd_nxt - tcb.snd_una
    if tcb.flight is not None:
        octets -= tcb.flight.sacked + tcb.flight.lost
    if tcb.dup_acks and not tcb.sack_ok and tcb.recovery != _LOSS:
        octets -= tcb.dup_acks * tcb.mss
        if octets < 0:
            octets = 0
    return octets


def enter(tables: Tables, tcb: Tcb, now: int) -> None:
    """Something is lost, and ACKs still arrive: fast recovery begins."""
    tables.counters.fast_retransmits += 1
    tcb.recovery = _FAST
    tcb.recover = tcb.snd_nxt
    tcb.rtt_seq = -1
    tcb.rack_us = _NEVER
    tcb.rtx_us = now + tcb.rto_us
    repair = reduce(tcb)
    repair.delivered = repair.out = 0
    repair.flight = tcb.snd_nxt - tcb.snd_una
    tcb.cc.on_loss(repair.flight, tcb.mss)
    tcb.cwr_owed = tcb.ecn_ok


def reduce(tcb: Tcb) -> Repair:
    """cwnd is about to be reduced: from now on it is noted whether that was right."""
    repair = repair_of(tcb)
    repair.since = tcb.snd_una
    repair.again = 0
    repair.again_timestamp = _NONE
    repair.trial = _NO_TRIAL
    return repair


def sent_again(tables: Tables, tcb: Tcb, octets: int, now: int) -> None:
    """Octets went out once more."""
    repair = tcb.repair
    if repair is not None and repair.since >= 0:
        repair.again += octets
        if repair.again_timestamp < 0:
            repair.again_timestamp = tables.timestamp(now) & 0xFFFFFFFF


def proportion(tcb: Tcb, delivered: int) -> None:
    """Set cwnd in fast recovery, `delivered` octets having arrived (RFC 6937 section 3, PRR-SSRB)."""
    repair = repair_of(tcb)
    repair.delivered += delivered
    pipe_octets = pipe(tcb)
    ssthresh = tcb.cc.ssthresh
    if pipe_octets > ssthresh:
        count = -(-repair.delivered * ssthresh // max(repair.flight, 1)) - repair.out
    else:
        limit = max(repair.delivered - repair.out, delivered) + tcb.mss
        count = min(ssthresh - pipe_octets, limit)
    if repair.out == 0:
        count = max(count, tcb.mss)  # The first retransmission is never held back.
    tcb.cc.cwnd = pipe_octets + max(count, 0)


def leave(tcb: Tcb) -> None:
    """All that was in flight when the episode began is acknowledged."""
    if tcb.recovery == _FAST:
        tcb.cc.cwnd = tcb.cc.ssthresh
        repair = repair_of(tcb)
        repair.patient -= 1
        if repair.patient <= 0:
            repair.steps = 1
    tcb.recovery = _OPEN
    tcb.dup_acks = 0


def was_needless(tcb: Tcb, segment: Segment) -> bool:
    """Whether an ACK echoes the timestamp of a segment that left before the first retransmission (RFC 3522)."""
    repair = tcb.repair
    return (
        repair is not None
        and repair.since >= 0
        and repair.again_timestamp >= 0
        and segment.has_timestamps
        and segment.ts_ecr != 0
        and tcb.snd_una > repair.since
        and before(segment.ts_ecr, repair.again_timestamp)
    )


def begin_trial(tcb: Tcb) -> None:
    """The timer ran out for the first time: F-RTO (RFC 5682 section 2.1) is to find out whether that was right, where
    no timestamps tell it sooner and nothing is known to have been overtaken."""
    if not tcb.ts_ok and (tcb.flight is None or tcb.flight.sacked == 0):
        repair = repair_of(tcb)
        repair.trial = _FIRST_ACK_DUE


def take_trial(tables: Tables, tcb: Tcb, now: int) -> None:
    """SND.UNA moved after a timeout. If twice by octets that were not sent again, they were only late.

    Stricter than the RFC: an ACK of no more than what was sent again says nothing, and the rest goes again.
    """
    repair = repair_of(tcb)
    if repair.trial == _SECOND_ACK_DUE:
        undo(tables, tcb, now)
    elif repair.trial == _FIRST_ACK_DUE and repair.since + repair.again < tcb.snd_una < tcb.recover:
        repair.trial = _NEW_DUE
    else:
        repair.trial = _NO_TRIAL


def end_trial(tcb: Tcb) -> None:
    """An ACK said nothing new after a timeout: what is missing goes again (step 3a)."""
    repair = repair_of(tcb)
    if repair.trial == _SECOND_ACK_DUE:
        tcb.cc.cwnd = 3 * tcb.mss
    repair.trial = _NO_TRIAL


def undo(tables: Tables, tcb: Tcb, now: int) -> None:
    """Nothing was lost: go on as if nothing had happened."""
    tables.counters.recoveries_undone += 1
    tcb.cc.on_mistake()
    repair = repair_of(tcb)
    repair.since = _NONE
    repair.trial = _NO_TRIAL
    tcb.recovery = _OPEN
    tcb.dup_acks = 0
    if tcb.flight is not None:
        tcb.flight.find_again(now)


def take_duplicate_report(tables: Tables, tcb: Tcb, start: int, end: int, now: int) -> None:
    """The peer reports that these octets came twice (RFC 2883)."""
    tables.counters.duplicates_reported += 1
    tcb.tail_end = -1  # What a tail probe repeated was not lost.
    repair = repair_of(tcb)
    if tcb.snd_una >= repair.widened:
        repair.widened = tcb.snd_nxt
        repair.steps += 1
        repair.patient = _PATIENT_EPISODES
    if repair.since >= 0 and start >= repair.since and repair.again > 0:
        repair.again -= end - start
        if repair.again <= 0:
            undo(tables, tcb, now)


def take_echo(tables: Tables, tcb: Tcb, ack: int) -> None:
    """The peer says that a router marked something of ours instead of dropping it: once per window that counts as a
    loss (RFC 3168 section 6.1.2)."""
    repair = repair_of(tcb)
    if tcb.recovery == _OPEN and ack > repair.marked:
        tables.counters.ecn_reductions += 1
        repair.marked = tcb.snd_nxt
        repair.since = _NONE
        tcb.cc.on_loss(tcb.snd_nxt - tcb.snd_una, tcb.mss)
        tcb.cwr_owed = True


def patience_us(tcb: Tcb, flight: Flight) -> int:
    """How long a segment may be overtaken before it counts as lost (RACK.reo_wnd)."""
    repair = tcb.repair
    if flight.reordered:
        repair = repair_of(tcb)
        repair.reordered = True
    certain = tcb.recovery != _OPEN or flight.sacked >= _THRESHOLD * tcb.mss
    if certain and (repair is None or not repair.reordered):
        return 0
    steps = 1 if repair is None else repair.steps
    return min(steps * tcb.min_rtt_us >> 2, tcb.srtt_us)
