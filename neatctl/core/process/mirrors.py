"""Brokers mirrors of the NIC: makes the ring that a client asked for, tells the driver, and clears up after both.

A mirror lasts as long as its client, whose pidfd is watched; each incarnation of the driver writes to rings of its
own, and the client is told of the next one by another answer. What frames are, and what is done with them, is the
business of the driver and the client (nic/mirror.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from neatctl.core.channel import endpoint
from neatctl.core.control.children import STARTING
from neatctl.core.control.events import Event
from neatctl.core.control.messages import Answer, Mirror
from neatctl.core.control.messages import Mirrors as Wanted

if TYPE_CHECKING:
    from neatctl.core.process.supervisor import Supervisor

WHICH = ("sent", "received", "both")
MOST = 8
"""Mirrors at a time."""
CAPACITY = 1 << 24
"""Octets of a ring: some milliseconds of the fastest traffic, for a client that looks each few milliseconds."""
_DID_NOT_HOLD = 1


class MirrorPlace(msgspec.Struct, frozen=True):
    """Where the copies are; the body of each answer."""

    path: str
    generation: int
    mac: str
    """The Ethernet address of the appliance, in hexadecimal."""
    prefix_length: int


@dataclass(slots=True)
class _Held:
    client: bytes
    which: str
    pidfd: int
    path: str = ""
    generation: int = 0

    def mirror(self) -> Mirror:
        return Mirror(self.path, self.generation, self.which)


class Mirrors:
    """All mirrors of a testbed."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._held: dict[bytes, _Held] = {}
        self._serial = 0

    def begin(self, client: bytes, pid: int, which: str) -> Answer:
        """Make a mirror for a client, which has to live; ValueError says what is wrong."""
        if which not in WHICH:
            raise ValueError(f"a mirror shows what is {', '.join(WHICH)}, not {which}")
        if client in self._held:
            raise ValueError("this client has a mirror")
        if len(self._held) == MOST:
            raise ValueError(f"there are {MOST} mirrors already; end one of those captures")
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            raise ValueError(f"there is no process {pid} to mirror for ({error.strerror})") from None
        held = _Held(client, which, pidfd)
        try:
            self._make_ring(held)
        except OSError as error:
            os.close(pidfd)
            return Answer(_DID_NOT_HOLD, f"no room for a mirror of {CAPACITY >> 20} MiB: {error}", b"")
        self._held[client] = held
        self._supervisor.loop.watch(pidfd, lambda: self.end(client))
        self._tell_driver()
        return self._place(held)

    def end(self, client: bytes) -> None:
        """A client has enough, or has ended."""
        held = self._held.pop(client, None)
        if held is None:
            return
        self._supervisor.loop.forget(held.pidfd)
        os.close(held.pidfd)
        self._tell_driver()
        endpoint.remove("ring", held.path)

    def happened(self, event: Event) -> None:
        """A new driver gets fresh rings."""
        if event.event != "announced" or event.component != "driver" or not self._held:
            return
        for held in list(self._held.values()):
            old = held.path
            try:
                self._make_ring(held)
            except OSError as error:
                self.ended(old, str(error))
                continue
            endpoint.remove("ring", old)
            self._supervisor.commands.send(held.client, self._place(held))
        self._tell_driver()

    def ended(self, path: str, reason: str) -> None:
        """The driver gave a mirror up: its client is told, and it is over."""
        for held in list(self._held.values()):
            if held.path == path:
                answer = Answer(_DID_NOT_HOLD, f"the driver gave the mirror up: {reason}", b"")
                self._supervisor.commands.send(held.client, answer)
                self.end(held.client)

    def close(self) -> None:
        """The testbed goes down."""
        for client in list(self._held):
            self._supervisor.commands.send(client, Answer(_DID_NOT_HOLD, "the testbed went down", b""))
            self.end(client)

    def _make_ring(self, held: _Held) -> None:
        self._serial += 1
        path = f"{self._supervisor.config.run_directory}/rings/mirror.{self._serial}"
        endpoint.create("ring", path, self._serial, CAPACITY)
        held.path, held.generation = path, self._serial

    def _tell_driver(self) -> None:
        """If there is one that has announced itself."""
        place = self._supervisor.testbed.places["driver", 0]
        if place.child is not None and place.state != STARTING:
            self._supervisor.tell(place.child.number, Wanted([held.mirror() for held in self._held.values()]))

    def _place(self, held: _Held) -> Answer:
        config = self._supervisor.config
        place = MirrorPlace(held.path, held.generation, config.mac.hex(), config.prefix_length)
        return Answer(0, "", msgspec.json.encode(place), last=False)
