"""The sending half of a link to one replica: socket records into its ring.

Owns what is between a call of the program and the ring: whole records or nothing, small records that
found the ring full and wait in order, and who wants to be woken when there is room. Nothing is visible
to the replica before `flush`; until then the last SEND can still take on a THEN_SHUT or THEN_CLOSE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neatctl.core.channel.face import PeerFault, Producer
from neatctl.core.channel.records import CONNECT, MAX_DATAGRAM, MAX_ENDS, SEND, SEND_TO, SOCKET_HEADER
from neatctl.core.native import Memory
from neatctl.core.sockets.readiness import Watched

if TYPE_CHECKING:
    from neatctl.core.sockets.flow import Flow

_HEADER = SOCKET_HEADER
_LARGEST = SOCKET_HEADER + MAX_ENDS + MAX_DATAGRAM
_SEND = SEND
_CONNECT = CONNECT
_SEND_TO = SEND_TO
_MASK = 0xFFFFFFFF


class Outlet:
    """Sends records to one incarnation of a replica until it is closed."""

    def __init__(self, producer: Producer, replica: int = 0) -> None:
        self.producer = producer
        self.replica = replica
        self.alive = True
        self.flows: dict[int, Flow] = {}
        """The connections of this link that neither side has ended, by id."""
        self.opening: dict[int, Flow] = {}
        """Those that the replica has been asked to open, by the number of the CONNECT, until they have an id."""
        self._connects = 0
        self.blocked = False
        """The ring was full; nothing is sent before `retry` finds room for the largest record."""
        self.untold = False
        """Connections were accepted of which the replica is not told (TAKEN)."""
        self.faulted = False
        """The replica broke the rules of the ring; whoever owns the link closes it."""
        self._waiting: list[bytes] = []
        self._wakes: list[Watched] = []
        self._last_at = -1
        """Where the last record lies, if it is a SEND that is not flushed."""
        self._last_id = 0

    def send(self, ident: int, data: bytes | None, source: Memory | None, start: int, octets: int) -> bool:
        """Commit a SEND of `octets` from `start` of `data` (or of `source`); False when the ring is full."""
        if self.blocked or not self.alive:
            return False
        producer = self.producer
        at = self._reserve(_HEADER + octets)
        if at < 0:
            self._block()
            return False
        memory = producer.memory
        memory.put32(at, _SEND << 24)
        memory.put32(at + 4, ident)
        memory.put32(at + 8, 0)
        memory.put32(at + 12, 0)
        if data is not None:
            memory.put_part(at + _HEADER, data, start, octets)
        elif source is not None:
            memory.copy(at + _HEADER, source, start, octets)
        producer.commit(_HEADER + octets)
        self._last_at = at
        self._last_id = ident
        return True

    def send_to(self, ident: int, ends: bytes, source: Memory) -> bool:
        """Commit a SEND_TO of all of `source` with these ends; False when the ring is full."""
        if self.blocked or not self.alive:
            return False
        octets = _HEADER + len(ends) + source.octets
        at = self._reserve(octets)
        if at < 0:
            self._block()
            return False
        memory = self.producer.memory
        memory.put32(at, _SEND_TO << 24)
        memory.put32(at + 4, ident)
        memory.put32(at + 8, len(ends))
        memory.put32(at + 12, 0)
        memory.put(at + _HEADER, ends)
        memory.copy(at + _HEADER + len(ends), source, 0, source.octets)
        self.producer.commit(octets)
        self._last_at = -1
        return True

    def mark(self, ident: int, flag: int) -> bool:
        """Add a flag to the last record if it is an unflushed SEND of this connection."""
        if self._last_at < 0 or self._last_id != ident or not self.alive:
            return False
        self.producer.memory.put8(self._last_at + 1, flag)
        return True

    def post(self, kind: int, ident: int, value: int, second: int) -> None:
        """Commit a record without octets, or keep it until there is room."""
        if not self.alive:
            return
        if not self.blocked:
            if self._put(kind << 24, ident, value, second):
                return
            self._block()
        record = Memory(bytearray(_HEADER))
        record.put32(0, kind << 24)
        record.put32(4, ident)
        record.put32(8, value)
        record.put32(12, second)
        self._waiting.append(record.bytes(0, _HEADER))

    def _put(self, first: int, ident: int, value: int, second: int) -> bool:
        producer = self.producer
        at = self._reserve(_HEADER)
        if at < 0:
            return False
        memory = producer.memory
        memory.put32(at, first)
        memory.put32(at + 4, ident)
        memory.put32(at + 8, value)
        memory.put32(at + 12, second)
        producer.commit(_HEADER)
        self._last_at = -1
        return True

    def connect(self, flow: Flow, ends: bytes, options: bytes) -> None:
        """Ask for a connection with these ends (as a key) and options; `flow` is told what becomes of it."""
        self._connects = (self._connects + 1) & _MASK
        flow.number = self._connects
        self.opening[flow.number] = flow
        head = bytes((_CONNECT, 0, 0, 0)) + flow.number.to_bytes(4, "big") + len(ends).to_bytes(4, "big") + bytes(4)
        record = head + ends + options
        if self.blocked or not self._put_record(record):
            self._block()
            self._waiting.append(record)

    def _put_record(self, record: bytes) -> bool:
        at = self._reserve(len(record))
        if at < 0:
            return False
        self.producer.memory.put(at, record)
        self.producer.commit(len(record))
        self._last_at = -1
        return True

    def flush(self) -> None:
        """Let the replica see what was committed."""
        if self.alive:
            self.producer.flush()
            self._last_at = -1

    def await_room(self, watched: Watched) -> None:
        """Wake it when the ring has room again."""
        if not watched.awaits_room:
            watched.awaits_room = True
            self._wakes.append(watched)

    def retry(self) -> bool:
        """Look for room if the ring was full, then send what waits; False if it is still full."""
        if not self.blocked or not self.alive:
            return True
        while True:
            if self._reserve(_LARGEST) < 0:
                return False
            if not self._waiting:
                break
            self._put_record(self._waiting.pop(0))
        self.blocked = False
        wakes = self._wakes
        self._wakes = []
        for watched in wakes:
            watched.awaits_room = False
            watched.wake()
        return True

    def arm(self) -> bool:
        """Before sleep: ask for a doorbell if the ring is full; False if there is room by now."""
        if not self.blocked or not self.alive:
            return True
        self.producer.want_room()
        return self._reserve(_LARGEST) < 0 and not self.faulted

    def _block(self) -> None:
        self.blocked = True
        self.flush()

    def _reserve(self, octets: int) -> int:
        try:
            return self.producer.reserve(octets)
        except PeerFault:
            self.faulted = True
            return -1

    def close(self) -> None:
        """The replica is gone: whatever is sent from now on goes nowhere."""
        self.alive = False
        self.blocked = False
        self._waiting.clear()
        for watched in self._wakes:
            watched.awaits_room = False
        self._wakes.clear()
        self.producer.close()
