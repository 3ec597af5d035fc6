"""Real processes around the SYSCALL server: a small supervisor by hand, replicas and applications for real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import zmq

from neatctl.core.control.config import ReplicaConfig, SyscallConfig
from neatctl.core.control.messages import (
    Announce,
    Assign,
    Beat,
    ListenersReady,
    Message,
    Replica,
    Replicas,
    Snapshot,
    encode,
    from_child,
)

ADDRESS = "10.77.0.2"
LIMIT_S = 20.0

APPLICATION = """
import sys
from neatctl.core.sockets import Stack
stack = Stack.connect_to(sys.argv[1], "test")
print("ready", flush=True)
kept = []
for line in sys.stdin:
    try:
        sock = stack.socket()
        sock.bind(("", int(line)))
        sock.listen()
        kept.append(sock)
        print(sock.getsockname()[1], flush=True)
    except OSError as error:
        print(-error.errno, flush=True)
stack.close()
"""


class Application:
    """A program that listens where it is told."""

    def __init__(self, run: str) -> None:
        command = [sys.executable, "-c", APPLICATION, run]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def ask(self, port: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{port}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def listen(self, port: int) -> int:
        """The port, or minus the errno."""
        self.ask(port)
        return int(self.answer())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Leave in order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(LIMIT_S) == 0

    def gone(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Supervisor:
    """Starts children, tells the SYSCALL server who lives, keeps its snapshot."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.bind(f"ipc://{run}/control")
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.identities: dict[str, bytes] = {}
        self.living: dict[int, int] = {}
        self.snapshot = b""
        self.ready: set[tuple[int, int]] = set()
        self.gauges: dict[str, dict[str, int]] = {}
        self.applications: list[Application] = []
        self._number = 0
        self._generation = 0

    def hear(self) -> None:
        """Take one message, waiting for it."""
        assert self.router.poll(int(LIMIT_S * 1000)), "the children are silent"
        identity, octets = self.router.recv_multipart()
        message = from_child.decode(octets)
        if isinstance(message, Announce):
            self.identities[f"{message.component}.{message.index}"] = identity
        elif isinstance(message, Snapshot):
            self.snapshot = message.state
        elif isinstance(message, ListenersReady):
            self.ready.add((message.replica, message.generation))
        elif isinstance(message, Beat):
            self.gauges[message.component] = message.gauges

    def hear_until(self, what: str, holds: Callable[[], bool]) -> None:
        limit = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < limit, f"never: {what}"
            self.hear()

    def hear_gauge(self, component: str, gauge: str, value: int) -> None:
        """Wait for a heartbeat that says so."""
        self.gauges.clear()
        self.hear_until(f"{gauge} of {value}", lambda: self.gauges.get(component, {}).get(gauge) == value)

    def start(self, component: str, index: int, generation: int, config: msgspec.Struct) -> None:
        self._number += 1
        standby = f"standby.{self._number}"
        command = [sys.executable, "-m", "neatctl.core.process.child", self.run, "ipc", str(self._number)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.children[f"{component}.{index}"] = child
        self.hear_until("a standby", lambda: standby in self.identities)
        assignment = Assign(component, index, generation, msgspec.msgpack.encode(config))
        self.identities.pop(f"{component}.{index}", None)
        self.tell(standby, assignment)
        self.hear_until(component, lambda: f"{component}.{index}" in self.identities)

    def tell(self, child: str, message: Message) -> None:
        self.router.send_multipart([self.identities[child], encode(message)])

    def start_syscall(self) -> None:
        self._generation += 1
        config = SyscallConfig(self._generation, self.run, "ipc", "ring", ADDRESS, self.snapshot)
        self.start("syscall", 0, self._generation, config)
        self.tell_living()

    def start_replica(self, index: int) -> None:
        generation = self.living.get(index, 0) + 1
        config = ReplicaConfig(
            index, generation, self.run, "ipc", "ring", ADDRESS, 24, "", b"\x02\0\0\0\0\2", bytes(16)
        )
        self.start("replica", index, generation, config)
        self.living[index] = generation
        self.tell_living()
        self.hear_until("listeners", lambda: (index, generation) in self.ready)

    def tell_living(self) -> None:
        living = [Replica(i, g, True, f"{self.run}/bells/replica.{i}.{g}") for i, g in self.living.items()]
        self.tell("syscall.0", Replicas(living))

    def kill(self, child: str) -> None:
        self.children[child].send_signal(signal.SIGKILL)
        self.children[child].wait()
        while self.router.poll(20):
            self.hear()  # What it said last counts: a snapshot above all.

    def application(self) -> Application:
        """A new application that has joined the stack."""
        app = Application(self.run)
        self.applications.append(app)
        assert app.answer() == "ready"
        return app

    def end(self) -> None:
        for app in self.applications:
            app.gone()
        for child in self.children.values():
            child.kill()
            child.wait()
        self.router.close()


@contextmanager
def running_testbed() -> Iterator[Supervisor]:
    """A SYSCALL server and a replica in processes of their own."""
    # A short path: those of Unix sockets may have 107 octets.
    run = tempfile.mkdtemp(prefix="neat")
    for folder in ("bells", "rings", "log"):
        os.mkdir(Path(run) / folder)
    supervisor = Supervisor(run)
    try:
        supervisor.start_syscall()
        supervisor.start_replica(1)
        yield supervisor
    finally:
        supervisor.end()
        shutil.rmtree(run)
