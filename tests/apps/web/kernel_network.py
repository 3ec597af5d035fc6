"""The web server's network on kernel sockets, for tests and benchmarks on loopback."""

from __future__ import annotations

import select
import socket
import struct
from typing import Any, cast

from neatctl.apps.web.network import Network


class KernelNetwork(Network):
    """Listens on loopback; `port` is where."""

    def __init__(self) -> None:
        self.listener: socket.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self._epoll = select.epoll()
        self._tokens: dict[int, Any] = {}

    def accept(self) -> object | None:
        try:
            sock, _ = self.listener.accept()
        except (BlockingIOError, OSError):
            return None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def receive(self, sock: object) -> bytes | None:
        try:
            return cast("socket.socket", sock).recv(65536)
        except BlockingIOError:
            return None

    def send(self, sock: object, data: bytes, at: int, stop: int) -> int:
        try:
            return cast("socket.socket", sock).send(memoryview(data)[at:stop], socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0

    def shut(self, sock: object) -> None:
        cast("socket.socket", sock).shutdown(socket.SHUT_WR)

    def close(self, sock: object) -> None:
        if sock is None:
            self.listener.close()
        else:
            cast("socket.socket", sock).close()

    def abort(self, sock: object) -> None:
        cast("socket.socket", sock).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(sock)

    def watch(self, sock: object, token: object, events: int, watched: int) -> None:
        fd = (self.listener if sock is None else cast("socket.socket", sock)).fileno()
        self._tokens[fd] = token
        (self._epoll.modify if watched else self._epoll.register)(fd, events)

    def poll(self, timeout_us: int) -> list[tuple[Any, int]]:
        return [(self._tokens[fd], events) for fd, events in self._epoll.poll(timeout_us / 1e6, 512)]
