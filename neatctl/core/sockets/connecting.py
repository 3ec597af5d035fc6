"""connect(): which replica opens a connection, and how a socket gets from there to connected or to an error.

A connection may be any replica's (paper section 3.8): one at random, but for a bound port always the same while the
replicas are the same, since only one of them may have a pair of endpoints. The replica chooses the local end
(tcp/active_open.py); the SYSCALL server has no part in it. Errors and their order are Linux's.
"""

from __future__ import annotations

import errno
import random
import socket as kernel
from hashlib import blake2s
from typing import TYPE_CHECKING

from neatctl.core.native import now_us
from neatctl.core.sockets.flow import Flow, failure
from neatctl.core.sockets.link import Link
from neatctl.core.sockets.options import inherit
from neatctl.core.sockets.readiness import POLLERR, POLLHUP, POLLOUT

if TYPE_CHECKING:
    from neatctl.core.sockets.stack import Stack
    from neatctl.core.sockets.stream import Socket

_REPLICA_WAIT_US = 1_000_000
"""How long a call that may wait looks for a replica that serves."""
_DONE = POLLOUT | POLLERR | POLLHUP


def connect(sock: Socket, address: tuple[str, int]) -> None:
    """connect(2) of an open socket; OSError as `Socket.connect` has it."""
    if sock.listener is not None or (sock.flow is not None and not sock.connecting):
        raise failure(errno.EISCONN)
    pending = errno.EALREADY
    if sock.flow is None:
        _begin(sock, address)
        pending = errno.EINPROGRESS
    flow = sock.flow
    assert flow is not None
    if flow.opening and not flow.failed:
        if sock.timeout_us == 0:
            sock.stack.flush()
            sock.stack.turn()
            if not flow.readiness() & _DONE:
                raise failure(pending)
        elif not sock.stack.wait(flow, _DONE, now_us() + sock.timeout_us if sock.timeout_us > 0 else -1):
            raise TimeoutError("timed out")
    if flow.opening:
        error = flow.error or errno.ECONNABORTED
        give_up(sock)
        raise failure(error)
    sock.connecting = False


def give_up(sock: Socket) -> None:
    """The socket is no connection, nor becomes one: it may connect again. Polls forget it."""
    if sock.flow is not None:
        sock.flow.close(True)
    sock.flow = None
    sock.connecting = False


def _begin(sock: Socket, address: tuple[str, int]) -> None:
    """Ask a replica for the connection."""
    host, port = address
    if not 0 <= port <= 65535:
        raise OverflowError("connect(): port must be 0-65535.")
    remote = pack_host(host)
    own_host, own_port = sock.own_end()
    local = pack_host(own_host) if own_host else bytes(len(remote))
    if len(local) != len(remote):
        raise failure(errno.EINVAL)
    ends = port.to_bytes(2, "big") + own_port.to_bytes(2, "big") + remote + local
    if port == 0:
        raise failure(errno.ECONNREFUSED)
    options = b"".join(key.to_bytes(4, "big") + value.to_bytes(4, "big") for key, value in sock.options.items())
    link = replica_for(sock.stack, ends if own_port else b"", 0 if sock.timeout_us == 0 else _REPLICA_WAIT_US)
    flow = Flow(link.outlet, 0, 0, ends)
    flow.opening = True
    sock.flow = flow
    sock.connecting = True
    inherit(sock, sock.options)
    link.outlet.connect(flow, ends, options)


def pack_host(host: str) -> bytes:
    """The octets of an address; gaierror if it is none."""
    for family in (kernel.AF_INET, kernel.AF_INET6):
        try:
            return kernel.inet_pton(family, host)
        except OSError:
            continue
    raise kernel.gaierror(kernel.EAI_NONAME, f"{host!r} is not an IP address")


def replica_for(stack: Stack, ends: bytes, wait_us: int) -> Link:
    """The link to the replica for a connection or datagram: the one that `ends` name, or any for b"". ENETDOWN if none
    serves."""
    limit = now_us() + wait_us
    while True:
        serving: list[Link] = [link for link in stack.links if link.accepting]
        if serving and not ends:
            return random.choice(serving)
        if serving:
            # Rendezvous hashing: replicas that come and go change nothing for the pairs of the others.
            return max(serving, key=lambda link: blake2s(b"%b%d" % (ends, link.replica), digest_size=8).digest())
        now = now_us()
        if now >= limit:
            raise OSError(errno.ENETDOWN, "no replica takes new connections now: try again, or see `neatctl status`")
        stack.turn()
        stack.sleep(limit - now)
