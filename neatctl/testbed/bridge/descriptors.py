"""The descriptors of one client: small numbers for sockets of the library, with what the library has no place for.

A socket of the library never blocks here; whether the client's does is a flag of its descriptor, and waiting is the
session's business. Errors are OSError with the errno that Linux gives.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from neatctl.core.sockets import POLLERR, POLLHUP, POLLIN, POLLOUT, DatagramSocket, Socket, Stack
from neatctl.testbed.bridge.addresses import failed

FIRST = 3
"""0 to 2 are a program's standard streams, so its first socket is 3."""
MAX_DESCRIPTORS = 1024

POLLNVAL, POLLRDNORM, POLLWRNORM, POLLRDHUP = 0x20, 0x40, 0x100, 0x2000
_NONBLOCK, _CLOEXEC = socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC
_KIND = 0xF
_PROTOCOLS: dict[int, int] = {socket.SOCK_STREAM: socket.IPPROTO_TCP, socket.SOCK_DGRAM: socket.IPPROTO_UDP}


@dataclass
class Descriptor:
    """An open descriptor."""

    sock: Socket | DatagramSocket
    nonblocking: bool
    family: int = socket.AF_INET
    receive_timeout_us: int = 0
    """SO_RCVTIMEO; 0 for none."""
    send_timeout_us: int = 0
    linger_us: int = 0
    """How long close(2) waits for acknowledgements (SO_LINGER); 0 for not at all."""

    @property
    def stream(self) -> Socket:
        """Its TCP socket; OSError EOPNOTSUPP if it is UDP's."""
        if not isinstance(self.sock, Socket):
            raise failed(errno.EOPNOTSUPP)
        return self.sock

    def readiness(self) -> int:
        """What poll(2) would say, asked for or not."""
        sock = self.sock
        if isinstance(sock, Socket) and sock.flow is None and sock.listener is None:
            return POLLOUT | POLLHUP
        found = int(sock.watched().readiness())
        if isinstance(sock, Socket) and sock.flow is not None and sock.flow.ended:
            found |= POLLRDHUP
        if found & POLLIN:
            found |= POLLRDNORM
        if found & POLLOUT:
            found |= POLLWRNORM
        return found


class Descriptors:
    """The table; always the lowest free number, as POSIX wants it."""

    def __init__(self, stack: Stack, families: tuple[int, ...]) -> None:
        self._stack = stack
        self._families = families
        self._open: dict[int, Descriptor] = {}

    def __getitem__(self, fd: int) -> Descriptor:
        try:
            return self._open[fd]
        except KeyError:
            raise failed(errno.EBADF) from None

    def get(self, fd: int) -> Descriptor | None:
        return self._open.get(fd)

    def add(self, descriptor: Descriptor) -> int:
        """The number of a new descriptor; EMFILE if there are too many."""
        if len(self._open) >= MAX_DESCRIPTORS:
            raise failed(errno.EMFILE)
        fd = FIRST
        while fd in self._open:
            fd += 1
        self._open[fd] = descriptor
        return fd

    def socket(self, domain: int, kind: int, protocol: int) -> int:
        """socket(2)."""
        if kind & ~(_KIND | _NONBLOCK | _CLOEXEC):
            raise failed(errno.EINVAL)
        if domain not in self._families:
            raise failed(errno.EAFNOSUPPORT)
        if kind & _KIND not in _PROTOCOLS:
            raise failed(errno.ESOCKTNOSUPPORT)
        if protocol not in (0, _PROTOCOLS[kind & _KIND]):
            raise failed(errno.EPROTONOSUPPORT)
        made: Socket | DatagramSocket = self._stack.socket()
        if kind & _KIND == socket.SOCK_DGRAM:
            made = self._stack.datagram_socket()
        made.setblocking(False)
        return self.add(Descriptor(made, bool(kind & _NONBLOCK), domain))

    def accept(self, fd: int, flags: int) -> tuple[int, tuple[str, int]]:
        """accept4(2) without waiting: EAGAIN if there is no connection."""
        if flags & ~(_NONBLOCK | _CLOEXEC):
            raise failed(errno.EINVAL)
        listening = self[fd]
        if len(self._open) >= MAX_DESCRIPTORS:
            raise failed(errno.EMFILE)
        accepted, peer = listening.stream.accept()
        accepted.setblocking(False)
        return self.add(Descriptor(accepted, bool(flags & _NONBLOCK), listening.family)), peer

    def close(self, fd: int) -> None:
        """close(2)."""
        self[fd].sock.close()
        del self._open[fd]

    def poll(self, wanted: list[tuple[int, int]]) -> list[int]:
        """The `revents` of pairs of descriptor and events; a negative descriptor is passed over."""
        found = []
        for fd, events in wanted:
            descriptor = self._open.get(fd)
            if descriptor is not None:
                found.append(descriptor.readiness() & (events | POLLERR | POLLHUP))
            else:
                found.append(POLLNVAL if fd >= 0 else 0)
        return found

    def close_all(self) -> None:
        for fd in list(self._open):
            self.close(fd)
