"""What an application says of its connections (SEND, SHUT, CLOSE, ABORT, CONSUMED, OPTION, QUERY; CONNECT is in
active_open.py) and listeners (TAKEN).

RFC 9293 sections 3.10.2 to 3.10.5 as records (core/channel/records.py). An application is not trusted: a record that
is malformed or breaks the credit is its fault (PeerFault), one for a connection that is gone is only late, and counted.
"""

from __future__ import annotations

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import (
    ABORT,
    CLOSE,
    CONNECT,
    CONSUMED,
    MAX_SEND,
    NODELAY,
    OPTION,
    QUERY,
    SEND,
    SHUT,
    SOCKET_HEADER,
    TAKEN,
    THEN_CLOSE,
    THEN_SHUT,
)
from neatctl.core.channel.socket_options import is_sound
from neatctl.core.native import Memory
from neatctl.core.tcp.active_open import connect_call
from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.arrival import ORPHAN_FIN_WAIT_US
from neatctl.core.tcp.ending import abort, fail
from neatctl.core.tcp.info import GONE, tcp_info
from neatctl.core.tcp.segment_out import window_edge
from neatctl.core.tcp.slow_timer import set_option
from neatctl.core.tcp.states import CLOSE_CALLED, FIN_WAIT_2, SYN_RECEIVED, SYN_SENT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb
from neatctl.core.tcp.telling import tell_info

_ABORT, _CLOSE, _CONSUMED, _OPTION, _SEND, _SHUT, _TAKEN = ABORT, CLOSE, CONSUMED, OPTION, SEND, SHUT, TAKEN
_QUERY, _CONNECT = QUERY, CONNECT
_THEN_CLOSE, _THEN_SHUT, _NODELAY = THEN_CLOSE, THEN_SHUT, NODELAY
_MAX_SEND = MAX_SEND
_LARGEST_FIELD = 0xFFFF
"""Of a window that is not scaled."""
_HEADER = SOCKET_HEADER
_CLOSE_CALLED = CLOSE_CALLED
_FIN_WAIT_2, _SYN_RECEIVED, _SYN_SENT = FIN_WAIT_2, SYN_RECEIVED, SYN_SENT
_ORPHAN_FIN_WAIT_US = ORPHAN_FIN_WAIT_US
_PAUSE_US = 2_000
"""A program may be away from its core for as long: a window that lasts only for a shorter round trip would close."""


def call(tables: Tables, app: Application, memory: Memory, at: int, octets: int, now: int) -> None:
    """One record of `app`, of `octets` at `at`; PeerFault("record") if it cannot be."""
    if octets < _HEADER:
        raise PeerFault("record", f"{octets} octets are no socket record")
    head = memory.get32(at)
    kind = head >> 24
    flags = (head >> 16) & 0xFF
    id = memory.get32(at + 4)
    value = memory.get32(at + 8)
    if head & 0xFFFF or kind < _SEND or kind > _QUERY or (kind != _SEND and (flags or octets != _HEADER)):
        if head == _CONNECT << 24:
            connect_call(tables, app, memory, at, octets, now)
            return
        raise PeerFault("record", f"socket record {head:08x} of {octets} octets")
    if kind == _TAKEN:
        _taken(tables, app, id, value)
        return
    tcb = tables.with_id(id)
    if tcb is None or tcb.app is not app:
        tables.counters.records_late += 1
        if kind == _QUERY:
            tell_info(tables, app, id, value, GONE)
        return
    if kind == _SEND:
        _send(tables, tcb, memory, at + _HEADER, octets - _HEADER, flags, now)
    elif kind == _CONSUMED:
        _consumed(tables, tcb, value, now)
    elif kind == _SHUT:
        shut(tables, tcb)
    elif kind == _CLOSE:
        close(tables, tcb, now)
    elif kind == _ABORT:
        tcb.orphan = True
        abort(tables, tcb, 0, now)
    elif kind == _OPTION:
        _option(tables, tcb, value, memory.get32(at + 12), now)
    else:
        tell_info(tables, app, id, value, tcp_info(tables, tcb, now))


def shut(tables: Tables, tcb: Tcb) -> None:
    """No more octets will come: FIN follows the last one (section 3.10.4); repeating it is harmless."""
    if tcb.fin_queued:
        return
    if tcb.state == _SYN_SENT:
        fail(tables, tcb, 0)
        return
    tcb.fin_queued = True
    if tcb.state != _SYN_RECEIVED:
        tcb.on(_CLOSE_CALLED)
    tables.touch(tcb)


