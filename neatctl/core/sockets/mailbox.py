"""What arrived for one UDP socket until its program takes it, and what was heard of the datagrams that it sent.

Bounded: what finds no room is dropped and counted. Links feed it, the socket empties it. Knows no records.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from neatctl.core.sockets.readiness import POLLERR, POLLIN, POLLOUT, Watched

if TYPE_CHECKING:
    from neatctl.core.sockets.link import Link

RECEIVE_OCTETS = 262144
"""What may wait for a socket's program, unless SO_RCVBUF says otherwise."""
_COST = 256
"""What a datagram takes beside its octets."""
_PORTS = 4
_IN, _OUT, _ERR = POLLIN, POLLOUT, POLLERR


class Mailbox(Watched):
    """What arrived for one socket, from all replicas. Ends are as in records: remote port, local port, remote address,
    local address."""

    def __init__(self, links: list[Link]) -> None:
        super().__init__()
        self.ident = 0
        """As the SYSCALL server counts, once it is bound."""
        self.peer = b""
        """The remote port and address that it is connected to; b"" if to none."""
        self.room = RECEIVE_OCTETS
        self.octets = 0
        self.dropped = 0
        """Datagrams that found no room, or came from another than the peer."""
        self.error = 0
        """The errno that the next call reports, once."""
        self.datagrams: deque[tuple[bytes, bytes]] = deque()
        """Ends and octets."""
        self._links = links

    def readiness(self) -> int:
        events = _OUT
        if self.datagrams:
            events |= _IN
        if self.error:
            events |= _ERR | _IN
        for link in self._links:
            if link.outlet.blocked:
                link.outlet.await_room(self)
                events &= ~_OUT
        return events

    def arrived(self, ends: bytes, data: bytes) -> None:
        """A datagram."""
        cost = len(data) + _COST
        if (self.peer and not self._is_peer(ends)) or self.octets + cost > self.room:
            self.dropped += 1
            return
        self.octets += cost
        self.datagrams.append((ends, data))
        self.wake()

    def undelivered(self, ends: bytes, error: int, here: bool) -> None:
        """A datagram to these ends did not arrive. What others say concerns a connected socket alone (udp(7))."""
        if here or (self.peer and self._is_peer(ends)):
            self.error = error
            self.wake()

    def _is_peer(self, ends: bytes) -> bool:
        width = (len(ends) - _PORTS) >> 1
        return ends[:2] + ends[_PORTS : _PORTS + width] == self.peer

    def take(self) -> tuple[bytes, bytes]:
        """The oldest datagram."""
        ends, data = self.datagrams.popleft()
        self.octets -= len(data) + _COST
        return ends, data
