"""A component's process: `python -m neatctl.core.process.child RUN_DIRECTORY TRANSPORT NUMBER`.

It starts as a standby with everything imported, and becomes what the supervisor assigns (driver, SYSCALL server or
replica): one path for the start, for scaling and for recovery. It carries the component's heartbeat and control
messages and owns its doorbell; what it becomes is the business of the role's `start(config, child)`.
A role's exception is not caught: the process dies with it, and is replaced. With `--transport inproc` the same
code runs in a thread.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable

import msgspec
import zmq
from setproctitle import setproctitle

from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.control.config import DriverConfig, ReplicaConfig, SyscallConfig
from neatctl.core.control.messages import Announce, Assign, Beat, Message, Stop, ToChild, encode, to_child
from neatctl.core.native import now_us
from neatctl.core.process.loop import Loop, Work
from neatctl.core.spin import SHARED_CORE, Pace

BEAT_US = 100_000
_LINGER_MS = 200
_MAX_MESSAGE_OCTETS = 1 << 20
_STDIN = 0
_STARVED_MS = 1000

_ROLES: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "driver": ("neatctl.nic.process", DriverConfig),
    "syscall": ("neatctl.core.syscall.process", SyscallConfig),
    "replica": ("neatctl.core.process.replica", ReplicaConfig),
}
"""By component: the module whose `start` it runs, by name because core does not know the NIC, and its configuration."""


class InjectedFault(Exception):
    """The fault that `inject-fault --kind exception` asked for."""


class Child:
    """What a role sees of its process."""

    def __init__(self, run_directory: str, transport: str, number: int, stdin: socket.socket | None = None) -> None:
        self.run_directory = run_directory
        self.transport = transport
        self.number = number
        self.threaded = stdin is not None
        self.component, self.index, self.generation = "standby", number, 0
        self.on_message: Callable[[ToChild], None] = self._ignore
        self.counters: Callable[[], dict[str, int]] = dict
        self.gauges: Callable[[], dict[str, int]] = dict
        self._stdin = stdin
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, f"standby.{number}".encode())
        self._socket.setsockopt(zmq.LINGER, _LINGER_MS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_OCTETS)
        self._socket.connect(f"{transport}://{run_directory}/control")
        self._cores = len(os.sched_getaffinity(0))
        self._pace = Pace(0)
        self._loop: Loop | None = None
        self._doorbell: Doorbell | None = None
        self._watched: list[tuple[int, Callable[[], object]]] = []
        self._stopped = False

    # ---- for the role ----
    @property
    def doorbell(self) -> Doorbell:
        """The doorbell of this incarnation; it is there from the assignment on."""
        assert self._doorbell is not None
        return self._doorbell

    @property
    def loop(self) -> Loop:
        """The loop that runs; only from within `run`."""
        assert self._loop is not None
        return self._loop

    def announce(self, component: str, index: int, generation: int) -> None:
        """Ready to serve."""
        self.send(Announce(component, index, generation, os.getpid()))

    def send(self, message: Message) -> None:
        """To the supervisor; lost only if the supervisor is gone."""
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return
        if self._loop is not None:
            # ZeroMQ tells of input by edges, and sending may have taken one.
            self._loop.soon(self._hear)

    def receive_descriptor(self) -> int:
        """A descriptor that the supervisor passes over stdin (SCM_RIGHTS)."""
        stdin = self._stdin if self._stdin is not None else socket.socket(fileno=os.dup(_STDIN))
        try:
            _, descriptors, _, _ = socket.recv_fds(stdin, 1, 1)
        finally:
            if self._stdin is None:
                stdin.close()
        if not descriptors:
            raise ConnectionError("the supervisor closed the socket over which a descriptor was to come")
        return descriptors[0]

    def run(self, work: Work, spin: int) -> None:
        """Turn until told to stop, with heartbeats, control messages and the doorbell looked after."""
        if not self.threaded:
            # Whoever is woken waits for its turn instead of taking it: bursts grow with the load.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        # A thread that spins would keep the interpreter from the others.
        self._pace = Pace(spin)
        loop = self._loop = Loop(work, 0 if self.threaded else spin, alone=not self.threaded)
        loop.watch_doorbell(self.doorbell)
        loop.watch(int(self._socket.getsockopt(zmq.FD)), self._hear)
        for fd, callback in self._watched:
            loop.watch(fd, callback)
        loop.every(self._beat, now_us())
        if not self.threaded:
            signal.signal(signal.SIGTERM, lambda *_: self._stop())
            gc.collect()
            gc.freeze()
        self._hear()
        for _, callback in self._watched:
            callback()
        if not self._stopped:
            loop.run()
        self.close()

    def watch(self, fd: int, callback: Callable[[], object]) -> None:
        """Have the loop call back when a descriptor is readable, and once when it begins."""
        self._watched.append((fd, callback))

    def close(self) -> None:
        """Let go of what the process holds outside itself."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None
        if self._doorbell is not None:
            self._doorbell.close()
            self._doorbell = None
        self._socket.close()

    # ---- a standby ----
    def stand_by(self) -> Assign | None:
        """Wait for an assignment; None if there is none to come."""
        self.announce("standby", self.number, 0)
        while True:
            if not self._socket.poll(_STARVED_MS):
                continue
            try:
                message = to_child.decode(self._socket.recv())
            except msgspec.DecodeError:
                continue
            if isinstance(message, Stop):
                return None
            if isinstance(message, Assign):
                return message

    def become(self, assignment: Assign) -> None:
        """Run the role that was assigned, to its end."""
        self.component, self.index, self.generation = (
            assignment.component,
            assignment.index,
            assignment.generation,
        )
        name = f"{self.component}.{self.index}.{self.generation}"
        path = f"{self.run_directory}/bells/{name}"
        self._doorbell = Doorbell(path)
        if not self.threaded:
            setproctitle(f"neatctl: {self.index} {self.component} (generation {self.generation})")
        module, config_type = _ROLES[self.component]
        config = msgspec.msgpack.decode(assignment.config, type=config_type)
        importlib.import_module(module).start(config, self)

    # ---- the loop's calls ----
    def _ignore(self, message: ToChild) -> None:
        """Until the role says what it does with messages."""

    def _hear(self) -> None:
        """Take all control messages that there are."""
        while True:
            try:
                octets = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                message = to_child.decode(octets)
            except msgspec.DecodeError:
                continue
            if isinstance(message, Stop):
                self._stop()
            self.on_message(message)

    def _stop(self) -> None:
        self._stopped = True
        if self._loop is not None:
            self._loop.stop()

    def _beat(self, now: int) -> int:
        loop = self.loop
        if not self.threaded:
            shares_core = len(os.sched_getaffinity(0)) == 1 < self._cores
            loop.spin.set(SHARED_CORE.get(self.component, self._pace) if shares_core else self._pace)
        # All beat at the same times, so that the supervisor wakes up once for all.
        next_beat = now - now % BEAT_US + BEAT_US
        gauges = self.gauges()
        gauges["busy_turns"] = loop.busy_turns
        gauges["sleeps"] = loop.sleeps
        beat = Beat(self.component, self.index, self.generation, loop.turns, self.counters(), gauges)
        try:
            self._socket.send(encode(beat), zmq.NOBLOCK)
        except zmq.Again:
            return next_beat
        self._hear()
        return next_beat


def import_roles() -> None:
    """Import what this process may become, so that becoming it takes no time."""
    for module, _ in _ROLES.values():
        importlib.import_module(module)


def run_child(run_directory: str, transport: str, number: int, stdin: socket.socket | None = None) -> None:
    """The life of a child."""
    child = Child(run_directory, transport, number, stdin)
    import_roles()
    if assignment := child.stand_by():
        child.become(assignment)
    else:
        child.close()


def main() -> None:
    """The process: Ctrl-C is for the supervisor, and a closed pipe is an errno."""
    if len(sys.argv) != 4:
        sys.exit("usage: python -m neatctl.core.process.child RUN_DIRECTORY TRANSPORT NUMBER (started by neatctl up)")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setproctitle(f"neatctl: {sys.argv[3]} standby")
    run_child(sys.argv[1], sys.argv[2], int(sys.argv[3]))


if __name__ == "__main__":
    main()
