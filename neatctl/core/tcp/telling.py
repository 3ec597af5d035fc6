"""What an application is told of a connection, in its order: OPENING or ACCEPTED, octets, END, RESET; ROOM beside them.

Octets go straight from the NIC's record into the application's; when its channel is full they, and what follows, are
kept in the Tcb, the receive window closes by itself, and `tell` goes on when there is room. Nothing is told
of a connection that the application closed. Knows records, not segments.
"""

from __future__ import annotations

from neatctl.core.channel.face import PeerFault, Producer
from neatctl.core.channel.records import ACCEPTED, DATA, END, INFO, OPENING, REFUSED, RESET, ROOM, URGENT
from neatctl.core.native import Memory
from neatctl.core.tcp.application import Application
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Tcb

_ACCEPTED, _DATA, _END, _RESET, _ROOM = ACCEPTED, DATA, END, RESET, ROOM
_URGENT, _INFO, _OPENING, _REFUSED = URGENT, INFO, OPENING, REFUSED
_PORTS = 4
_MAX_REFUSED = 1024


def tell_data(tables: Tables, tcb: Tcb, memory: Memory, at: int, octets: int) -> None:
    """Hand over octets that are next in order."""
    app = tcb.app
    if tcb.orphan or app.gone:
        return
    if not tcb.waiting:
        place = app.begin(_DATA, tcb.id, 0, 0, octets)
        if place >= 0:
            target = app.events.memory
            target.copy(place, memory, at, octets)
            app.end(octets)
            tcb.unread += octets
            return
        _wait(tables, tcb)
    _hold(tcb, memory.bytes(at, octets))


def tell_piece(tables: Tables, tcb: Tcb, piece: bytes, start: int) -> None:
    """Hand over `piece` from `start` on: octets that waited for an earlier segment."""
    app = tcb.app
    octets = len(piece) - start
    if tcb.orphan or app.gone:
        return
    if not tcb.waiting:
        place = app.begin(_DATA, tcb.id, 0, 0, octets)
        if place >= 0:
            target = app.events.memory
            target.put_part(place, piece, start, octets)
            app.end(octets)
            tcb.unread += octets
            return
        _wait(tables, tcb)
    _hold(tcb, piece[start:])


def tell_room(tables: Tables, tcb: Tcb) -> None:
    """Give room for octets back in lumps, so that small responses cost no record each."""
    if tcb.room_owed >= tcb.room_lump and not tcb.waiting:
        tell(tables, tcb)


def grow_room(tables: Tables, tcb: Tcb) -> None:
    """The send buffer grows to twice cwnd while the application fills it, so that it does not limit a path on which
    cwnd could rise; it only ever grows. It is what is queued, room that was told, and room that will be."""
    size = tcb.buffer.octets + tcb.room + tcb.room_owed
    want = min(2 * tcb.cc.cwnd, tables.send_most_octets) - size
    if want <= 0 or 2 * tcb.room > size or (tcb.options is not None and tcb.options.send_octets):
        return
    want = min(want, tables.grown_most_octets - tables.grown_octets)
    if want > 0:
        tcb.room_owed += want
        tcb.grown_octets += want
        tables.grown_octets += want


def tell(tables: Tables, tcb: Tcb) -> bool:
    """Tell what is owed; False if the channel is full, then the connection waits in its application's list."""
    app = tcb.app
    if tcb.orphan or app.gone:
        _forgive(tcb)
        return True
    if tcb.rare is not None and tcb.rare.opening >= 0 and not _tell_opening(tcb, app):
        return _wait(tables, tcb)
    if tcb.owes_accepted:
        if not _tell_accepted(tcb, app):
            return _wait(tables, tcb)
        tcb.owes_accepted = False
    held = tcb.held
    while held:
        if not _tell_held(tcb, app, held):
            return _wait(tables, tcb)
    if tcb.rare is not None and tcb.rare.urgent_owed and not tell_urgent(tcb):
        return _wait(tables, tcb)
    if tcb.owes_end:
        if app.begin(_END, tcb.id, 0, 0, 0) < 0:
            return _wait(tables, tcb)
        app.end(0)
        tcb.owes_end = False
    if tcb.error:
        if app.begin(_RESET, tcb.id, tcb.error, 0, 0) < 0:
            return _wait(tables, tcb)
        app.end(0)
        _forgive(tcb)
        return True
    if tcb.room_owed >= tcb.room_lump:
        if app.begin(_ROOM, tcb.id, tcb.room_owed, 0, 0) < 0:
            return _wait(tables, tcb)
        app.end(0)
        tcb.room += tcb.room_owed
        tcb.room_owed = 0
    return True


