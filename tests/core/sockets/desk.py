"""A stack for the library's tests: a real SYSCALL server in a thread, replicas played by hand over real rings.

`Desk` starts the server as `--transport inproc` does. A `HandReplica` answers Setups by itself (in the
desk's thread) and leaves the rings to the test, which says and reads records.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import zmq

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.face import Consumer, Producer
from neatctl.core.channel.records import ACCEPTED, DATA
from neatctl.core.control.config import SyscallConfig
from neatctl.core.control.messages import (
    Announce,
    Assign,
    ListenersReady,
    Replica,
    ReplicaHello,
    Replicas,
    Setup,
    SetupDone,
    Stop,
    encode,
    from_child,
    from_syscall,
)
from neatctl.core.process.child import run_child
from neatctl.core.sockets import Socket, Stack

ADDRESS = "10.77.0.2"
CLIENT = bytes((10, 77, 0, 1))
ROOM = 1 << 20
LIMIT_MS = 10_000
_END = b"end"
_LAST_TRY = 100


@dataclass
class Said:
    """A record of the application."""

    kind: int
    flags: int
    id: int
    value: int
    second: int
    payload: bytes


def record(kind: int, id: int, value: int = 0, second: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """A socket record."""
    head = bytes((kind, flags, 0, 0)) + id.to_bytes(4, "big") + value.to_bytes(4, "big") + second.to_bytes(4, "big")
    return head + payload


class HandReplica:
    """One incarnation of a replica whose records a test says."""

    def __init__(self, desk: Desk, index: int, generation: int) -> None:
        self.desk = desk
        self.index = index
        self.generation = generation
        self.bell = Doorbell(f"{desk.run}/bells/replica.{index}.{generation}")
        self.setup = Setup(0, [], [])
        self.before_done: Callable[[Setup], None] = lambda setup: None
        """Called in the desk's thread before a Setup is confirmed."""
        self.rings: dict[int, tuple[Consumer, Producer]] = {}

    @property
    def key(self) -> tuple[int, int]:
        return self.index, self.generation

    def link(self) -> tuple[Consumer, Producer]:
        """Both ends of the link to the application that came last."""
        last = max(self.setup.apps, key=lambda app: app.app)
        if last.app not in self.rings:
            consumer = endpoint.open_consumer("ring", last.to_replica, self.generation, last.doorbell)
            producer = endpoint.open_producer("ring", last.to_app, self.generation, last.doorbell)
            self.rings[last.app] = consumer, producer
        return self.rings[last.app]

    def listener(self) -> int:
        return max(subsocket.listener for subsocket in self.setup.subsockets)

    def say(self, *records: bytes) -> None:
        """Records to the application, visible at once."""
        _, producer = self.link()
        for each in records:
            assert producer.send(each)
        producer.flush()

    def accepted(self, id: int, port: int = 40000, listener: int | None = None, room: int = ROOM) -> None:
        """A connection from a port of the client."""
        payload = port.to_bytes(2, "big") + (80).to_bytes(2, "big") + CLIENT + bytes((10, 77, 0, 2))
        self.say(record(ACCEPTED, id, self.listener() if listener is None else listener, room, payload))

    def data(self, id: int, octets: bytes) -> None:
        self.say(record(DATA, id, payload=octets))

    def heard(self, limit: int = 1 << 30) -> list[Said]:
        """What the application said since the last time; at most so many records."""
        consumer, _ = self.link()
        said: list[Said] = []
        while len(said) < limit and (octets := consumer.receive()) is not None:
            numbers = [int.from_bytes(octets[at : at + 4], "big") for at in (4, 8, 12)]
            said.append(Said(octets[0], octets[1], numbers[0], numbers[1], numbers[2], octets[16:]))
        consumer.flush()
        return said

    def close(self) -> None:
        self.bell.close()
        for consumer, producer in self.rings.values():
            consumer.close()
            producer.close()


