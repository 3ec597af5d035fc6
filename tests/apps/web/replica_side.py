"""The other side of the socket library: a SYSCALL server that agrees, and one replica's ends of the rings.

Speaks the records of core/channel/records.py as a replica does, so that a test says what a replica says
and sees what one sees.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator

import zmq

from neatctl.core.channel import endpoint
from neatctl.core.channel.records import ACCEPTED, DATA, END, RESET, ROOM
from neatctl.core.control.messages import Hello, Link, Links, Listen, Listening, Message, Welcome, encode, to_syscall
from neatctl.core.sockets import Stack

HEADER = struct.Struct(">BBHIII")
LISTENER = 1
ROOM_OCTETS = 1 << 20


class ReplicaSide:
    """Serves one application in `run_directory`; `stack()` is its library."""

    def __init__(self, run_directory: str) -> None:
        self.run_directory = run_directory
        for name in ("bells", "rings"):
            os.mkdir(os.path.join(run_directory, name))
        self._paths = [os.path.join(run_directory, "rings", name) for name in ("to_app", "to_replica")]
        for path in self._paths:
            endpoint.create("ring", path, 1)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.bind(f"ipc://{run_directory}/syscall")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        # Nobody rings here: the test looks when it wants to.
        self.to_app = endpoint.open_producer("ring", self._paths[0], 1, "")
        self.to_replica = endpoint.open_consumer("ring", self._paths[1], 1, "")

    def stack(self) -> Stack:
        return Stack.connect_to(self.run_directory, "web")

    def _answer(self) -> None:
        while not self._ending.is_set():
            if not self._router.poll(20):
                continue
            identity, octets = self._router.recv_multipart()[:2]
            if not octets:
                continue
            message = to_syscall.decode(octets)
            answers: list[Message] = []
            if isinstance(message, Hello):
                link = Link(1, 1, True, self._paths[0], self._paths[1], "")
                answers = [Welcome(1, 1), Links([link])]
            elif isinstance(message, Listen):
                answers = [Listening(message.request, LISTENER, "", message.port)]
            for answer in answers:
                self._router.send_multipart([identity, encode(answer)])

    def say(self, kind: int, ident: int, value: int = 0, second: int = 0, payload: bytes = b"") -> None:
        assert self.to_app.send(HEADER.pack(kind, 0, 0, ident, value, second) + payload)

    def accepted(self, ident: int, room: int = ROOM_OCTETS) -> None:
        key = struct.pack(">HH4s4s", 1024 + ident % 60000, 80, bytes([10, 77, 0, 1]), bytes([10, 77, 0, 2]))
        self.say(ACCEPTED, ident, LISTENER, room, key)

    def data(self, ident: int, octets: bytes) -> None:
        self.say(DATA, ident, payload=octets)

    def end(self, ident: int) -> None:
        self.say(END, ident)

    def reset(self, ident: int, errno: int) -> None:
        self.say(RESET, ident, errno)

    def room(self, ident: int, octets: int) -> None:
        self.say(ROOM, ident, octets)

    def flush(self) -> None:
        self.to_app.flush()

    def heard(self) -> Iterator[tuple[int, int, int, int, bytes]]:
        """The records of the application since the last look: kind, flags, id, value, payload."""
        while (record := self.to_replica.receive()) is not None:
            kind, flags, _, ident, value, _ = HEADER.unpack_from(record)
            yield kind, flags, ident, value, record[HEADER.size :]
        self.to_replica.flush()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._router.close()
        self._context.term()
        self.to_app.close()
        self.to_replica.close()
