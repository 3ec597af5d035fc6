"""The socket library: what a program imports to use a stack.

    stack = Stack.connect_to("/run/neatctl/main", "my-server")
    server = stack.socket()
    server.bind(("", 80))
    server.listen()

Knows records and the SYSCALL server's messages; never the TCP of a replica.
"""

from __future__ import annotations

from neatctl.core.sockets.poll import Poll
from neatctl.core.sockets.readiness import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI
from neatctl.core.sockets.stack import Stack
from neatctl.core.sockets.stream import Socket
from neatctl.core.spin import Pace

__all__ = ["POLLERR", "POLLHUP", "POLLIN", "POLLOUT", "POLLPRI", "Pace", "Poll", "Socket", "Stack", "socket"]


def socket(stack: Stack) -> Socket:
    """A new TCP socket of this stack."""
    return Socket(stack)