class Desk:
    """The server, the supervisor's part in it, and the replicas."""

    def __init__(self) -> None:
        self.run = tempfile.mkdtemp(prefix="neat")
        for folder in ("bells", "rings"):
            os.mkdir(f"{self.run}/{folder}")
        self.replicas: list[HandReplica] = []
        self._generations: dict[int, int] = {}
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._control: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
        self._control.setsockopt(zmq.LINGER, 0)
        self._control.bind(f"inproc://{self.run}/control")
        self._stdin = socket.socketpair()
        self._server = threading.Thread(target=run_child, args=(self.run, "inproc", 1, self._stdin[0]))
        self._server.start()
        self._hear(Announce)
        config = SyscallConfig(1, self.run, "inproc", "ring", ADDRESS)
        self._tell(Assign("syscall", 0, 1, msgspec.msgpack.encode(config)))
        self._hear(Announce)
        self._orders: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        self._orders.bind(f"inproc://{self.run}/orders")
        self._answering = threading.Thread(target=self._answer)
        self._answering.start()

    def _tell(self, message: Assign | Replicas | Stop) -> None:
        self._control.send_multipart([b"standby.1", encode(message)])

    def _hear(self, kind: type) -> None:
        """Wait for a message of this kind from the server to the supervisor."""
        while True:
            assert self._control.poll(LIMIT_MS), f"no {kind.__name__}"
            if isinstance(from_child.decode(self._control.recv_multipart()[1]), kind):
                return

    def _answer(self) -> None:
        """The desk's thread: say hello for new replicas, confirm Setups."""
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        orders: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        orders.connect(f"inproc://{self.run}/orders")
        poller = zmq.Poller()
        poller.register(orders, zmq.POLLIN)
        dealers: dict[zmq.Socket[bytes], HandReplica] = {}
        while True:
            for ready, _ in poller.poll():
                octets = ready.recv()
                if ready is not orders:
                    replica = dealers[ready]
                    message = from_syscall.decode(octets)
                    assert isinstance(message, Setup)
                    replica.setup = message
                    replica.before_done(message)
                    ready.send(encode(SetupDone(*replica.key, message.serial)))
                elif octets == _END:
                    for dealer in dealers:
                        dealer.close(0)
                    orders.close(0)
                    return
                else:
                    replica = next(r for r in self.replicas if f"{r.index}.{r.generation}" == octets.decode())
                    dealer = context.socket(zmq.DEALER)
                    dealer.setsockopt(zmq.IDENTITY, b"replica." + octets)
                    dealer.connect(f"inproc://{self.run}/syscall")
                    dealer.send(encode(ReplicaHello(*replica.key)))
                    dealers[dealer] = replica
                    poller.register(dealer, zmq.POLLIN)

    def add_replica(self, index: int) -> HandReplica:
        """A new incarnation, that all applications have a link to."""
        generation = self._generations[index] = self._generations.get(index, 0) + 1
        replica = HandReplica(self, index, generation)
        self.replicas.append(replica)
        self._tell_living()
        self._orders.send(f"{index}.{generation}".encode())
        self._hear(ListenersReady)
        return replica

    def remove_replica(self, replica: HandReplica) -> None:
        self.replicas.remove(replica)
        self._tell_living()
        replica.close()

    def _tell_living(self) -> None:
        self._tell(Replicas([Replica(*r.key, True, r.bell.path) for r in self.replicas]))

    def stack(self) -> Stack:
        """A new application."""
        return Stack.connect_to(self.run, "test", "inproc")

    def end(self) -> None:
        self._orders.send(_END)
        self._answering.join()
        self._tell(Stop())
        self._server.join()
        for replica in self.replicas:
            replica.close()
        for each in (self._orders, self._control):
            each.close(0)
        for end in self._stdin:
            end.close()
        shutil.rmtree(self.run)


@contextmanager
def desk_of(replicas: int) -> Iterator[Desk]:
    desk = Desk()
    try:
        for index in range(1, replicas + 1):
            desk.add_replica(index)
        yield desk
    finally:
        desk.end()


class Program:
    """An application with one listening socket, and the replicas that serve it."""

    def __init__(self, desk: Desk, stack: Stack) -> None:
        self.desk = desk
        self.stack = stack
        self.server = stack.socket()
        self.server.bind(("", 80))
        self._listen()
        self.server.settimeout(5.0)
        self._ids = 100

    def _listen(self) -> None:
        """The last test's goodbye may come after this one's hello."""
        for _ in range(_LAST_TRY):
            with contextlib.suppress(OSError):
                return self.server.listen()
            time.sleep(0.01)
        return self.server.listen()

    @property
    def replica(self) -> HandReplica:
        return self.desk.replicas[0]

    def connection(
        self, replica: HandReplica | None = None, timeout: float = 5.0, room: int = ROOM
    ) -> tuple[Socket, int]:
        """A connection of a replica (the first), accepted, and its id; what the replica was told of that is read."""
        self._ids += 1
        replica = replica or self.replica
        replica.accepted(self._ids, room=room)
        sock, _ = self.server.accept()
        sock.settimeout(timeout)
        self.stack.flush()
        replica.heard()
        return sock, self._ids
