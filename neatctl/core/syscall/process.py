"""The SYSCALL server's process: ZeroMQ, channel files and the lives of applications, around the pure server.

Restarted like everything else: the next incarnation begins with the snapshot that the supervisor kept,
clients reconnect by themselves, and what was not delivered is told again. Nothing is trusted that an
application says of itself but what the kernel confirms.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
from secrets import randbelow

import msgspec
import zmq

from neatctl.core.channel import endpoint
from neatctl.core.control.config import SyscallConfig
from neatctl.core.control.messages import Inject, Message, Replicas, encode, to_syscall
from neatctl.core.native import now_us
from neatctl.core.process.child import Child, InjectedFault
from neatctl.core.process.loop import Work
from neatctl.core.syscall.server import SUPERVISOR, SyscallServer

_BATCH = 64
"""Messages handled in one turn."""
_MAX_MESSAGE_OCTETS = 1 << 20
_SPIN = 1
"""Looks before sleep: nobody is in a hurry here."""


class SyscallProcess(Work):
    """The server's work: messages in, messages out."""

    def __init__(self, config: SyscallConfig, child: Child) -> None:
        self._child = child
        self._kind = "zmq-inproc" if config.channel == "zmq" and config.transport == "inproc" else config.channel
        self._bells = os.path.join(config.run_directory, "bells")
        rings = os.path.join(config.run_directory, "rings")
        self.server = SyscallServer(
            config.generation, config.address, rings, randbelow, config.snapshot, self._kind, config.address6
        )
        self.undecodable = 0
        self.undelivered = 0
        self._inject = ""
        self._pidfds: dict[bytes, int] = {}
        self._doorbells: dict[bytes, str] = {}
        self._router = self._bind(config)
        child.watch(self._router.fileno(), self._look)

    def _bind(self, config: SyscallConfig) -> zmq.Socket[bytes]:
        router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_OCTETS)
        # A peer that reconnects keeps its name, and one that is away is an error that we hear of.
        router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        path = f"{config.run_directory}/syscall"
        if config.transport == "ipc":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # of the incarnation before
        router.bind(f"{config.transport}://{path}")
        return router

    def _look(self) -> None:
        """Nothing to do at a wake-up: the next turn takes the messages."""

    # ---- the loop ----
    def turn(self, now: int) -> int:
        if self._inject:
            self._fail()
        taken = 0
        while taken < _BATCH and int(self._router.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            taken += 1
            self._receive(now)
        if 0 <= self.server.deadline() <= now:
            self.server.expire(now)
            taken += 1
        self._carry_out(now)
        return taken

    def arm(self) -> bool:
        return not int(self._router.getsockopt(zmq.EVENTS)) & zmq.POLLIN

    def deadline(self) -> int:
        return self.server.deadline()

    def _receive(self, now: int) -> None:
        try:
            parts = self._router.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        if len(parts) != 2:
            self.undecodable += 1
            return
        identity, octets = parts
        if not octets:
            self.server.connected(identity, now)
            return
        try:
            message = to_syscall.decode(octets)
        except msgspec.DecodeError:
            self.undecodable += 1
            return
        # Whoever died holds no port: their ends are seen before anybody is refused.
        self._bury(now)
        self.server.receive(identity, message, now)

    # ---- the supervisor ----
    def hear(self, message: Message) -> None:
        """A message of the supervisor; Stop is the child's business."""
        if isinstance(message, Replicas):
            now = now_us()
            self.server.replicas_changed(message, now)
            self._carry_out(now)
        elif isinstance(message, Inject):
            self._inject = message.kind

    def _fail(self) -> None:
        """Fail on purpose."""
        if self._inject == "spin":
            while True:
                pass
        raise InjectedFault(self._inject)

    def read_counters(self) -> dict[str, int]:
        return {
            "syscall_undecodable": self.undecodable,
            "syscall_undelivered": self.undelivered,
            "syscall_ignored": self.server.ignored,
        }

    def read_gauges(self) -> dict[str, int]:
        return {"applications": len(self.server.apps), "listeners": len(self.server.listeners)}

    # ---- what the server wants ----
    def _carry_out(self, now: int) -> None:
        server = self.server
        while True:
            made, server.channels_made = server.channels_made, []
            for path, generation, identity in made:
                try:
                    endpoint.create(self._kind, path, generation)
                except FileExistsError:
                    pass  # Made by the incarnation before.
                except OSError as error:
                    server.no_channel(identity, error.errno or errno.EIO, str(error), now)
            gone, server.channels_gone = server.channels_gone, []
            for path in gone:
                endpoint.remove(self._kind, path)
            messages = server.take()
            for identity, message in messages:
                self._send(identity, message, now)
            if not self._follow_lives(now) and not messages:
                return

    def _send(self, identity: bytes, message: Message, now: int) -> None:
        if identity == SUPERVISOR:
            self._child.send(message)
            return
        try:
            self._router.send_multipart([identity, encode(message)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            self.undelivered += 1
            self.server.undelivered(identity, now)

    # ---- the lives of applications ----
    def _follow_lives(self, now: int) -> bool:
        """Hold a pidfd of every application and of no other; True if one was found dead."""
        pids = self.server.pids()
        for identity in list(self._pidfds):
            if identity not in pids:
                self._let_go(identity)
        dead = [
            identity for identity, pid in pids.items() if identity not in self._pidfds and not self._hold(identity, pid)
        ]
        for identity in dead:
            self.server.ended(identity, now)
        return bool(dead)

    def _hold(self, identity: bytes, pid: int) -> bool:
        """Watch a process; False if there is none."""
        self._doorbells[identity] = self.server.apps[identity].record.doorbell
        try:
            fd = os.pidfd_open(pid)
        except (ProcessLookupError, ValueError, OverflowError):
            self._remove_doorbell(identity)
            return False
        self._pidfds[identity] = fd
        self._child.loop.watch(fd, self._bury_now)
        return True

    def _let_go(self, identity: bytes) -> None:
        fd = self._pidfds.pop(identity)
        self._child.loop.forget(fd)
        os.close(fd)
        self._remove_doorbell(identity)

    def _remove_doorbell(self, identity: bytes) -> None:
        """An application that was killed leaves its FIFO behind; only such a file is removed, whatever it said."""
        path = self._doorbells.pop(identity, "")
        directory, name = os.path.split(path)
        if directory == self._bells and name.startswith("app."):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _bury_now(self) -> None:
        now = now_us()
        self._bury(now)
        self._carry_out(now)

    def _bury(self, now: int) -> None:
        """Tell the server of the applications whose processes ended."""
        if not self._pidfds:
            return
        poll = select.poll()
        for fd in self._pidfds.values():
            poll.register(fd, select.POLLIN)
        ended = {fd for fd, _ in poll.poll(0)}
        for identity, fd in list(self._pidfds.items()):
            if fd in ended:
                self.server.ended(identity, now)

    def close(self) -> None:
        """Let go of descriptors, after the loop's end."""
        for fd in self._pidfds.values():
            os.close(fd)
        self._router.close()


def start(config: SyscallConfig, child: Child) -> None:
    """Be the SYSCALL server until told to stop."""
    process = SyscallProcess(config, child)
    child.on_message = process.hear
    child.counters = process.read_counters
    child.gauges = process.read_gauges
    child.announce("syscall", 0, config.generation)
    try:
        child.run(process, _SPIN)
    finally:
        process.close()
