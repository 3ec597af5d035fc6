"""One application's channel as TCP sees it, and the listeners that it has in this replica.

Owns the order of what an application is told and the wait for room in its channel. A listener counts what
RFC 9293's passive OPEN leaves open: handshakes that are under way and connections not yet taken.
Knows no segments. Records: core/channel/records.py.
"""

from __future__ import annotations

from typing import Any

from neatctl.core.channel.face import Producer
from neatctl.core.channel.records import SOCKET_HEADER
from neatctl.core.local_end import LocalEnd
from neatctl.core.tcp.options import Options

_HEADER = SOCKET_HEADER


class Application:
    """The channel to one application."""

    def __init__(self, number: int, events: Producer) -> None:
        self.number = number
        self.events = events
        self.gone = False
        """Detached: nothing is told any more."""
        self.waiting: list[Any] = []
        """The connections (Tcb) that have something to tell and found no room."""
        self.refused: list[tuple[int, int]] = []
        """CONNECTs that cannot be and were not told: number, errno."""

    def begin(self, kind: int, id: int, value: int, second: int, octets: int) -> int:
        """Begin a record with `octets` of payload: where the payload goes in `events.memory`, or -1 for no room."""
        at = self.events.reserve(_HEADER + octets)
        if at < 0:
            return -1
        memory = self.events.memory
        memory.put32(at, kind << 24)
        memory.put32(at + 4, id)
        memory.put32(at + 8, value)
        memory.put32(at + 12, second)
        return at + _HEADER

    def end(self, octets: int) -> None:
        """End the record that `begin` began."""
        self.events.commit(_HEADER + octets)


class Listener(LocalEnd):
    """A listening socket's share in this replica (the paper's subsocket, section 3.3)."""

    def __init__(
        self, number: int, app: Application, address: bytes, port: int, backlog: int, family_octets: int = 0
    ) -> None:
        super().__init__(number, address, port, family_octets)
        self.app = app
        self.backlog = backlog
        self.options: Options | None = None
        """What its connections begin with; None for all defaults."""
        self.defer_us = 0
        """How long a connection waits for its first octets before the application is told (TCP_DEFER_ACCEPT)."""
        self.half_open = 0
        self.untaken = 0
        """Connections that the application was told of and did not take."""