def tell_waiting(tables: Tables, app: Application) -> None:
    """Go on with those that wait for room in this channel, first come first served.

    Room is asked for before it is looked for, so that what the application releases meanwhile rings.
    """
    waiting = app.waiting
    if not waiting and not app.refused:
        return
    events: Producer = app.events
    events.want_room()
    while app.refused:
        number, error = app.refused[0]
        if app.begin(_REFUSED, 0, number, error, 0) < 0:
            return
        app.end(0)
        del app.refused[0]
    done = 0
    count = len(waiting)
    while done < count:
        tcb: Tcb = waiting[done]
        tcb.waiting = False
        if not tell(tables, tcb):
            tcb.waiting = True
            del waiting[count:]
            break
        done += 1
    del waiting[:done]


def tell_urgent(tcb: Tcb) -> bool:
    """Say how far ahead urgent octets end; False if the channel is full. What is read by then is in order, in line."""
    rare = tcb.rarely()
    if tcb.app.begin(_URGENT, tcb.id, max(rare.urgent_end - tcb.rcv_nxt, 0), 0, 0) < 0:
        return False
    tcb.app.end(0)
    rare.urgent_owed = False
    return True


def tell_opening(tables: Tables, tcb: Tcb, number: int) -> None:
    """A connection is under way that CONNECT `number` asked for."""
    if not _put_ends(tcb, tcb.app, _OPENING, number, 0):
        tcb.rarely().opening = number
        _wait(tables, tcb)


def tell_refused(tables: Tables, app: Application, number: int, error: int) -> None:
    """CONNECT `number` cannot be. An application that asks for more and reads no answer breaks the rules."""
    if len(app.refused) >= _MAX_REFUSED:
        raise PeerFault("record", "CONNECTs whose answers nobody reads")
    app.refused.append((number, error))
    tell_waiting(tables, app)


def tell_info(tables: Tables, app: Application, id: int, number: int, info: bytes) -> None:
    """Answer a QUERY; without room in the channel there is no answer, and the application asks again."""
    at = app.begin(_INFO, id, number, 0, len(info))
    if at < 0:
        tables.counters.application_full += 1
        return
    app.events.memory.put(at, info)
    app.end(len(info))


def _tell_opening(tcb: Tcb, app: Application) -> bool:
    rare = tcb.rarely()
    if not _put_ends(tcb, app, _OPENING, rare.opening, 0):
        return False
    rare.opening = -1
    return True


def _tell_accepted(tcb: Tcb, app: Application) -> bool:
    listener = tcb.listener
    value = 0
    if listener is not None:
        value = listener.number
    return _put_ends(tcb, app, _ACCEPTED, value, tcb.room)


def _put_ends(tcb: Tcb, app: Application, kind: int, value: int, second: int) -> bool:
    """A record that tells both ends of a connection."""
    key = tcb.key
    octets = len(key)
    at = app.begin(kind, tcb.id, value, second, octets)
    if at < 0:
        return False
    memory = app.events.memory
    memory.put32(at, (tcb.ports & 0xFFFF) << 16 | tcb.ports >> 16)
    memory.put_part(at + 4, key, 0, octets - _PORTS)
    app.end(octets)
    return True


def _tell_held(tcb: Tcb, app: Application, held: list[bytes]) -> bool:
    """Hand over the first piece of what was held back."""
    piece: bytes = held[0]
    octets = len(piece)
    at = app.begin(_DATA, tcb.id, 0, 0, octets)
    if at < 0:
        return False
    app.events.memory.put(at, piece)
    app.end(octets)
    del held[0]
    tcb.held_octets -= octets
    tcb.unread += octets
    return True


def _hold(tcb: Tcb, piece: bytes) -> None:
    if tcb.held is None:
        tcb.held = []
    tcb.held.append(piece)
    tcb.held_octets += len(piece)


def _wait(tables: Tables, tcb: Tcb) -> bool:
    tables.counters.application_full += 1
    if not tcb.waiting:
        tcb.waiting = True
        tcb.app.waiting.append(tcb)
    return False


def _forgive(tcb: Tcb) -> None:
    """Nobody is owed anything any more."""
    tcb.owes_accepted = False
    tcb.owes_end = False
    tcb.error = 0
    tcb.held = None
    tcb.held_octets = 0
