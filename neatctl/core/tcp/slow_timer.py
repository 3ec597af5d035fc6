"""What takes seconds and more: keep-alive, user timeouts, corks, orphans in FIN-WAIT-2, path MTUs that grow old.

One deadline of a connection (`slow_us`) serves them all; when it comes each says when it is next due. RFC 9293
sections 3.8.3 (R2 as the user sets it, MUST-21) and 3.8.4 (MUST-24 to 28, MAY-5), RFC 5482. Nothing of this is on the
packet path, so it is not compiled. Knows no segments that arrive.
"""

from __future__ import annotations

from errno import ETIMEDOUT

from neatctl.core.channel import socket_options as o
from neatctl.core.tcp.congestion import congestion
from neatctl.core.tcp.ending import abort, fail, forget
from neatctl.core.tcp.options import Options
from neatctl.core.tcp.path_mtu import widen
from neatctl.core.tcp.segment_out import put_segment, window_edge
from neatctl.core.tcp.states import CLOSED, ESTABLISHED, FIN_WAIT_2, SYN_SENT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import CORKED, UNCORKED, Tcb
from neatctl.core.tcp.telling import tell_room
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.tcp_header import ACK

_RETRY_US = 10_000
"""When a probe that the NIC queue had no room for is tried again."""


def on_slow_deadline(tables: Tables, tcb: Tcb, now: int) -> None:
    """`slow_us` came. Afterwards the connection may be over."""
    tcb.slow_us = NEVER
    if tcb.orphan and tcb.state == FIN_WAIT_2:
        forget(tables, tcb)
        return
    due = _user_timeout(tables, tcb, now)
    if tcb.state == CLOSED:
        return
    due = min(due, _keep_alive(tables, tcb, now))
    if tcb.state == CLOSED:
        return
    due = min(due, widen(tcb, now) or NEVER)
    if tcb.cork == CORKED and tcb.unsent():
        tcb.cork = UNCORKED
        tables.touch(tcb)
    tcb.slow_us = min(tcb.slow_us, due)


def set_option(tables: Tables, tcb: Tcb, option: int, value: int, now: int) -> None:
    """Set one option of a connection; `is_sound` holds for it."""
    before = tcb.options
    options = tcb.options = tables.option_sets.changed(before, option, value)
    if option == o.NODELAY:
        tcb.nodelay = value == 1
    elif option == o.CORK:
        tcb.cork = value
    elif option == o.QUICKACK:
        tcb.quickack = value == 1
        tcb.ack_now = tcb.ack_now or (tcb.quickack and tcb.unacked > 0)
    elif option == o.MAXSEG and value:
        tcb.mss = min(tcb.mss, value)
    elif option == o.RECEIVE_OCTETS:
        tcb.receive_octets = value
        if window_edge(tcb) - tcb.rcv_adv >= min(value >> 1, 2 * tcb.mss):
            tcb.ack_now = True
    elif option == o.CONGESTION:
        _change_congestion(tcb, value)
    elif option == o.SEND_OCTETS:
        _resize_send_buffer(tables, tcb, value)
    elif option in (o.KEEPALIVE, o.KEEP_IDLE_S, o.KEEP_INTERVAL_S, o.KEEP_COUNT) and options.keepalive:
        tcb.slow_us = min(tcb.slow_us, max(_keep_due(tcb, options), now))
    if tcb.state >= ESTABLISHED or tcb.state == SYN_SENT:
        tables.touch(tcb)


def user_timeout_is_over(tcb: Tcb, now: int) -> bool:
    """A retransmission or persist timer ran out: whether the user's patience has too. If not, it is timed."""
    timeout_us = tcb.options.user_timeout_us  # type: ignore[union-attr]
    rare = tcb.rarely()
    if rare.stalled_una != tcb.snd_una:
        rare.stalled_una = tcb.snd_una
        rare.stalled_us = now - tcb.rto_us
    if now - rare.stalled_us >= timeout_us:
        return True
    tcb.slow_us = min(tcb.slow_us, rare.stalled_us + timeout_us)
    return False


def give_up(tables: Tables, tcb: Tcb) -> None:
    """The peer does not answer any more: the owner is told, with what ICMP hinted at."""
    tables.counters.timeouts += 1
    fail(tables, tcb, tcb.soft_error or ETIMEDOUT)


def _user_timeout(tables: Tables, tcb: Tcb, now: int) -> int:
    rare, options = tcb.rare, tcb.options
    if rare is None or options is None or not options.user_timeout_us or rare.stalled_una != tcb.snd_una:
        return NEVER
    if tcb.snd_nxt == tcb.snd_una and not tcb.unsent():
        return NEVER
    due: int = rare.stalled_us + options.user_timeout_us
    if due > now:
        return due
    give_up(tables, tcb)
    return NEVER


def _keep_due(tcb: Tcb, options: Options) -> int:
    """When the peer is to be asked whether it is there."""
    rare = tcb.rare
    if rare is not None and rare.keep_probes and rare.keep_us >= tcb.heard_us:
        return rare.keep_us + options.keep_interval_us
    return tcb.heard_us + options.keep_idle_us


def _keep_alive(tables: Tables, tcb: Tcb, now: int) -> int:
    """Probe, or give up when so many probes were not answered (section 3.8.4); when that is next to be looked at."""
    options = tcb.options
    if options is None or not options.keepalive or tcb.state < ESTABLISHED:
        return NEVER
    if tcb.snd_nxt > tcb.snd_una or tcb.unsent():
        return now + options.keep_idle_us  # Octets that are not acknowledged have a timer of their own.
    due = _keep_due(tcb, options)
    if due > now:
        return due
    rare = tcb.rarely()
    if rare.keep_us < tcb.heard_us:
        rare.keep_probes = 0
    timeout_us = options.user_timeout_us
    if rare.keep_probes and (
        now - tcb.heard_us >= timeout_us if timeout_us else rare.keep_probes >= options.keep_count
    ):
        tables.counters.keep_alive_timeouts += 1
        abort(tables, tcb, tcb.soft_error or ETIMEDOUT, now)
        return NEVER
    if not put_segment(tables, tcb, tcb.snd_nxt - 1, 0, ACK, now):
        return now + _RETRY_US
    tables.counters.keep_alive_probes += 1
    rare.keep_probes += 1
    rare.keep_us = now
    return now + options.keep_interval_us


def _change_congestion(tcb: Tcb, number: int) -> None:
    """Another algorithm goes on from the same cwnd."""
    former = tcb.cc
    tcb.cc = congestion(number)
    tcb.cc.cwnd, tcb.cc.ssthresh = former.cwnd, former.ssthresh


def _resize_send_buffer(tables: Tables, tcb: Tcb, octets: int) -> None:
    """More room is told at once, less is kept back from what is acknowledged."""
    tcb.room_owed += octets - (tcb.buffer.octets + tcb.room + tcb.room_owed)
    tcb.room_lump = max(octets >> 2, 1)
    tell_room(tables, tcb)
