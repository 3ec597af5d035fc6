"""The link between this application and one incarnation of a replica: a ring each way.

Takes the replica's records out of its ring and gives them to the flows and listeners they concern.
Trusts nothing in it: a record that cannot be is a PeerFault, and whoever owns the link closes it. An id
that nobody has any more is passed over (the program closed while the record was on its way).
"""

from __future__ import annotations

from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.channel.records import (
    ABORT,
    ACCEPTED,
    DATA,
    DATAGRAM,
    END,
    INFO,
    MAX_DATAGRAM,
    MAX_SEND,
    OPENING,
    REFUSED,
    RESET,
    ROOM,
    SOCKET_HEADER,
    UNDELIVERED,
    URGENT,
)
from neatctl.core.sockets.flow import Flow, Listener, Subsocket
from neatctl.core.sockets.mailbox import Mailbox
from neatctl.core.sockets.outlet import Outlet

BURST = 256
"""Records taken in one turn, so that one replica does not starve the others."""

_HEADER = SOCKET_HEADER
_KEY_IPV4 = 12
_KEY_IPV6 = 36
_MAX_ROOM = 1 << 30
_BURST = BURST
_LARGEST = SOCKET_HEADER + MAX_SEND
_ABORT = ABORT
_ACCEPTED = ACCEPTED
_DATA = DATA
_END = END
_ROOM = ROOM
_RESET = RESET
_URGENT = URGENT
_INFO = INFO
_OPENING = OPENING
_REFUSED = REFUSED
_DATAGRAM = DATAGRAM
_UNDELIVERED = UNDELIVERED
_MAX_DATAGRAM = MAX_DATAGRAM


class Listeners:
    """The listening sockets of this process, and UDP's, by the server's number, which only ever rises.

    Connections may arrive before the SYSCALL server's answer to listen(): while an answer is awaited,
    a number above all known ones is kept for it.
    """

    def __init__(self) -> None:
        self.known: dict[int, Listener] = {}
        self.mailboxes: dict[int, Mailbox] = {}
        """Of UDP sockets. Who sends before bind() has returned may be lost."""
        self.highest = 0
        self.awaited = 0
        """Requests to listen that are not answered."""

    def find(self, ident: int) -> Listener | None:
        listener = self.known.get(ident)
        if listener is None and self.awaited and ident > self.highest:
            listener = Listener(ident)
            self.known[ident] = listener
        return listener


