"""The library over the real TCP layer: an echo through sockets, with a client on a wire that loses and reorders."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from neatctl.core.sockets import POLLIN, POLLOUT, Poll, Socket, Stack
from tests.core.sockets.desk import Desk, HandReplica, desk_of
from tests.core.tcp.host import APP, CLIENT, PORT, SERVER, Host, Told
from tests.core.tcp.wire import Program, Weather, Wire

CALM = Weather()
ROUGH = Weather(loss=0.02, duplicate=0.02, jitter_us=200, reorder=0.05)
IDLE_US = 500


class Share(Host):
    """One program's share of the client machine, which tells several programs."""

    def __init__(self, host: Host, told: dict[int, list[Told]]) -> None:
        self._host = host
        self._told = told
        self.id = 0

    def told(self) -> list[Told]:
        for each in self._host.told():
            self._told.setdefault(each.id, []).append(each)
        return self._told.pop(self.id, [])

    def say(self, kind: int, id: int, value: int = 0, second: int = 0, payload: bytes = b"", flags: int = 0) -> None:
        self._host.say(kind, id, value, second, payload, flags)


class Machine:
    """A replica with real TCP behind the rings, and the clients at the other end of its wire; turns in a thread."""

    def __init__(self, replica: HandReplica, weather: Weather) -> None:
        self._wire = Wire(1, weather, weather)
        server = self._wire.server
        server.tcp.detach(APP, server.now)
        self._commands, self._events = replica.link()
        self._app = max(link.app for link in replica.setup.apps)
        server.tcp.attach(self._app, self._events)
        server.tcp.listen(replica.listener(), self._app, "", PORT, 64)
        self._told: dict[int, list[Told]] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run)

    def client(self, data: bytes, port: int) -> Program:
        """A client that sends `data`, reads with pauses, shuts and closes when it has got all."""
        share = Share(self._wire.client, self._told)
        share.id = self._wire.client.tcp.connect(APP, CLIENT, port, SERVER, PORT, self._wire.now)
        program = Program(share, data, random.Random(port), 30_000, 0.2, True)
        self._wire.programs.append(program)
        return program

    def _run(self) -> None:
        wire = self._wire
        while not self._stopping:
            busy = self._obey()
            for host in (wire.client, wire.server):
                busy = wire._turn(host) or busy
            self._events.flush()
            for program in wire.programs:
                busy = program.run() or busy
            wire._set_time(wire.now + (20 if busy else IDLE_US))

    def _obey(self) -> bool:
        busy = False
        while (octets := self._commands.peek()) >= 0:
            server = self._wire.server
            server.tcp.command(self._app, self._commands.memory, self._commands.at, octets, server.now)
            self._commands.release()
            busy = True
        self._commands.flush()
        return busy

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with desk_of(1) as running:
        yield running


@contextmanager
def serving(desk: Desk, weather: Weather) -> Iterator[tuple[Stack, Socket, Machine]]:
    with desk.stack() as stack:
        server = stack.socket()
        server.bind(("", PORT))
        server.listen()
        server.settimeout(30)
        machine = Machine(desk.replicas[0], weather)
        try:
            yield stack, server, machine
        finally:
            machine.stop()


@pytest.mark.parametrize("weather", [CALM, ROUGH], ids=["calm", "rough"])
def test_a_blocking_echo_gives_every_octet_back(desk: Desk, weather: Weather) -> None:
    data = os.urandom(600_000)
    with serving(desk, weather) as (_, server, machine):
        program = machine.client(data, 40001)
        machine.start()
        sock, address = server.accept()
        assert address == ("10.77.0.1", 40001)
        sock.settimeout(30)
        rng = random.Random(2)
        while octets := sock.recv(rng.randint(1, 100_000)):
            sock.sendall(octets)
        sock.close()
        _finish(program)
    assert program.got == data
    assert program.ended
    assert program.error == 0


def test_many_connections_on_one_poll(desk: Desk) -> None:
    """Twelve clients at once; the server keeps what it cannot send, as apps/echo.py does."""
    with serving(desk, CALM) as (stack, server, machine):
        programs = {40_100 + n: machine.client(os.urandom(20_000 * (n + 1)), 40_100 + n) for n in range(12)}
        sent = {port: program.left for port, program in programs.items()}
        machine.start()
        poll = Poll(stack)
        server.setblocking(False)
        poll.register(server, POLLIN)
        unsent: dict[Socket, bytes] = {}
        finished = 0
        while finished < len(programs):
            ready = poll.poll(30)
            assert ready, "nothing for half a minute"
            for sock, _ in ready:
                assert isinstance(sock, Socket)
                if sock is server:
                    connection, _ = server.accept()
                    connection.setblocking(False)
                    poll.register(connection, POLLIN)
                    continue
                octets = unsent.pop(sock, b"") or sock.recv(65536)
                if not octets:
                    sock.close()
                    finished += 1
                    continue
                try:
                    taken = sock.send(octets)
                except BlockingIOError:
                    taken = 0
                if taken < len(octets):
                    unsent[sock] = octets[taken:]
                poll.modify(sock, POLLOUT if taken < len(octets) else POLLIN)
        stack.flush()
        for program in programs.values():
            _finish(program)
    assert {port: bytes(program.got) for port, program in programs.items()} == sent


def _finish(program: Program) -> None:
    """Wait for the client to have everything; the machine's thread turns meanwhile."""
    waiting = threading.Event()
    for _ in range(3000):
        if program.done:
            return
        waiting.wait(0.005)
    raise AssertionError("the client did not come to its end")
