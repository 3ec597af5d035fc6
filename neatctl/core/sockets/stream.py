"""The socket that programs see: the names, arguments and errors of Python's `socket.socket`, for TCP.

A descriptor-less object over a Flow (a connection) or a Listener. Errors are OSError's subclasses with the
errno that Linux gives. A blocking call waits in the stack, which serves all other sockets meanwhile. A
socket that does not block sends when its program next polls or waits, or calls `Stack.flush`.
"""

from __future__ import annotations

import errno
import socket as kernel
from typing import TYPE_CHECKING

from neatctl.core.channel.tcp_info import TcpInfo
from neatctl.core.native import Memory
from neatctl.core.sockets.connecting import connect, give_up
from neatctl.core.sockets.endpoint import Endpoint
from neatctl.core.sockets.flow import Flow, Listener, failure
from neatctl.core.sockets.options import NO_OPTIONS, get_option, info_of, inherit, result, set_option, wait_until_sent
from neatctl.core.sockets.readiness import POLLIN, POLLOUT, Watched
from neatctl.core.sockets.stack import Stack

if TYPE_CHECKING:
    from typing_extensions import Buffer

_IN = POLLIN
_OUT = POLLOUT


class Socket(Endpoint):
    """A TCP socket of a stack."""

    family = kernel.AF_INET
    type = kernel.SOCK_STREAM
    proto = kernel.IPPROTO_TCP

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.flow: Flow | None = None
        self.listener: Listener | None = None
        self.options: dict[int, int] = NO_OPTIONS
        """What was set, or inherited; never changed, but replaced."""
        self.linger = (0, 0)
        self.reuse_address = 1
        self.reuse_port = 0
        """Whether it shares its port with other listening sockets, of this and other programs, that say so too."""
        self.connecting = False
        """connect() began, and has not told the program how it ended."""
        self._bound = False
        self._address = ""
        self._port = 0

    # ---- octets ----
    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """At most `bufsize` octets; b"" at the end of the stream."""
        flow = self._readable(flags)
        if bufsize <= 0:
            if bufsize < 0:
                raise ValueError("negative buffersize in recv")
            return b""
        if flow.unread:
            return flow.take(bufsize)
        self._report(flow)
        return b""

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """Put at most `nbytes` octets (0: what fits) into a writable buffer; how many, 0 at the end of the stream."""
        flow = self._readable(flags)
        target = Memory(buffer)
        room = nbytes if nbytes else target.octets
        if nbytes < 0 or room > target.octets:
            raise ValueError("buffer too small for requested bytes")
        if flow.unread:
            return flow.take_into(target, room)
        self._report(flow)
        return 0

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send what of `data` there is room for, at least one octet; how many octets were taken."""
        sent = self._send(data, 0, -1, flags)
        if self.timeout_us:
            self.stack.flush()
        return sent

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of `data`. After an error nobody can say how much was sent, as with Python's."""
        limit = self._limit()
        octets = len(data) if isinstance(data, bytes) else Memory(data).octets
        sent = 0
        while True:
            sent += self._send(data, sent, limit, flags)
            if sent >= octets:
                break
        if self.timeout_us:
            self.stack.flush()

    def _send(self, data: object, start: int, limit: int, flags: int) -> int:
        """Send from octet `start` what there is room for; waits for room until `limit` (-1: a full timeout)."""
        flow = self._writable(flags)
        source: Memory | None = None
        octets_of: bytes | None = None
        if type(data) is bytes:
            octets_of = data
            octets = len(octets_of) - start
        else:
            source = Memory(data)  # type: ignore[arg-type]
            octets = source.octets - start
        if octets == 0:
            return 0
        sent = flow.send(octets_of, source, start, octets)
        while sent == 0:
            if self.timeout_us == 0:
                self.stack.flush()
                self.stack.turn()
                flow = self._writable(flags)
                sent = flow.send(octets_of, source, start, octets)
                if sent == 0:
                    raise failure(errno.EAGAIN)
                break
            self._wait(flow, _OUT, limit if limit >= 0 else self._limit())
            flow = self._writable(flags)
            sent = flow.send(octets_of, source, start, octets)
        return sent

    def _readable(self, flags: int) -> Flow:
        """The connection, once it has octets, an end or an error; raises if it must not or cannot be waited for."""
        flow = self.flow
        if flow is None or flags:
            raise self._no_flow(flags)
        if flow.unread == 0 and not flow.ended:
            if self.timeout_us == 0:
                self.stack.flush()
                self.stack.turn()
                if flow.unread == 0 and not flow.ended:
                    raise failure(errno.EAGAIN)
            else:
                self._wait(flow, _IN, self._limit())
        return flow

    def _writable(self, flags: int) -> Flow:
        flow = self.flow
        if flow is None or flags:
            raise self._no_flow(flags)
        if flow.failed or flow.shut:
            self._report(flow)
            raise failure(errno.EPIPE)
        return flow

    def _report(self, flow: Flow) -> None:
        """Raise the error of a connection that failed, the first time."""
        if flow.error:
            error = flow.error
            flow.error = 0
            raise failure(error)
        if flow.opening:
            raise failure(errno.ENOTCONN)

    def _no_flow(self, flags: int) -> OSError:
        if self.closed:
            return failure(errno.EBADF)
        if flags and self.flow is not None:
            return OSError(errno.EOPNOTSUPP, f"flags {flags:#x} are not supported")
        return failure(errno.ENOTCONN)

    # ---- listening ----
    def bind(self, address: tuple[str, int]) -> None:
        """Choose address ("" for any of both families, "0.0.0.0" or "::" for any of one) and port (0 for a free one).
        Whether they are free is checked by listen()."""
        self._open()
        host, port = address
        if not 0 <= port <= 65535:
            raise OverflowError("bind(): port must be 0-65535.")
        if self._bound or self.flow is not None:
            raise failure(errno.EINVAL)
        if host:
            try:
                kernel.inet_pton(kernel.AF_INET6 if ":" in host else kernel.AF_INET, host)
            except OSError:
                raise kernel.gaierror(kernel.EAI_NONAME, f"{host!r} is not an IP address") from None
        self._bound = True
        self._address = host
        self._port = port

    def listen(self, backlog: int = 128) -> None:
        """Take connections in every replica (paper section 3.3); `backlog` counts in each."""
        self._open()
        if self.flow is not None:
            raise failure(errno.EINVAL)
        if self.listener is None:
            self.listener, self._address, self._port = self.stack.listen(
                self._address, self._port, max(backlog, 1), bool(self.reuse_port), self.options
            )
            self._bound = True

    def accept(self) -> tuple[Socket, tuple[str, int]]:
        """The next connection, of any replica, and its peer's address."""
        listener = self.listener
        if listener is None:
            raise failure(errno.EBADF if self.closed else errno.EINVAL)
        flow = listener.accept()
        if flow is None:
            if self.timeout_us == 0:
                self.stack.flush()
                self.stack.turn()
            else:
                self._wait(listener, _IN, self._limit())
            flow = listener.accept()
            if flow is None:
                raise failure(errno.EAGAIN)
        accepted = Socket(self.stack)
        accepted.flow = flow
        accepted._bound = True
        if self.options:
            inherit(accepted, self.options)
        accepted.linger = self.linger
        return accepted, end_of(flow.key, False)

    def connect(self, address: tuple[str, int]) -> None:
        """Open a connection to an address and port, through a replica picked at random (paper section 3.8).

        Errors are connect(2)'s: BlockingIOError (EINPROGRESS, later EALREADY) without waiting, then POLLOUT or POLLERR
        and SO_ERROR say more; ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EADDRINUSE, ECONNRESET if the
        replica dies, ENETDOWN while no replica serves. After an error the socket may connect again.
        """
        self._open()
        connect(self, address)

    def connect_ex(self, address: tuple[str, int]) -> int:
        """The same, with the errno as the result; 0 if it is connected."""
        try:
            self.connect(address)
        except TimeoutError as error:
            return error.errno or errno.EAGAIN
        except OSError as error:
            if error.errno is None or isinstance(error, kernel.gaierror):
                raise
            return error.errno
        return 0

    def own_end(self) -> tuple[str, int]:
        """The address and port that bind() chose; "" and 0 for any."""
        return self._address, self._port

    # ---- the end ----
    def shutdown(self, how: int) -> None:
        """SHUT_WR ends our stream; SHUT_RD is this side's affair and makes recv() return b"" after what has arrived."""
        self._open()
        flow = self.flow
        if flow is None or (flow.failed and not flow.unread):
            raise failure(errno.ENOTCONN)
        if how not in (kernel.SHUT_RD, kernel.SHUT_WR, kernel.SHUT_RDWR):
            raise failure(errno.EINVAL)
        if flow.opening:
            give_up(self)
            return
        if how != kernel.SHUT_RD:
            flow.shut_down()
        if how != kernel.SHUT_WR:
            flow.peer_ended()
        if self.timeout_us:
            self.stack.flush()

    def send_and_close(self, data: bytes) -> int:
        """Send all of `data` and close in one record; if not all of it can be sent at once, the socket stays open.

        How many octets were taken: `len(data)` if it is closed now.
        """
        sent = self._send(data, 0, -1, 0) if data else 0
        if sent == len(data) and self.flow is not None:
            self.flow.close(False)
            self._gone()
        return sent

    def close(self) -> None:
        """Close in order; if octets that arrived were not read the peer gets a reset, as from Linux (RFC 2525 2.17)."""
        if self.closed:
            return
        if self.flow is not None:
            on, seconds = self.linger
            if on and seconds and not self.flow.failed and not self.flow.opening:
                wait_until_sent(self, seconds)
            self.flow.close(self.flow.unread > 0 or bool(on and not seconds))
        self._gone()

    def abort(self) -> None:
        """Close with a reset (SO_LINGER of 0)."""
        if self.flow is not None:
            self.flow.close(True)
        self._gone()

    def _gone(self) -> None:
        self.closed = True
        self.flow = None
        if self.listener is not None:
            self.stack.unlisten(self.listener)
            self.listener = None
        if self.timeout_us:
            self.stack.flush()

    # ---- settings ----
    def setsockopt(self, level: int, optname: int, value: int | Buffer) -> None:
        """The options of sockets/options.py, SO_LINGER, TCP_CONGESTION, SO_REUSEPORT (before listen), and SO_REUSEADDR,
        which here is always so.

        Connections begin with what their listening socket has. OSError with EINVAL, ENOPROTOOPT or (for an unknown
        congestion algorithm) ENOENT, as Linux.
        """
        self._open()
        set_option(self, level, optname, value)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> int | bytes:
        """What holds: an int, or with `buflen` at most so many octets. TCP_INFO and TCP_MAXSEG ask the replica."""
        self._open()
        return result(get_option(self, level, optname), buflen)

    def tcp_info(self) -> TcpInfo:
        """What the replica knows of the connection (TCP_INFO); TimeoutError if it does not answer."""
        self._open()
        return info_of(self)

    def replica(self) -> int:
        """The number of the replica that has the connection, or is to have it; 0 without one."""
        return self.flow.outlet.replica if self.flow is not None else 0

    def getpeername(self) -> tuple[str, int]:
        self._open()
        if self.flow is None or self.flow.failed or self.flow.opening:
            raise failure(errno.ENOTCONN)
        return end_of(self.flow.key, False)

    def getsockname(self) -> tuple[str, int]:
        self._open()
        if self.flow is not None:
            self.stack.named(self.flow)
            return end_of(self.flow.key, True)
        return self._address or "0.0.0.0", self._port

    def watched(self) -> Watched:
        if self.flow is not None:
            return self.flow
        if self.listener is not None:
            return self.listener
        raise failure(errno.EBADF if self.closed else errno.ENOTCONN)


def end_of(key: bytes, local: bool) -> tuple[str, int]:
    """Address and port of one end of a connection, out of its key (see Flow)."""
    if local:
        port = int.from_bytes(key[2:4], "big")
        address = key[8:12] if len(key) == 12 else key[20:36]
    else:
        port = int.from_bytes(key[0:2], "big")
        address = key[4:8] if len(key) == 12 else key[4:20]
    if len(address) == 4:
        return f"{address[0]}.{address[1]}.{address[2]}.{address[3]}", port
    return kernel.inet_ntop(kernel.AF_INET6, address), port
