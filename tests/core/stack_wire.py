"""Two whole stacks, from Ethernet to socket records, and a link between them that does what bad links do; virtual time.

Frames are lost, repeated, held back, delayed, and get a bit turned anywhere, Ethernet and ARP included. Many
connections at once; each end runs a program of `tests/core/tcp/wire.py`. Same seed, same run.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from neatctl.core.channel.records import ACCEPTED, FRAME, FRAME_AT, KIND_AT
from neatctl.core.native import Memory
from neatctl.core.stack import Stack
from tests.core.tcp.host import APP, LISTENER, PORT, START, Told, config, record, records, ring
from tests.core.tcp.wire import Program

LIMIT_US = 7_200_000_000
CLIENT, SERVER = bytes((10, 77, 0, 1)), bytes((10, 77, 0, 2))
HOUSEKEEPING_US = 1_000_000
"""A stack without connections asks for a turn each second, to look after its neighbours."""


@dataclass(frozen=True)
class BadLink:
    """What the link does to a frame: probabilities from 0 to 1, times in microseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    delay_us: int = 50
    reorder_us: int = 3_000


class StackHost:
    """A stack, its NIC queue, and one application with one listener."""

    def __init__(self, address: bytes, **changes: object) -> None:
        mac = b"\x02\x00" + address
        dotted = ".".join(map(str, address))
        settings: dict[str, object] = {"checksum_offload": False, "gso_octets": 0, "address": dotted, "mac": mac}
        self.now = START
        self.address = address
        self.stack = Stack(config(**(settings | changes)))
        self._nic_producer, self._nic = ring(1 << 20)
        self.stack.attach_nic(self._nic_producer)
        self._events, self._app = ring(1 << 20)
        self.stack.tcp.attach(APP, self._events)
        self.stack.tcp.listen(LISTENER, APP, "", PORT, 64)
        self._told: dict[int, list[Told]] = {}
        self.accepted: list[Told] = []
        """Of the listener, not taken yet."""

    def arrive(self, frame: bytes) -> None:
        record = bytes(FRAME_AT) + frame
        self.stack.receive(Memory(record), 0, len(record), self.now)

    def turn(self) -> list[bytes]:
        """Let time do its work; the frames that leave."""
        self.stack.expire(self.now)
        self.stack.transmit(self.now)
        self._nic_producer.flush()
        self._events.flush()
        for octets in records(self._app):
            id, value, second = (int.from_bytes(octets[at : at + 4], "big") for at in (4, 8, 12))
            told = Told(octets[0], id, value, second, octets[16:])
            if told.kind == ACCEPTED and told.value == LISTENER:
                self.accepted.append(told)
            else:
                self._told.setdefault(told.id, []).append(told)
        return [frame[FRAME_AT:] for frame in records(self._nic) if frame[KIND_AT] == FRAME]

    def told_of(self, id: int) -> list[Told]:
        return self._told.pop(id, [])

    def say(self, octets: bytes) -> None:
        self.stack.tcp.command(APP, Memory(octets), 0, len(octets), self.now)

    def is_empty(self) -> bool:
        """Nothing is left of any connection."""
        tcp = self.stack.tcp
        return not (tcp.tables.flows or tcp.connections or tcp.pending or tcp.tables.numbered() or self._told)


class Share:
    """One connection's share of a host, with the face that a Program wants."""

    def __init__(self, host: StackHost, id: int = 0, first: Told | None = None) -> None:
        self.host = host
        self.id = id
        self._first = [first] if first is not None else []

    def told(self) -> list[Told]:
        first, self._first = self._first, []
        return first + self.host.told_of(self.id)

    def say(self, kind: int, id: int, value: int = 0, second: int = 0, payload: bytes = b"", flags: int = 0) -> None:
        self.host.say(record(kind, id, value, second, payload, flags))


class Link:
    """A client, a server and what is between them."""

    def __init__(self, seed: int, there: BadLink, back: BadLink, **changes: object) -> None:
        self.rng = random.Random(seed)
        self.now = START
        self.client = StackHost(CLIENT, **changes)
        self.server = StackHost(SERVER, **changes)
        self._ways = ((self.client, self.server, there), (self.server, self.client, back))
        self._flying: list[tuple[int, int, bytes, StackHost]] = []
        self._carried = 0
        self.programs: list[Program] = []
        self.answers: list[bytes] = []
        """What the server's program on the next connection sends."""

    def program(self, host: StackHost, data: bytes, id: int = 0, first: Told | None = None) -> Program:
        chunk = self.rng.choice([100, 5_000, 60_000])
        program = Program(Share(host, id, first), data, self.rng, max(chunk, len(data) // 200), 0.2, True)  # type: ignore[arg-type]
        self.programs.append(program)
        return program

    def connect(self, port: int, data: bytes) -> Program:
        """A client's connection that sends `data`."""
        id = self.client.stack.tcp.connect(APP, CLIENT, port, SERVER, PORT, self.now)
        return self.program(self.client, data, id)

    def run(self, until: int = -1) -> None:
        """Let programs, timers and frames run to their end (or until a time), TIME-WAIT included."""
        end = self.now + LIMIT_US
        while True:
            busy = self._turn()
            if busy:
                self._set_time(self.now + 20)
                continue
            due = [host.stack.tcp.deadline() for host in (self.client, self.server)]
            due = [each for each in due if each >= 0] + [each[0] for each in self._flying[:1]]
            if any(program.unread and not program.done for program in self.programs):
                due.append(self.now + 5_000)
            if not due or 0 <= until <= min(due):
                return
            if min(due) > self.now + HOUSEKEEPING_US:
                due = [self.now + HOUSEKEEPING_US]
            self._set_time(max(min(due), self.now + 1))
            assert self.now < end, "no end"

    def _set_time(self, now: int) -> None:
        self.now = self.client.now = self.server.now = now

    def _turn(self) -> bool:
        busy = False
        while self._flying and self._flying[0][0] <= self.now:
            _, _, frame, target = heapq.heappop(self._flying)
            target.arrive(frame)
            busy = True
        for sender, target, bad in self._ways:
            for frame in sender.turn():
                self._fly(frame, target, bad)
                busy = True
        for told in self.server.accepted:
            self.program(self.server, self.answers.pop(0) if self.answers else b"", told.id, told)
        self.server.accepted.clear()
        for program in self.programs:
            busy = program.run() or busy
        return busy

    def _fly(self, frame: bytes, target: StackHost, bad: BadLink) -> None:
        rng = self.rng
        for _ in range(2 if rng.random() < bad.duplicate else 1):
            if rng.random() < bad.loss:
                continue
            octets = frame
            if rng.random() < bad.corrupt:
                turned = bytearray(frame)
                turned[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
                octets = bytes(turned)
            at = self.now + bad.delay_us
            if rng.random() < bad.reorder:
                at += rng.randint(1, bad.reorder_us)
            self._carried += 1
            heapq.heappush(self._flying, (at, self._carried, octets, target))
