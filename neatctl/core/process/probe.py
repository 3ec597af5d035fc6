"""Sees whether an application answers, as a client does: by a connection through the whole stack.

An application tells the supervisor nothing; that its port takes a connection is the proof that counts.
A try that is refused is repeated, at once when the SYSCALL server has something new to tell; one without an
answer is given up, for the network may lose frames.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable

from neatctl.core.process.loop import Loop

PAUSE_US = 100_000
PATIENCE_US = 200_000


class Probe:
    """Tries to connect until it succeeds; then calls `answered` once."""

    def __init__(
        self,
        loop: Loop,
        address: tuple[str, int],
        answered: Callable[[], None],
    ) -> None:
        self._loop = loop
        self.client_socket: Callable[[], socket.socket] | None = None
        """Makes a socket on the clients' side, once there is one."""
        self._address = address
        self._answered = answered
        self._socket: socket.socket | None = None
        self._next = -1

    def begin(self, now: int) -> None:
        """Start trying, or start over."""
        self.end()
        self._try(now)

    def end(self) -> None:
        """Stop trying."""
        self._next = -1
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def hasten(self, now: int) -> None:
        """Something has changed: if a try is due at all, make it now."""
        if self._next >= 0:
            self.begin(now)

    def deadline(self) -> int:
        return self._next

    def expire(self, now: int) -> None:
        if 0 <= self._next <= now:
            self.begin(now)

    def _try(self, now: int) -> None:
        if self.client_socket is None:
            self._next = now + PAUSE_US
            return
        attempt = self.client_socket()
        attempt.setblocking(False)
        result = attempt.connect_ex(self._address)
        if result not in {0, errno.EINPROGRESS}:
            attempt.close()
            self._next = now + PAUSE_US
            return
        self._socket = attempt
        self._next = now + PATIENCE_US
        self._loop.watch(attempt.fileno(), self._decided, select.EPOLLOUT)

    def _decided(self) -> None:
        if self._socket is None:
            return
        failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if not failed and self._socket.connect_ex(self._address) == errno.EALREADY:
            return  # this was meant for a descriptor that had the same number before
        due = self._next
        self.end()
        if failed:
            self._next = due - PATIENCE_US + PAUSE_US
        else:
            self._answered()


def in_namespace(namespace_fd: int) -> Callable[[], socket.socket]:
    """Makes TCP sockets that live in the network namespace of this descriptor (setns(2)); -1 means our own."""

    def make() -> socket.socket:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)

    def make_there() -> socket.socket:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter_namespace(namespace_fd)
            try:
                return make()
            finally:
                enter_namespace(home)
        finally:
            os.close(home)

    return make if namespace_fd < 0 else make_there


def enter_namespace(fd: int) -> None:
    """Move the calling thread into the namespace of this descriptor."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")
