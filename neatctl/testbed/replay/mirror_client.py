"""A client's end of a mirror: asks the supervisor for one, follows it over restarts of the driver, gives it back.

Nobody is woken by a mirror: whoever has one calls `read` each few milliseconds. The supervisor ends a mirror with the
process that asked for it, whatever becomes of that (core/process/mirrors.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import zmq

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.ring import RingConsumer, map_ring_file
from neatctl.core.control import messages
from neatctl.core.control.messages import Command
from neatctl.core.process.mirrors import MirrorPlace
from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.client import ANSWER_LIMIT_MS, NotRunning, Unresponsive, require_running
from neatctl.testbed.replay.mirrored import MirrorReader

LOOK_S = 0.005
"""How often a mirror should be read."""


class NoMirror(Exception):
    """The supervisor gives none, or ended it; the message says why."""


class MirrorClient:
    """A mirror of what is `sent`, `received` or `both`, read by `reader`."""

    def __init__(self, run: RunDirectory, socket: zmq.Socket[bytes], reader: MirrorReader, which: str) -> None:
        self.reader = reader
        self._run = run
        self._socket = socket
        self._rings: list[RingConsumer] = []
        socket.send(messages.encode(Command("mirror", {"pid": os.getpid(), "which": which})))
        if not socket.poll(ANSWER_LIMIT_MS):
            raise Unresponsive(f"the supervisor of {run.name} does not answer; `neatctl down --force` ends it")
        self.place = self._hear()
        """Where the current ring is, and what else the supervisor says of the appliance."""

    def read(self) -> int:
        """Take what there is; how many frames. NoMirror when the mirror was ended, NotRunning with the testbed."""
        records = 0
        while True:
            try:
                records += self.reader.read(self._rings[0])
            except PeerFault as fault:
                raise NoMirror(f"the driver's mirror is broken: {fault}") from None
            while self._socket.poll(0):
                self.place = self._hear()
            if len(self._rings) == 1:
                return records
            # The driver that wrote to it is gone: what it left is read to the end, then the next one's.
            records += self.reader.read(self._rings[0])
            if self._rings[0].peek() >= 0:
                return records
            self._rings.pop(0).close()

    def check(self) -> None:
        """NotRunning unless the supervisor lives."""
        if not self._run.locked():
            raise NotRunning(f"the testbed {self._run.name} ended")

    def close(self) -> None:
        """Give the mirror back."""
        self._socket.send(messages.encode(Command("unmirror", {})), zmq.NOBLOCK)
        for ring in self._rings:
            ring.close()
        self._rings = []

    def _hear(self) -> MirrorPlace:
        answer = messages.answer.decode(self._socket.recv())
        if answer.code:
            raise NoMirror(answer.message)
        place = msgspec.json.decode(answer.body, type=MirrorPlace)
        try:
            self._rings.append(RingConsumer(map_ring_file(place.path), place.generation, Ringer("")))
        except OSError as error:
            if not self._rings:
                raise NoMirror(f"{place.path}: {error.strerror}") from None
            # Replaced again already: the next answer says by what.
        except PeerFault as fault:
            raise NoMirror(f"the driver's mirror is broken: {fault}") from None
        return place


@contextmanager
def open_mirror(run: RunDirectory, reader: MirrorReader, which: str = "sent") -> Iterator[MirrorClient]:
    """A mirror for the time of a `with`. NotRunning, Unresponsive, NoMirror."""
    require_running(run)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 200)
    mirror: MirrorClient | None = None
    try:
        socket.connect(run.endpoint("command"))
        mirror = MirrorClient(run, socket, reader, which)
        yield mirror
    finally:
        if mirror is not None:
            mirror.close()
        socket.close()
        context.term()