def close(tables: Tables, tcb: Tcb, now: int) -> None:
    """The application is done with the connection, in order. Octets that it has not been given are lost, so the peer
    learns by RST (SHLD-3)."""
    tcb.orphan = True
    if tcb.held_octets:
        abort(tables, tcb, 0, now)
        return
    shut(tables, tcb)
    tables.free_id(tcb)
    if tcb.state == _FIN_WAIT_2:
        tcb.slow_us = now + _ORPHAN_FIN_WAIT_US
        tables.touch(tcb)


def _send(tables: Tables, tcb: Tcb, memory: Memory, at: int, octets: int, flags: int, now: int) -> None:
    if octets > _MAX_SEND or flags & ~(_THEN_SHUT | _THEN_CLOSE) or (octets == 0 and flags == 0):
        raise PeerFault("record", f"SEND of {octets} octets with flags {flags}")
    if tcb.fin_queued and octets:
        raise PeerFault("record", "SEND after SHUT")
    if octets > tcb.room:
        raise PeerFault("record", f"SEND of {octets} octets into room for {tcb.room}")
    if octets:
        tcb.room -= octets
        tcb.buffer.append(memory, at, octets)
        tables.touch(tcb)
    if flags & _THEN_CLOSE:
        close(tables, tcb, now)
    elif flags & _THEN_SHUT:
        shut(tables, tcb)


def _consumed(tables: Tables, tcb: Tcb, octets: int, now: int) -> None:
    """The receive window may open; the peer hears of it at once only if it was more than half closed (MUST-39)."""
    if octets > tcb.unread:
        raise PeerFault("record", f"CONSUMED {octets} of {tcb.unread}")
    tcb.unread -= octets
    if tcb.receive_octets < tables.receive_most_octets:
        _grow(tables, tcb, octets, now)
    if 2 * (tcb.rcv_adv - tcb.rcv_nxt) <= tcb.receive_octets:
        gain = min(window_edge(tcb), tcb.rcv_nxt + (_LARGEST_FIELD << tcb.rcv_scale)) - tcb.rcv_adv
        if gain >= min(tcb.receive_octets >> 1, 2 * tcb.mss):
            tcb.ack_now = True
            tables.touch(tcb)


def _grow(tables: Tables, tcb: Tcb, octets: int, now: int) -> None:
    """Dynamic right-sizing: a buffer holds twice what the program reads in a round trip, and more while that rises, so
    that the window limits neither a steady sender nor one in slow start. It only ever grows."""
    tcb.taken += octets
    rtt_us = max(min(tcb.srtt_us, tcb.min_rtt_us), _PAUSE_US)
    since_us = now - tcb.taken_us
    if since_us < rtt_us or since_us <= 0:
        return
    taken = tcb.taken * rtt_us // since_us if tcb.taken_us else 0
    want = 2 * taken + 4 * max(taken - tcb.taken_before, 0)
    tcb.taken_before = taken
    tcb.taken_us = now
    tcb.taken = 0
    if want <= tcb.receive_octets or (tcb.options is not None and tcb.options.receive_octets):
        return
    want = min(want, tables.receive_most_octets, _LARGEST_FIELD << tcb.rcv_scale) - tcb.receive_octets
    want = min(want, tables.grown_most_octets - tables.grown_octets)
    if want > 0:
        tcb.receive_octets += want
        tcb.grown_octets += want
        tables.grown_octets += want


def _option(tables: Tables, tcb: Tcb, option: int, value: int, now: int) -> None:
    if not is_sound(option, value):
        raise PeerFault("record", f"option {option} with value {value}")
    if option == _NODELAY and tcb.options is None:
        tcb.nodelay = value == 1
        tables.touch(tcb)
    else:
        set_option(tables, tcb, option, value, now)


def _taken(tables: Tables, app: Application, number: int, count: int) -> None:
    listener: Listener | None = tables.listeners.get(number)
    if listener is None or listener.app is not app:
        tables.counters.records_late += 1
        return
    if count > listener.untaken:
        raise PeerFault("record", f"TAKEN {count} of {listener.untaken}")
    listener.untaken -= count
