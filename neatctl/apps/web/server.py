"""The event loop of the web server: moves octets between a network and the machines of http.py.

A turn takes what is ready, lets the machine answer, sends at once, and waits for room only where not
all was taken; what could not be sent stays in place, shared, and nothing more is read meanwhile. All
deadlines are looked at once a second in one pass. The only reader of the clock here is `run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from neatctl.apps.web.http import CLOSING, LINGERING, OPEN, Connection, Service
from neatctl.apps.web.network import FAILED, HUNG_UP, READABLE, WRITABLE, Network

HOOK_US = 50_000
"""How often `on_turn` is called, at least every twice that."""
DRAIN_US = 10_000_000
"""How long the connections that are being served may take when the server ends."""
_ACCEPT_BURST = 64

_HOOK_US = HOOK_US
_OPEN = OPEN
_CLOSING = CLOSING
_LINGERING = LINGERING
_READABLE = READABLE
_WRITABLE = WRITABLE
_BROKEN = FAILED | HUNG_UP


class Client:
    """One connection: its socket, its machine, and what its socket is watched for."""

    def __init__(self, sock: object, machine: Connection) -> None:
        self.sock = sock
        self.machine = machine
        self.watched = 0
        self.shut = False


class Server:
    """Serves one site on one network until it is told to end."""

    def __init__(self, network: Network, service: Service, wall: Callable[[], float] = time.time) -> None:
        self.network = network
        self.service = service
        self.clients: dict[Client, None] = {}
        self.accepted = 0
        """Connections accepted."""
        self.lost = 0
        """Connections that the client reset, or that died with their replica."""
        self.sent_octets = 0
        self.received_octets = 0
        self.turns = 0
        self._wall = wall
        self._second_at = 0
        self._drain_until = -1
        network.watch(None, None, _READABLE, 0)

    def run(self, on_turn: Callable[[int], None]) -> None:
        """Serve until drained. `on_turn(now)` is called at least every 100 ms: heartbeats, signals."""
        hook_at = 0
        now = time.monotonic_ns() // 1000
        while not self.done():
            if now >= hook_at:
                on_turn(now)
                hook_at = now + _HOOK_US
            ready = self.network.poll(hook_at - now)
            now = time.monotonic_ns() // 1000
            self.turn(ready, now)

    def turn(self, ready: list[tuple[Any, int]], now: int) -> None:
        """Serve what a poll found ready at `now`, and what is due."""
        self.turns += 1
        due = now >= self._second_at
        if due:
            wall = self._wall()
            self.service.tick(int(wall))
            self._second_at = now + 1_000_000 - int((wall - int(wall)) * 1e6)
        count = len(ready)
        i = 0
        client: Client | None = None
        while i < count:
            try:
                while i < count:
                    item = ready[i]
                    i += 1
                    client = item[0]
                    if client is None:
                        self._accept(now)
                    else:
                        self._ready(client, item[1], now)
            except OSError:
                if client is None:
                    raise
                self._lost(client)
        if due:
            self._expire(now)

    def done(self) -> bool:
        """It was drained, and every connection has ended."""
        return self._drain_until >= 0 and not self.clients

    def drain(self, now: int) -> None:
        """Accept no more; finish what was asked for, for at most DRAIN_US."""
        if self._drain_until >= 0:
            return
        self._drain_until = now + DRAIN_US
        self.service.draining = True
        self.network.close(None)
        for client in list(self.clients):
            if client.machine.idle():
                self._finish(client)

    def counters(self) -> dict[str, int]:
        """Totals since the start."""
        service = self.service
        return {
            "connections": self.accepted,
            "requests": service.requests,
            "refusals": service.refusals,
            "timeouts": service.timeouts,
            "lost": self.lost,
            "rx_octets": self.received_octets,
            "tx_octets": self.sent_octets,
        }

    # ---- one connection ----
    def _accept(self, now: int) -> None:
        """Take a burst of connections. Most have sent their request by now, so each is read at once."""
        for _ in range(_ACCEPT_BURST):
            sock = self.network.accept()
            if sock is None:
                return
            client = Client(sock, Connection(self.service, now))
            self.clients[client] = None
            self.accepted += 1
            try:
                self._ready(client, _READABLE, now)
            except OSError:
                self._lost(client)

    def _ready(self, client: Client, events: int, now: int) -> None:
        """Its socket is ready: send what waits, else read and answer. OSError when it failed."""
        machine = client.machine
        if machine.output is None and events & (_READABLE | _BROKEN):
            data = self.network.receive(client.sock)
            if data is not None:
                if data:
                    self.received_octets += len(data)
                    machine.receive(data, now)
                else:
                    machine.end()
        self._send(client, now)

    def _send(self, client: Client, now: int) -> None:
        """Send what the machine has, then do what it wants: go on, linger, close, or wait for room."""
        machine = client.machine
        network = self.network
        while machine.output is not None:
            wanted = machine.stop - machine.at
            taken = network.send(client.sock, machine.output, machine.at, machine.stop)
            self.sent_octets += taken
            machine.sent(taken, now)
            if taken < wanted:
                if client.watched != _WRITABLE:
                    network.watch(client.sock, client, _WRITABLE, client.watched)
                    client.watched = _WRITABLE
                return
        if machine.state == _CLOSING:
            self._finish(client)
            return
        if machine.state == _LINGERING and not client.shut:
            client.shut = True
            network.shut(client.sock)
        if client.watched != _READABLE:
            network.watch(client.sock, client, _READABLE, client.watched)
            client.watched = _READABLE

    def _finish(self, client: Client) -> None:
        """Close in order."""
        self.network.close(client.sock)
        del self.clients[client]

    def _lost(self, client: Client) -> None:
        """The connection failed: nothing can be sent any more."""
        self.lost += 1
        self.network.abort(client.sock)
        del self.clients[client]

    # ---- time ----
    def _expire(self, now: int) -> None:
        """End whoever took too long."""
        drained = 0 <= self._drain_until <= now
        for client in list(self.clients):
            try:
                if drained:
                    self._give_up(client)
                elif client.machine.deadline <= now:
                    client.machine.expire(now)
                    if client.machine.given_up:
                        self._give_up(client)
                    else:
                        self._send(client, now)
            except OSError:
                self._lost(client)

    def _give_up(self, client: Client) -> None:
        self.network.abort(client.sock)
        del self.clients[client]
