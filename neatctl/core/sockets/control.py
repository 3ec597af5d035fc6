"""The library's conversation with the SYSCALL server: one DEALER, requests that are repeated until answered.

A server that restarts keeps its clients by its snapshot and ZeroMQ reconnects by itself, so nothing is
noticed here; a server that knows this application no longer greets it as application 0 and is told
again. Not on the path of data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import zmq

from neatctl.core.control.messages import (
    Done,
    Goodbye,
    Hello,
    Link,
    Links,
    Listening,
    Message,
    Refused,
    Welcome,
    encode,
    from_syscall,
)

REPEAT_US = 200_000
"""How long a request waits for its answer before it is sent again."""
_MAX_MESSAGE_OCTETS = 1 << 20
_GOODBYE_MS = 200


@dataclass(slots=True)
class Pending:
    """A request until its answer came."""

    message: Message
    due_us: int
    answered: Callable[[Listening | Done | Refused], None]


def syscall_address(run_directory: str, transport: str) -> str:
    """Where the SYSCALL server of a run directory listens; `transport` is ipc or inproc."""
    return f"{transport}://{run_directory}/syscall"


class Control:
    """The application's end. Callbacks: `on_links(links)` with each Links, `on_forgotten()` when the server lost
    us, `on_stray(answer)` for a socket that listens and that nobody waits for."""

    def __init__(self, run_directory: str, transport: str, name: str, doorbell: str) -> None:
        self._hello = Hello(name, os.getpid(), doorbell)
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        # A process number may be used again: the random part tells this application from a dead one.
        self.identity = f"app.{os.getpid()}.{os.urandom(4).hex()}".encode()
        self._socket.setsockopt(zmq.IDENTITY, self.identity)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_OCTETS)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self._socket.setsockopt(zmq.PROBE_ROUTER, 1)
        self._socket.connect(syscall_address(run_directory, transport))
        self.fd: int = self._socket.getsockopt(zmq.FD)
        self.app = 0
        """Our number at the server, 0 before its first Welcome."""
        self.server_generation = 0
        self.on_links: Callable[[list[Link]], None] = lambda _: None
        self.channel = "ring"
        """The kind of channel of the links, as the server said last."""
        self.on_forgotten: Callable[[], None] = lambda: None
        self.on_stray: Callable[[Listening], None] = lambda _: None
        self.refusal: Refused | None = None
        """Why the server does not have us, if it does not."""
        self.undecodable = 0
        """Messages of the server that could not be read, and were dropped."""
        self._hello_due_us = 0
        self._requests: dict[int, Pending] = {}
        self._number = 0

    def next_request(self) -> int:
        """A number that no request of this application had."""
        self._number += 1
        return self._number

    def request(
        self, number: int, message: Message, answered: Callable[[Listening | Done | Refused], None], now: int
    ) -> None:
        """Send a request that carries this number, again and again until its answer is passed to `answered`."""
        self._requests[number] = Pending(message, now + REPEAT_US, answered)
        if self.app:
            self._send(message)

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        self._requests.pop(number, None)

    def deadline(self) -> int:
        """When `expire` must be called at the latest, or -1."""
        if not self.app:
            return self._hello_due_us
        return min((pending.due_us for pending in self._requests.values()), default=-1)

    def expire(self, now: int) -> None:
        """Say hello or send requests again if it is time."""
        if not self.app:
            if now >= self._hello_due_us:
                self._hello_due_us = now + REPEAT_US
                self._send(self._hello)
            return
        for pending in self._requests.values():
            if now >= pending.due_us:
                pending.due_us = now + REPEAT_US
                self._send(pending.message)

    def receive(self, now: int) -> int:
        """Take all messages that are there, and act on them; how many."""
        taken = 0
        while int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            taken += 1
            try:
                message = from_syscall.decode(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
            except msgspec.DecodeError:
                self.undecodable += 1
                continue
            self._handle(message, now)
        return taken

    def _handle(self, message: object, now: int) -> None:
        if isinstance(message, Links):
            if self.app:
                self.channel = message.channel
                self.on_links(message.links)
        elif isinstance(message, Welcome):
            self._welcome(message, now)
        elif isinstance(message, Listening | Done | Refused):
            pending = self._requests.pop(message.request, None)
            if pending is not None:
                pending.answered(message)
            elif isinstance(message, Listening):
                self.on_stray(message)
            elif isinstance(message, Refused) and message.request == 0:
                self.app = 0
                self.refusal = message
                self.on_links([])

    def _welcome(self, message: Welcome, now: int) -> None:
        before = self.app
        self.server_generation = message.server_generation
        if message.app == 0:
            self._hello_due_us = now + REPEAT_US
            self._send(self._hello)
            return
        self.app = message.app
        self.refusal = None
        unanswered = list(self._requests.values())
        if before not in (0, message.app):
            self.on_forgotten()  # What we had comes before what we want.
        for pending in unanswered:
            pending.due_us = now + REPEAT_US
            self._send(pending.message)

    def _send(self, message: Message) -> None:
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return  # The server is slow or away; what matters is repeated.

    def close(self) -> None:
        """Say goodbye, as far as that is possible at once."""
        self._send(Goodbye())
        self._socket.setsockopt(zmq.LINGER, _GOODBYE_MS)
        self._socket.close()