class Link:
    """One replica as this application sees it; `replica` and `generation` say which incarnation."""

    def __init__(
        self, replica: int, generation: int, producer: Producer, consumer: Consumer, listeners: Listeners
    ) -> None:
        self.replica = replica
        self.generation = generation
        self.accepting = True
        self.outlet = Outlet(producer, replica)
        self.consumer = consumer
        self.records = 0
        """Records taken."""
        self._listeners = listeners
        self._subsockets: dict[int, Subsocket] = {}

    def turn(self) -> int:
        """Take a burst of records; how many. PeerFault if the replica breaks the rules."""
        outlet = self.outlet
        if outlet.blocked:
            outlet.retry()
        if outlet.faulted:
            raise PeerFault("index", "of the ring to the replica")
        consumer = self.consumer
        taken = 0
        while taken < _BURST:
            octets = consumer.peek()
            if octets < 0:
                break
            if octets < _HEADER:
                raise PeerFault("record", f"{octets} octets")
            self._record(consumer.at, octets)
            consumer.release()
            taken += 1
        if taken:
            self.records += taken
            consumer.flush()
        return taken

    def _record(self, at: int, octets: int) -> None:
        memory = self.consumer.memory
        kind = memory.get8(at)
        ident = memory.get32(at + 4)
        if kind == _ACCEPTED:
            self._accepted(ident, memory.get32(at + 8), memory.get32(at + 12), at, octets)
            return
        if kind > _INFO:
            if kind >= _DATAGRAM:
                self._datagram(kind, ident, at, octets)
            else:
                self._answered(kind, ident, at, octets)
            return
        bare = kind != _DATA and kind != _INFO
        if kind < _DATA or (bare and octets != _HEADER) or octets > _LARGEST:
            raise PeerFault("record", f"kind {kind} of {octets} octets")
        flow = self.outlet.flows.get(ident)
        if flow is None:
            return
        if kind == _DATA:
            if octets > _HEADER:
                flow.arrived(memory.bytes(at + _HEADER, octets - _HEADER))
        elif kind == _ROOM:
            if flow.room > _MAX_ROOM:
                raise PeerFault("record", "room without end")
            flow.granted(memory.get32(at + 8))
        elif kind == _END:
            flow.peer_ended()
        elif kind == _RESET:
            del self.outlet.flows[ident]
            flow.reset(memory.get32(at + 8))
        elif kind == _URGENT:
            flow.urgent_ahead(min(memory.get32(at + 8), _MAX_ROOM))
        else:
            flow.informed(memory.bytes(at + _HEADER, octets - _HEADER))

    def _accepted(self, ident: int, listener_id: int, room: int, at: int, octets: int) -> None:
        key_octets = octets - _HEADER
        bad = key_octets != _KEY_IPV4 and key_octets != _KEY_IPV6
        if bad or (listener_id and ident in self.outlet.flows):
            raise PeerFault("record", f"connection {ident} of {key_octets} octets")
        if listener_id == 0:
            self._opened(self.outlet.flows.get(ident), room)
            return
        listener = self._listeners.find(listener_id)
        if listener is None:
            self.outlet.post(_ABORT, ident, 0, 0)
            return
        flow = Flow(self.outlet, ident, room, self.consumer.memory.bytes(at + _HEADER, key_octets))
        self.outlet.flows[ident] = flow
        subsocket = self._subsockets.get(listener_id)
        if subsocket is None:
            subsocket = Subsocket(self.outlet, listener_id)
            self._subsockets[listener_id] = subsocket
            listener.subsockets.append(subsocket)
        subsocket.accepted.append(flow)
        listener.wake()

    def _datagram(self, kind: int, ident: int, at: int, octets: int) -> None:
        """A datagram, or what became of one."""
        memory = self.consumer.memory
        value, second = memory.get32(at + 8), memory.get32(at + 12)
        ends = value if kind == _DATAGRAM else octets - _HEADER
        payload = octets - _HEADER - ends
        if kind > _UNDELIVERED or (ends != _KEY_IPV4 and ends != _KEY_IPV6) or not 0 <= payload <= _MAX_DATAGRAM:
            raise PeerFault("record", f"kind {kind} of {octets} octets")
        mailbox: Mailbox | None = self._listeners.mailboxes.get(ident)
        if mailbox is None:
            return
        key = memory.bytes(at + _HEADER, ends)
        if kind == _DATAGRAM:
            mailbox.arrived(key, memory.bytes(at + _HEADER + ends, payload))
        else:
            mailbox.undelivered(key, value, second != 0)

    def _answered(self, kind: int, ident: int, at: int, octets: int) -> None:
        """What becomes of a CONNECT."""
        memory = self.consumer.memory
        outlet = self.outlet
        key_octets = octets - _HEADER
        sound = kind == _OPENING and key_octets in (_KEY_IPV4, _KEY_IPV6) and ident != 0
        if not (sound or (kind == _REFUSED and key_octets == 0)) or ident in outlet.flows:
            raise PeerFault("record", f"kind {kind} of {octets} octets")
        flow: Flow | None = outlet.opening.pop(memory.get32(at + 8), None)
        if kind == _REFUSED:
            if flow is not None:
                flow.reset(memory.get32(at + 12))
        elif flow is not None:
            flow.named(ident, memory.bytes(at + _HEADER, key_octets))
        else:
            outlet.post(_ABORT, ident, 0, 0)  # The program closed it meanwhile.

    def _opened(self, flow: Flow | None, room: int) -> None:
        if flow is not None:
            if not flow.opening:
                raise PeerFault("record", f"connection {flow.ident} opened twice")
            flow.opened(room)

    def flush(self) -> None:
        """Let the replica see all that was sent."""
        outlet = self.outlet
        if outlet.untold:
            outlet.untold = False
            for subsocket in self._subsockets.values():
                subsocket.tell_taken()
        outlet.flush()

    def arm(self) -> bool:
        """Before sleep: have both rings wake this process; False if something came meanwhile."""
        return self.outlet.arm() and self.consumer.arm()

    def disarm(self) -> None:
        self.consumer.disarm()

    def drop_listener(self, ident: int) -> None:
        """The listening socket is closed: connections that nobody accepted are reset."""
        subsocket = self._subsockets.pop(ident, None)
        if subsocket is not None:
            for flow in subsocket.accepted:
                flow.close(True)

    def close(self, error: int) -> None:
        """The replica is gone: its connections fail with `error`, those that nobody accepted vanish."""
        flows = list(self.outlet.flows.values()) + list(self.outlet.opening.values())
        self.outlet.flows.clear()
        self.outlet.opening.clear()
        self.outlet.close()
        self.consumer.close()
        for subsocket in self._subsockets.values():
            listener = self._listeners.known.get(subsocket.listener)
            if listener is not None:
                listener.subsockets.remove(subsocket)
        self._subsockets.clear()
        for flow in flows:
            flow.reset(error)
