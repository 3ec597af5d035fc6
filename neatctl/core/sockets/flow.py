"""What the library knows of one connection, and of one listening socket.

A `Flow` holds the octets that arrived (copied out of the ring once, so that a slow reader of one never
blocks another), the credit both ways, and how the connection ended. A `Listener` is one descriptor
over a subsocket in every replica (paper section 3.3). Neither reads rings or waits: links feed
them, sockets empty them.
"""

from __future__ import annotations

import os

from neatctl.core.channel.records import (
    ABORT,
    CLOSE,
    CONSUMED,
    MAX_SEND,
    NODELAY,
    OPTION,
    QUERY,
    SHUT,
    TAKEN,
    THEN_CLOSE,
    THEN_SHUT,
)
from neatctl.core.native import Memory
from neatctl.core.sockets.outlet import Outlet
from neatctl.core.sockets.readiness import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, Watched

CREDIT_LUMP_OCTETS = 65536
"""Octets that the program takes before the replica is told: a quarter of its default receive buffer, which
must therefore never be smaller than this."""

_LUMP = CREDIT_LUMP_OCTETS
_MAX_SEND = MAX_SEND
_IN = POLLIN
_OUT = POLLOUT
_ERR = POLLERR
_HUP = POLLHUP
_TIDY = 64
_ABORT = ABORT
_CLOSE = CLOSE
_CONSUMED = CONSUMED
_NODELAY = NODELAY
_OPTION = OPTION
_QUERY = QUERY
_PRI = POLLPRI
_SHUT = SHUT
_TAKEN = TAKEN
_THEN_CLOSE = THEN_CLOSE
_THEN_SHUT = THEN_SHUT


