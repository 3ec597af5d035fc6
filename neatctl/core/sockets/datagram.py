"""UDP sockets: the names, arguments and errors of Python's `socket.socket` of SOCK_DGRAM.

A bound socket is bound in every replica (paper section 3.3): its datagrams arrive by any, and leave by the one that a
hash of both ends names, so that those to one peer stay in order. What the program does not take in time is dropped
(SO_RCVBUF), as UDP may. Both families in one socket, unless bound to one.
"""

from __future__ import annotations

import errno
import socket as kernel
from typing import TYPE_CHECKING

from neatctl.core.native import Memory
from neatctl.core.sockets.connecting import pack_host, replica_for
from neatctl.core.sockets.endpoint import Endpoint
from neatctl.core.sockets.flow import failure
from neatctl.core.sockets.mailbox import RECEIVE_OCTETS, Mailbox
from neatctl.core.sockets.options import get_datagram_option, result, set_datagram_option
from neatctl.core.sockets.outlet import Outlet
from neatctl.core.sockets.readiness import POLLIN, POLLOUT, Watched
from neatctl.core.sockets.stack import Stack
from neatctl.core.sockets.stream import end_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

_IN, _OUT = POLLIN, POLLOUT
_MOST4, _MOST6 = 65507, 65527
_ADDRESS4 = 4
_PORTS = 4
_MAX_WAYS = 1024
_REPLICA_WAIT_US = 1_000_000


