"""The web server's network on a running stack, through the socket library.

Uses the library's connections (Flow) directly: what would block is seen before the call, so nothing is
raised on the path of requests. Sends become visible to the replicas at the next poll, all at once; a
reply and the close that follows it leave as one record.
"""

from __future__ import annotations

import errno
from typing import Any

from neatctl.apps.web.network import Network
from neatctl.core.sockets.flow import Flow, Listener, failure
from neatctl.core.sockets.poll import Poll
from neatctl.core.sockets.readiness import POLLIN, Entry
from neatctl.core.sockets.stack import Stack
from neatctl.core.sockets.stream import Socket

_RECEIVE_OCTETS = 65536


class StackNetwork(Network):
    """Listens on a port in every replica."""

    def __init__(self, stack: Stack, port: int, backlog: int = 1024) -> None:
        self.stack = stack
        self._socket = Socket(stack)
        self._socket.setblocking(False)
        self._socket.bind(("", port))
        self._socket.listen(backlog)
        listener = self._socket.listener
        assert listener is not None
        self._listener: Listener = listener
        self._poll = Poll(stack)

    def accept(self) -> object | None:
        return self._listener.accept()

    def receive(self, sock: object) -> bytes | None:
        flow: Flow = sock  # type: ignore[assignment]
        if flow.unread:
            return flow.take(_RECEIVE_OCTETS)
        if not flow.ended:
            return None
        if flow.error:
            raise failure(flow.error)
        return b""

    def send(self, sock: object, data: bytes, at: int, stop: int) -> int:
        flow: Flow = sock  # type: ignore[assignment]
        if flow.failed or flow.shut:
            raise failure(errno.EPIPE)
        return flow.send(data, None, at, stop - at)

    def shut(self, sock: object) -> None:
        flow: Flow = sock  # type: ignore[assignment]
        flow.shut_down()

    def close(self, sock: object) -> None:
        if sock is None:
            self._socket.close()
            return
        flow: Flow = sock  # type: ignore[assignment]
        flow.close(flow.unread > 0)

    def abort(self, sock: object) -> None:
        flow: Flow = sock  # type: ignore[assignment]
        flow.close(True)

    def watch(self, sock: object, token: object, events: int, watched: int) -> None:
        if sock is None:
            self._poll.watch(self._listener, POLLIN, None)
            return
        flow: Flow = sock  # type: ignore[assignment]
        if watched:
            entry: Entry = flow.entries[0]
            entry.change(events)
        else:
            # It will be used again or for long: a reply's last segment must not wait for an acknowledgement.
            flow.set_nodelay(True)
            self._poll.watch(flow, events, token)

    def poll(self, timeout_us: int) -> list[tuple[Any, int]]:
        return self._poll.poll_us(timeout_us)
