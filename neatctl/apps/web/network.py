"""What the web server needs of a network, and no more: the face that its loop is written against.

Sockets are opaque here. `StackNetwork` (stack_network.py) is the socket library; tests have one on kernel
sockets. A call on a socket that failed raises OSError, and only that socket is concerned.
"""

from __future__ import annotations

from typing import Any

READABLE = 1
"""Octets, a connection, the end of the stream or an error can be taken."""
WRITABLE = 4
"""Octets can be sent, or sending would fail at once."""
FAILED = 8
"""The connection failed; always reported."""
HUNG_UP = 16
"""Both directions have ended; always reported."""


class Network:
    """One listening socket and its connections. `token` is what `poll` reports; the listening socket's is None."""

    def accept(self) -> object | None:
        """The socket of a connection, None when none waits."""
        raise NotImplementedError

    def receive(self, sock: object) -> bytes | None:
        """Some octets, b"" at the end of the stream, None when there is nothing now."""
        raise NotImplementedError

    def send(self, sock: object, data: bytes, at: int, stop: int) -> int:
        """Send from `data[at:stop]` as much as can be sent now; how many octets."""
        raise NotImplementedError

    def shut(self, sock: object) -> None:
        """Send no more after what was sent (FIN); receiving goes on."""
        raise NotImplementedError

    def close(self, sock: object) -> None:
        """Be done with a connection in order, or with the listening socket where `sock` is None."""
        raise NotImplementedError

    def abort(self, sock: object) -> None:
        """Be done with a connection by a reset."""
        raise NotImplementedError

    def watch(self, sock: object, token: object, events: int, watched: int) -> None:
        """Report these events from now on (level-triggered); `watched` are those of the last call, 0 for none."""
        raise NotImplementedError

    def poll(self, timeout_us: int) -> list[tuple[Any, int]]:
        """Hand over what was sent, wait until something is ready or the time is over; tokens and their events."""
        raise NotImplementedError