class Flow(Watched):
    """One connection. `key` is remote port, local port, remote address and local address as on the wire."""

    def __init__(self, outlet: Outlet, ident: int, room: int, key: bytes) -> None:
        super().__init__()
        self.outlet = outlet
        self.ident = ident
        self.room = room
        """Octets that may still be sent."""
        self.key = key
        self.unread = 0
        """Octets that arrived and were not taken."""
        self.ended = False
        """The peer sent its FIN (or the connection failed): nothing follows what is unread."""
        self.shut = False
        """No more octets will be sent."""
        self.failed = False
        self.error = 0
        """The errno that the next call reports, once."""
        self.lump = _LUMP
        """Octets that the program takes before the replica is told."""
        self.urgent = 0
        """How many octets from the next one on are urgent (RFC 6093), 0 for none."""
        self.info: bytes | None = None
        """The last answer to a QUERY."""
        self.opening = False
        """Its handshake is under way, or failed: it was never a connection."""
        self.number = 0
        """Of the CONNECT that asked for it; `ident` is 0 and `key` not complete until the replica has answered."""
        self._piece: bytes | None = None
        """The first that is unread, from `_offset` on; `_pieces` follow it, from `_next` on."""
        self._offset = 0
        self._pieces: list[bytes] = []
        self._next = 0
        self._uncredited = 0

    def readiness(self) -> int:
        """What poll(2) would say of a TCP socket in this state."""
        events = 0
        if self.unread or self.ended:
            events = _IN
        if self.urgent:
            events |= _PRI
        if self.failed:
            events |= _OUT | _HUP
            if self.error:
                events |= _ERR
        elif self.shut:
            events |= _OUT
            if self.ended:
                events |= _HUP
        elif self.room > 0:
            if self.outlet.blocked:
                self.outlet.await_room(self)
            else:
                events |= _OUT
        return events

    # ---- what the replica says ----
    def arrived(self, data: bytes) -> None:
        """The next octets of the stream."""
        if self.ended:
            # The program reads no more: the replica may forget these octets.
            self.outlet.post(_CONSUMED, self.ident, len(data), 0)
            return
        if self._piece is None:
            self._piece = data
        else:
            self._pieces.append(data)
        self.unread += len(data)
        self.wake()

    def named(self, ident: int, key: bytes) -> None:
        """The replica opens it under this id; `key` has the local end that it chose."""
        self.ident = ident
        self.key = key
        self.outlet.flows[ident] = self

    def opened(self, room: int) -> None:
        """The handshake is done."""
        self.opening = False
        self.room = room
        self.wake()

    def peer_ended(self) -> None:
        self.ended = True
        self.wake()

    def granted(self, octets: int) -> None:
        """So many more octets may be sent."""
        self.room += octets
        self.wake()

    def reset(self, error: int) -> None:
        """The connection is gone; what arrived before can still be read."""
        if not self.failed:
            self.failed = True
            self.ended = True
            self.error = error
        self.wake()

    def urgent_ahead(self, octets: int) -> None:
        """The peer's urgent octets end so many octets after those that arrived."""
        self.urgent = max(self.urgent, self.unread + octets)
        self.wake()

    def informed(self, info: bytes) -> None:
        """A QUERY was answered."""
        self.info = info
        self.wake()

    # ---- what the program does ----
    def take(self, octets: int) -> bytes:
        """At most so many octets of those that arrived; only with some unread, and octets > 0."""
        piece: bytes = self._piece  # type: ignore[assignment]
        have = len(piece) - self._offset
        if have <= octets:
            if self._offset:
                piece = piece[self._offset :]
                self._offset = 0
            self._drop_first()
            octets = have
        else:
            start = self._offset
            self._offset += octets
            piece = piece[start : start + octets]
        self._credit(octets)
        return piece

    def take_into(self, target: Memory, octets: int) -> int:
        """Put at most so many octets of those that arrived into `target`; how many."""
        at = 0
        while at < octets and self.unread > at:
            piece: bytes = self._piece  # type: ignore[assignment]
            part = len(piece) - self._offset
            if part <= octets - at:
                target.put_part(at, piece, self._offset, part)
                self._offset = 0
                self._drop_first()
            else:
                part = octets - at
                target.put_part(at, piece, self._offset, part)
                self._offset += part
            at += part
        self._credit(at)
        return at

    def _drop_first(self) -> None:
        if self._next == len(self._pieces):
            self._piece = None
            if self._next:
                self._pieces = []
                self._next = 0
            return
        self._piece = self._pieces[self._next]
        self._next += 1
        if self._next >= _TIDY and self._next * 2 >= len(self._pieces):
            del self._pieces[: self._next]
            self._next = 0

    def _credit(self, octets: int) -> None:
        self.unread -= octets
        self._uncredited += octets
        if self.urgent:
            self.urgent = max(self.urgent - octets, 0)
        if self._uncredited >= self.lump and not self.ended:
            self.outlet.post(_CONSUMED, self.ident, self._uncredited, 0)
            self._uncredited = 0

    def send(self, data: bytes | None, source: Memory | None, start: int, octets: int) -> int:
        """Send from `data` (or `source`) as much of it as credit and ring allow; how many octets."""
        sent = 0
        while sent < octets and self.room > 0:
            part = min(octets - sent, self.room, _MAX_SEND)
            if not self.outlet.send(self.ident, data, source, start + sent, part):
                break
            self.room -= part
            sent += part
        return sent

    def shut_down(self) -> None:
        """Send no more octets after those sent so far."""
        if self.shut or self.failed:
            return
        self.shut = True
        if not self.outlet.mark(self.ident, _THEN_SHUT):
            self.outlet.post(_SHUT, self.ident, 0, 0)
        self.wake()

    def set_option(self, option: int, value: int) -> None:
        """Set an option of channel/socket_options.py."""
        if not self.failed:
            self.outlet.post(_OPTION, self.ident, option, value)

    def set_nodelay(self, on: bool) -> None:
        """Turn Nagle's algorithm off, or on again."""
        self.set_option(_NODELAY, int(on))

    def query(self) -> None:
        """Ask for what TCP_INFO tells; the answer will be in `info`."""
        self.info = None
        self.outlet.post(_QUERY, self.ident, 0, 0)

    def close(self, abort: bool) -> None:
        """Be done with the connection: in order, or by a reset."""
        self.forget_entries()
        if self.opening and not self.ident:
            self.outlet.opening.pop(self.number, None)
        elif not self.failed:
            if abort:
                self.outlet.post(_ABORT, self.ident, 0, 0)
            elif not self.outlet.mark(self.ident, _THEN_CLOSE):
                self.outlet.post(_CLOSE, self.ident, 0, 0)
            self.outlet.flows.pop(self.ident, None)
        self.failed = True
        self.ended = True
        self.unread = 0
        self._piece = None
        self._pieces = []
        self._next = 0


class Subsocket:
    """A listening socket's part in one incarnation of a replica: the connections that it accepted."""

    def __init__(self, outlet: Outlet, listener: int) -> None:
        self.outlet = outlet
        self.listener = listener
        self.taken = 0
        """Connections taken from `accepted` that the replica was not told of."""
        self.accepted: list[Flow] = []

    def tell_taken(self) -> None:
        if self.taken:
            self.outlet.post(_TAKEN, self.listener, self.taken, 0)
            self.taken = 0


class Listener(Watched):
    """One listening socket over its subsockets."""

    def __init__(self, ident: int) -> None:
        super().__init__()
        self.ident = ident
        self.subsockets: list[Subsocket] = []
        self.closed = False
        self._next = 0

    def readiness(self) -> int:
        if self.closed:
            return _HUP
        for subsocket in self.subsockets:
            if subsocket.accepted:
                return _IN
        return 0

    def accept(self) -> Flow | None:
        """A connection of the next subsocket in turn that has one; None if none has."""
        count = len(self.subsockets)
        for _ in range(count):
            if self._next >= count:
                self._next = 0
            subsocket = self.subsockets[self._next]
            self._next += 1
            if subsocket.accepted:
                subsocket.taken += 1
                subsocket.outlet.untold = True
                return subsocket.accepted.pop(0)
        return None


def failure(error: int) -> OSError:
    """The exception of an errno, as Python's socket module makes it."""
    return OSError(error, os.strerror(error))