class DatagramSocket(Endpoint):
    """A UDP socket of a stack."""

    family = kernel.AF_INET
    type = kernel.SOCK_DGRAM
    proto = kernel.IPPROTO_UDP

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.reuse_address = 1
        self.reuse_port = 0
        """Whether it shares its port with other sockets that say so too; a hash of both ends chooses among them."""
        self.receive_octets = RECEIVE_OCTETS
        self.mailbox: Mailbox | None = None
        """None until it is bound."""
        self._address = ""
        self._port = 0
        self._peer: tuple[str, int] | None = None
        self._ways: dict[tuple[str, int], tuple[Outlet, bytes]] = {}
        """Where datagrams to an address leave, and their ends."""

    # ---- ends ----
    def bind(self, address: tuple[str, int]) -> None:
        """Have an address ("" for any of both families, "0.0.0.0" or "::" for any of one) and port (0: a free one) in
        every replica. OSError as bind(2)."""
        self._open()
        if self.mailbox is not None:
            raise failure(errno.EINVAL)
        host, port = address
        if not 0 <= port <= 65535:
            raise OverflowError("bind(): port must be 0-65535.")
        if host:
            pack_host(host)
        mailbox = Mailbox(self.stack.links)
        mailbox.room = self.receive_octets
        self._address, self._port = self.stack.bind(mailbox, host, port, bool(self.reuse_port))
        self.mailbox = mailbox

    def connect(self, address: tuple[str, int]) -> None:
        """Send to this address, and take datagrams and errors from it alone; port 0 is refused."""
        self._open()
        host, port = address
        if not 0 <= port <= 65535:
            raise OverflowError("connect(): port must be 0-65535.")
        remote = pack_host(host)
        mailbox = self._bound()
        mailbox.peer = port.to_bytes(2, "big") + remote
        self._peer = (host, port)

    def _bound(self) -> Mailbox:
        """Its mailbox; a socket that is not bound gets a port."""
        if self.mailbox is None:
            self.bind(("", 0))
        assert self.mailbox is not None
        return self.mailbox

    # ---- out ----
    def send(self, data: Buffer, flags: int = 0) -> int:
        """One datagram to the peer. OSError: EDESTADDRREQ without one, else as `sendto`."""
        if self._peer is None:
            raise failure(errno.EBADF if self.closed else errno.EDESTADDRREQ)
        return self._send(data, flags, self._peer)

    def sendto(self, data: Buffer, *flags_and_address: int | tuple[str, int]) -> int:
        """sendto(data[, flags], address): one datagram; its octets. OSError: EMSGSIZE, EAGAIN without waiting, and what
        was heard of earlier ones: ECONNREFUSED, ENETUNREACH."""
        flags = flags_and_address[0] if len(flags_and_address) == 2 else 0
        address = flags_and_address[-1] if flags_and_address else None
        if not isinstance(flags, int) or not isinstance(address, tuple):
            raise TypeError("sendto(data[, flags], address)")
        return self._send(data, flags, address)

    def _send(self, data: object, flags: int, address: tuple[str, int]) -> int:
        self._open()
        if flags:
            raise OSError(errno.EOPNOTSUPP, f"flags {flags:#x} are not supported")
        mailbox: Mailbox = self._bound()
        self._report(mailbox)
        source = Memory(data)  # type: ignore[arg-type]
        way: tuple[Outlet, bytes] | None = self._ways.get(address)
        if way is None:
            way = self._make_way(address)
        outlet: Outlet = way[0]
        if not outlet.alive:
            outlet = self._make_way(address)[0]
        ends: bytes = way[1]
        if source.octets > (_MOST4 if len(ends) == _PORTS + 2 * _ADDRESS4 else _MOST6):
            raise failure(errno.EMSGSIZE)
        while not outlet.send_to(mailbox.ident, ends, source):
            if self.timeout_us == 0:
                self.stack.flush()
                self.stack.turn()
                if not outlet.send_to(mailbox.ident, ends, source):
                    raise failure(errno.EAGAIN)
                break
            self._wait(mailbox, _OUT, self._limit())
            if not outlet.alive:
                outlet = self._make_way(address)[0]
        if self.timeout_us:
            self.stack.flush()
        return source.octets

    def _make_way(self, address: tuple[str, int]) -> tuple[Outlet, bytes]:
        """Choose the replica for datagrams to an address, and remember it. OSError: EINVAL for no port, ENETDOWN while
        no replica serves."""
        host, port = address
        if not 0 < port <= 65535:
            raise failure(errno.EINVAL)
        remote = pack_host(host)
        local = pack_host(self._address) if self._address else bytes(len(remote))
        if len(local) != len(remote):
            raise failure(errno.EAFNOSUPPORT)
        ends = port.to_bytes(2, "big") + bytes(2) + remote + local
        link = replica_for(self.stack, b"%b%d" % (ends, self._port), 0 if self.timeout_us == 0 else _REPLICA_WAIT_US)
        if len(self._ways) >= _MAX_WAYS:
            self._ways.clear()
        way = (link.outlet, ends)
        self._ways[address] = way
        return way

    # ---- in ----
    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """The next datagram; what is beyond `bufsize` octets of it is lost, as with UDP everywhere."""
        return self._next(bufsize, flags)[1]

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, tuple[str, int]]:
        """The same, and where it came from."""
        ends, data = self._next(bufsize, flags)
        return data, end_of(ends, False)

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """Put the next datagram into a writable buffer; how many octets."""
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> tuple[int, tuple[str, int]]:
        """The same, and where it came from."""
        target = Memory(buffer)
        if nbytes < 0 or nbytes > target.octets:
            raise ValueError("buffer too small for requested bytes")
        ends, data = self._next(nbytes or target.octets, flags)
        target.put(0, data)
        return len(data), end_of(ends, False)

    def _next(self, bufsize: int, flags: int) -> tuple[bytes, bytes]:
        """Ends and octets of the next datagram, once there is one."""
        self._open()
        if flags:
            raise OSError(errno.EOPNOTSUPP, f"flags {flags:#x} are not supported")
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        mailbox: Mailbox = self._bound()
        if not mailbox.datagrams and not mailbox.error:
            if self.timeout_us == 0:
                self.stack.flush()
                self.stack.turn()
            else:
                self._wait(mailbox, _IN, self._limit())
        if not mailbox.datagrams or mailbox.error:
            self._report(mailbox)
            raise failure(errno.EAGAIN)
        ends, data = mailbox.take()
        return ends, data if len(data) <= bufsize else data[:bufsize]

    def _report(self, mailbox: Mailbox) -> None:
        """Raise what was heard of an earlier datagram, once."""
        if mailbox.error:
            error = mailbox.error
            mailbox.error = 0
            raise failure(error)

    # ---- the rest ----
    def close(self) -> None:
        """Give the port back in every replica; what was not taken is lost."""
        if self.closed:
            return
        self.closed = True
        if self.mailbox is not None:
            self.stack.unbind(self.mailbox)
        self._ways.clear()

    def watched(self) -> Watched:
        self._open()
        return self._bound()

    def getsockname(self) -> tuple[str, int]:
        self._open()
        return self._address or "0.0.0.0", self._port

    def getpeername(self) -> tuple[str, int]:
        self._open()
        if self._peer is None:
            raise failure(errno.ENOTCONN)
        return self._peer

    def setsockopt(self, level: int, optname: int, value: int | Buffer) -> None:
        """SO_RCVBUF, SO_REUSEPORT (before bind), SO_REUSEADDR (which here is always so). OSError as Linux."""
        self._open()
        set_datagram_option(self, level, optname, value)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> int | bytes:
        """What holds; SO_ERROR takes the error that waits."""
        self._open()
        return result(get_datagram_option(self, level, optname), buflen)
