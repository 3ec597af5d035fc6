"""How connections end: in order, into TIME-WAIT, by the peer's RST, by our own, by giving up.

RFC 9293 sections 3.6 and 3.10.4 to 3.10.7. Whatever the way, the application that still owns a connection is told, in
order behind the octets that it has yet to get, and the connection leaves the tables at once, unless it owes the
peer a RST: then it stays, deaf, until that is sent.
"""

from __future__ import annotations

from neatctl.core.tcp.application import Listener
from neatctl.core.tcp.reply import reply
from neatctl.core.tcp.states import ABANDONED, CLOSED, SYN_RECEIVED, SYN_SENT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb
from neatctl.core.tcp.telling import tell
from neatctl.core.tcp.wheel import NEVER
from neatctl.core.wire.tcp_header import ACK

_CLOSED, _SYN_RECEIVED, _SYN_SENT = CLOSED, SYN_RECEIVED, SYN_SENT
_ABANDONED = ABANDONED
_NEVER = NEVER
_ACK = ACK


def forget(tables: Tables, tcb: Tcb) -> None:
    """The connection is over and nobody needs to hear of it."""
    _leave_listener(tcb)
    if tcb.state != _CLOSED:
        tcb.on(_ABANDONED)
    tables.leave(tcb)


def finish(tables: Tables, tcb: Tcb) -> None:
    """The last acknowledgment came (LAST-ACK to CLOSED): both sides are done."""
    tables.counters.closed += 1
    tables.leave(tcb)


def wait(tables: Tables, tcb: Tcb, now: int) -> None:
    """TIME-WAIT begins: a small object takes the connection's place; it acknowledges the peer's FIN if that is owed."""
    tables.counters.closed += 1
    tables.leave(tcb)
    rest = tables.waits.add(tcb, now)
    if tcb.ack_now:
        reply(tables, rest.path, rest.key, rest.snd_nxt, rest.rcv_nxt, _ACK, rest.window, rest.ts_recent, now)


def fail(tables: Tables, tcb: Tcb, error: int) -> None:
    """The connection is gone through no wish of ours; its owner is told `error`, an errno."""
    half_open = tcb.id == 0 and tcb.listener is not None
    forget(tables, tcb)
    if not half_open:
        tcb.error = error
        if not tcb.waiting:
            tell(tables, tcb)


def abort(tables: Tables, tcb: Tcb, error: int, now: int) -> None:
    """Reset the connection: a RST goes out at the next transmit; its owner, if any, is told `error`."""
    tables.counters.aborted += 1
    if tcb.state == _SYN_SENT:
        fail(tables, tcb, error)
        return
    _leave_listener(tcb)
    tcb.on(_ABANDONED)
    tcb.reset_owed = True
    tcb.rtx_us = _NEVER
    tcb.rack_us = _NEVER
    tcb.ack_us = _NEVER
    tcb.slow_us = _NEVER
    tables.arm(tcb, now)
    tables.free_id(tcb)
    if error:
        tcb.error = error
        if not tcb.waiting:
            tell(tables, tcb)
    tables.touch(tcb)


def _leave_listener(tcb: Tcb) -> None:
    """A handshake that ends without a connection makes room in the backlog."""
    listener: Listener | None = tcb.listener
    if listener is not None and tcb.state == _SYN_RECEIVED and tcb.id == 0:
        listener.half_open -= 1
        tcb.listener = None
