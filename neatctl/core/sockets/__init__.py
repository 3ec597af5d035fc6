"""The socket library: what a program imports to use a stack.

    stack = Stack.connect_to("/run/neatctl/main", "my-server")
    server = stack.socket()
    server.bind(("", 80))
    server.listen()

    client = create_connection(stack, ("10.77.0.1", 8000))

    datagrams = stack.datagram_socket()
    datagrams.bind(("", 53))

Knows records and the SYSCALL server's messages; never the protocols of a replica.
"""

from __future__ import annotations

from neatctl.core.sockets.datagram import DatagramSocket
from neatctl.core.sockets.poll import Poll
from neatctl.core.sockets.readiness import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI
from neatctl.core.sockets.stack import Stack
from neatctl.core.sockets.stream import Socket
from neatctl.core.spin import Pace

__all__ = [
    "POLLERR",
    "POLLHUP",
    "POLLIN",
    "POLLOUT",
    "POLLPRI",
    "DatagramSocket",
    "Pace",
    "Poll",
    "Socket",
    "Stack",
    "create_connection",
    "socket",
]


def socket(stack: Stack) -> Socket:
    """A new TCP socket of this stack."""
    return Socket(stack)


def create_connection(
    stack: Stack,
    address: tuple[str, int],
    timeout: float | None = None,
    source_address: tuple[str, int] | None = None,
) -> Socket:
    """A socket connected to an address (an IP address, not a name) and port, from `source_address` if given. OSError as
    `Socket.connect`; the socket keeps the timeout, in seconds."""
    made = Socket(stack)
    try:
        made.settimeout(timeout)
        if source_address is not None:
            made.bind(source_address)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made
