"""The system calls of the load client: the plain twin of `kernel.pyx`, which makes no objects.

The same names and behaviour; the interpreter prefers the compiled module. Sockets are descriptors. A call that fails
returns -errno, since what fails is counted here and raised nowhere. Knows nothing of HTTP.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from neatctl.apps.load.octets import Octets

COMPILED = False

_MOST = 512
_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Target:
    """Where connections go."""

    def __init__(self, address: str, port: int) -> None:
        self._address = (socket.inet_ntoa(socket.inet_aton(address)), port)

    def connect(self) -> int:
        """A socket that is connecting (EPOLLOUT when it has), or -errno."""
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            return -(error.errno or errno.EIO)
        code = sock.connect_ex(self._address)
        if code not in {0, errno.EINPROGRESS}:
            sock.close()
            return -code
        return sock.detach()


class Poller:
    """Waits for many sockets at once, told by edges: EPOLLIN, EPOLLOUT, EPOLLRDHUP and what epoll always tells."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._tags: dict[int, int] = {}
        self._ready: list[tuple[int, int]] = []

    def close(self) -> None:
        self._epoll.close()

    def watch(self, fd: int, tag: int) -> int:
        """Tell the events of a socket under this number until it is closed; 0 or -errno."""
        try:
            self._epoll.register(fd, _EVENTS)
        except OSError as error:
            return -(error.errno or errno.EIO)
        self._tags[fd] = tag
        return 0

    def wait(self, timeout_us: int) -> int:
        """How many are ready, at most 512; -1 when a signal came (here Python handles it and waits on)."""
        # Down to whole milliseconds: the last one is polled away.
        self._ready = self._epoll.poll(max(timeout_us, 0) // 1000 / 1000, _MOST)
        return len(self._ready)

    def tag(self, i: int) -> int:
        """The number of the i-th that is ready."""
        return self._tags[self._ready[i][0]]

    def events(self, i: int) -> int:
        """Its events."""
        return self._ready[i][1]


def send(fd: int, memory: Octets, at: int, octets: int) -> int:
    """Octets taken by the socket, or -errno."""
    memory._check(at, octets)
    try:
        return os.write(fd, memory.view[at : at + octets])
    except OSError as error:
        return -(error.errno or errno.EIO)


def receive(fd: int, memory: Octets, at: int, octets: int) -> int:
    """Octets that came from the socket, 0 for its end, or -errno."""
    memory._check(at, octets)
    try:
        return os.readv(fd, [memory.view[at : at + octets]])
    except OSError as error:
        return -(error.errno or errno.EIO)


def close_socket(fd: int) -> None:
    os.close(fd)


def error_of(fd: int) -> int:
    """The error that a socket has pending (SO_ERROR), 0 for none."""
    sock = socket.socket(fileno=fd)
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    finally:
        sock.detach()


def local_port(fd: int) -> int:
    """The port of this end, 0 if unknown."""
    sock = socket.socket(fileno=fd)
    try:
        return int(sock.getsockname()[1])
    except OSError:
        return 0
    finally:
        sock.detach()


def now_us() -> int:
    """Microseconds of the monotonic clock."""
    return time.monotonic_ns() // 1000


def exact_timers() -> None:
    """Let time-outs of this process end when they should, not up to 50 us later (only compiled)."""
