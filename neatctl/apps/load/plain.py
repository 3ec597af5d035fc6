"""A small load of persistent HTTP connections over the kernel's sockets, for the clients' side of a testbed.

Each connection asks again as soon as it was answered, or so much later that all together keep to a
rate. Every answer is checked: status, length and octets. What goes wrong is counted by class and by
connection, with its time; an orderly close by the server (its limit of requests per connection) is no
error. Plain Python and epoll; not a benchmark tool.
Run by `neatctl exec -- python -m neatctl.apps.load`; knows nothing of the stack.
"""

from __future__ import annotations

import argparse
import errno
import json
import select
import socket
import sys
import time
from collections import deque
from urllib.parse import urlsplit

CLASSES = ("reset", "refused", "timeout", "unreachable", "closed", "status", "content")
TIMEOUT_S = 5.0
RETRY_S = 0.02
_HEADER_END = b"\r\n\r\n"


class Connection:
    """One client: its socket, what it has of the current answer, and its history."""

    __slots__ = ("answered", "asked_at", "broken_at", "data", "requests", "retry_at", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.data = b""
        self.asked_at = 0.0
        self.retry_at = 0.0
        self.requests = 0
        self.answered = False
        """Whether the current socket has had an answer."""
        self.broken_at: list[float] = []


class Load:
    """So many connections that ask for one path, at most `rate` times a second in all (0: as often as they can)."""

    def __init__(self, address: tuple[str, int], path: str, connections: int, rate: float = 0.0) -> None:
        self._address = address
        self._request = f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode()
        self._epoll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        self._body: bytes | None = None
        self._usual = b""
        self._pause_s = connections / rate if rate else 0.0
        self._waiting: deque[tuple[float, Connection, socket.socket]] = deque()
        self.connections = [Connection() for _ in range(connections)]
        self.requests = 0
        self.opened = 0
        self.errors = dict.fromkeys(CLASSES, 0)
        self.begun = time.monotonic()
        self.per_100_ms: list[int] = []

    def run(self, seconds: float) -> None:
        """Load for so long, then close everything."""
        end = self.begun + seconds
        for connection in self.connections:
            self._open(connection)
        look_at = self.begun
        while (now := time.monotonic()) < end:
            for fd, events in self._epoll.poll(self._pause_until(now)):
                ready = self._by_fd.get(fd)
                if ready is not None:
                    self._ready(ready, events)
            self._ask_who_waited()
            if now >= look_at:
                look_at = now + 0.02
                self._look_after(now)
        for connection in self.connections:
            self._close(connection)
        self._epoll.close()

    def report(self) -> dict[str, object]:
        """What happened, for JSON."""
        seconds = time.monotonic() - self.begun
        broken = [connection for connection in self.connections if connection.broken_at]
        return {
            "connections": len(self.connections),
            "seconds": round(seconds, 3),
            "requests": self.requests,
            "requests_per_s": round(self.requests / seconds, 1),
            "opened": self.opened,
            "errors": self.errors,
            "errors_total": sum(self.errors.values()),
            "broken_connections": len(broken),
            "unbroken_connections": len(self.connections) - len(broken),
            "broken_at_s": sorted(round(at, 4) for connection in broken for at in connection.broken_at),
            "requests_per_100_ms": self.per_100_ms,
        }

    # ---- one connection ----
    def _open(self, connection: Connection) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        connection.sock, connection.data, connection.answered = sock, b"", False
        connection.asked_at = time.monotonic()
        connection.retry_at = 0.0
        self.opened += 1
        result = sock.connect_ex(self._address)
        if result not in {0, errno.EINPROGRESS}:
            self._failed(connection, result)
            return
        self._by_fd[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), select.EPOLLOUT)

    def _close(self, connection: Connection) -> None:
        if connection.sock is not None:
            if self._by_fd.pop(connection.sock.fileno(), None) is not None:
                self._epoll.unregister(connection.sock.fileno())
            connection.sock.close()
            connection.sock = None

    def _ready(self, connection: Connection, events: int) -> None:
        sock = connection.sock
        assert sock is not None
        try:
            if events & select.EPOLLOUT:
                failure = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if failure:
                    self._failed(connection, failure)
                    return
                self._epoll.modify(sock.fileno(), select.EPOLLIN)
                self._ask(connection)
                return
            data = sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(connection, error.errno or 0)
            return
        if data == self._usual and not connection.data:
            self._answered(connection)
        elif data:
            connection.data += data
            self._take(connection)
        else:
            self._count(connection, "closed")

    def _ask(self, connection: Connection) -> None:
        assert connection.sock is not None
        connection.asked_at = time.monotonic()
        try:
            connection.sock.send(self._request)
        except OSError as error:
            self._failed(connection, error.errno or 0)

    def _take(self, connection: Connection) -> None:
        """Look whether the answer is complete, and whether it is right."""
        head_end = connection.data.find(_HEADER_END)
        if head_end < 0:
            return
        head = connection.data[:head_end]
        lines = head.split(b"\r\n")
        parted = (line.partition(b":") for line in lines[1:])
        fields = {name.strip().lower(): value.strip() for name, _, value in parted}
        length = int(fields.get(b"content-length", b"0"))
        total = head_end + 4 + length
        if len(connection.data) < total:
            return
        body = connection.data[head_end + 4 : total]
        if not lines[0].startswith(b"HTTP/1.1 200"):
            self._count(connection, "status")
            return
        if self._body is None:
            self._body = body
        if body != self._body or len(connection.data) != total:
            self._count(connection, "content")
            return
        last = fields.get(b"connection", b"").lower() == b"close"
        if not last and length < 4096:
            self._usual = connection.data
        connection.data = b""
        if last:
            self.requests += 1
            connection.requests += 1
            self._close(connection)
            self._open(connection)
        else:
            self._answered(connection)

    def _answered(self, connection: Connection) -> None:
        self.requests += 1
        connection.requests += 1
        connection.answered = True
        if self._pause_s:
            assert connection.sock is not None
            # All pauses are equal, so the queue is in order.
            self._waiting.append((time.monotonic() + self._pause_s, connection, connection.sock))
        else:
            self._ask(connection)

    def _pause_until(self, now: float) -> float:
        """How long to wait for answers."""
        return min(max(self._waiting[0][0] - now, 0.0), 0.01) if self._waiting else 0.01

    def _ask_who_waited(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, connection, sock = self._waiting.popleft()
            if connection.sock is sock:
                self._ask(connection)

    # ---- what goes wrong ----
    def _failed(self, connection: Connection, code: int) -> None:
        names = {
            errno.ECONNRESET: "reset",
            errno.EPIPE: "reset",
            errno.ECONNREFUSED: "refused",
            errno.ETIMEDOUT: "timeout",
        }
        self._count(connection, names.get(code, "unreachable"))

    def _count(self, connection: Connection, what: str) -> None:
        """An error: a connection that had been answered is broken, one that had not is tried again."""
        self.errors[what] += 1
        now = time.monotonic()
        if connection.answered or what in {"status", "content"}:
            connection.broken_at.append(now - self.begun)
        self._close(connection)
        connection.retry_at = now + RETRY_S

    def _look_after(self, now: float) -> None:
        slot = int((now - self.begun) * 10)
        while len(self.per_100_ms) <= slot:
            self.per_100_ms.append(self.requests - sum(self.per_100_ms))
        for connection in self.connections:
            if connection.sock is None:
                if now >= connection.retry_at:
                    self._open(connection)
            elif now - connection.asked_at > TIMEOUT_S:
                self._count(connection, "timeout")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m neatctl.apps.load", description="Load of persistent connections.")
    parser.add_argument("url", help="for example http://10.77.0.2/20b")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests/s of all at most; default: no limit")
    options = parser.parse_args()
    url = urlsplit(options.url)
    if url.scheme != "http" or not url.hostname:
        parser.error(f"not an http URL: {options.url}")
    load = Load((url.hostname, url.port or 80), url.path or "/", options.connections, options.rate)
    load.run(options.seconds)
    print(json.dumps(load.report()))
    return 1 if load.errors["status"] or load.errors["content"] or not load.requests else 0


if __name__ == "__main__":
    sys.exit(main())
