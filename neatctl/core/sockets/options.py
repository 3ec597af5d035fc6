"""Socket options as Linux has them (socket(7), tcp(7)), over the options of channel/socket_options.py.

One row per option: how a program's value becomes ours, and ours the program's. A bad value is EINVAL, an unknown option
ENOPROTOOPT. What is set goes to the replica, or for a listening socket to all of them by the SYSCALL server; what only
the replica knows is asked for.
"""

from __future__ import annotations

import errno
import socket as kernel
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neatctl.core.channel import socket_options as o
from neatctl.core.channel.tcp_info import TcpInfo
from neatctl.core.native import now_us
from neatctl.core.sockets.flow import CREDIT_LUMP_OCTETS, Flow, failure

if TYPE_CHECKING:
    from neatctl.core.sockets.datagram import DatagramSocket
    from neatctl.core.sockets.stream import Socket

NO_OPTIONS: dict[int, int] = {}
_SOCKET, _TCP = kernel.SOL_SOCKET, kernel.IPPROTO_TCP
_INT = struct.Struct("i")
_LINGER = struct.Struct("ii")
"""struct linger: on or off, seconds."""
_CONGESTION_OCTETS = 16
"""TCP_CA_NAME_MAX."""


_LISTENS, _IS_CLOSED = 10, 7
_ALL_ACKNOWLEDGED = (5, 6, _IS_CLOSED)
"""Linux's numbers of FIN-WAIT-2, TIME-WAIT and CLOSED."""
_LINGER_STEP_US = 2_000
_LUMPS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """An option that is one integer: `ours(value)` may raise OSError; `theirs(ours)`."""

    option: int
    ours: Callable[[int], int]
    theirs: Callable[[int], int]


def _same(value: int) -> int:
    return value


def _flag(value: int) -> int:
    return int(value != 0)


def _within(option: int) -> Callable[[int], int]:
    """A value outside the limits is EINVAL."""

    def ours(value: int) -> int:
        if not o.is_sound(option, value):
            raise OSError(errno.EINVAL, f"{value} is not from {o.LIMITS[option].least} to {o.LIMITS[option].most}")
        return value

    return ours


def _clamped(option: int) -> Callable[[int], int]:
    """A value outside the limits becomes the nearest one; a negative one the largest, as for Linux's buffers."""

    def ours(value: int) -> int:
        limits = o.LIMITS[option]
        return limits.most if value < 0 else min(max(value, limits.least), limits.most)

    return ours


def _deferred(value: int) -> int:
    return min(max(value, 0), o.LIMITS[o.DEFER_ACCEPT_S].most)


def _doubled(value: int) -> int:
    """Linux counts what it needs for itself."""
    return 2 * value


_ROWS: dict[tuple[int, int], Row] = {
    (_SOCKET, kernel.SO_KEEPALIVE): Row(o.KEEPALIVE, _flag, _same),
    (_SOCKET, kernel.SO_RCVBUF): Row(o.RECEIVE_OCTETS, _clamped(o.RECEIVE_OCTETS), _doubled),
    (_SOCKET, kernel.SO_SNDBUF): Row(o.SEND_OCTETS, _clamped(o.SEND_OCTETS), _doubled),
    (_TCP, kernel.TCP_NODELAY): Row(o.NODELAY, _flag, _same),
    (_TCP, kernel.TCP_CORK): Row(o.CORK, _flag, _same),
    (_TCP, kernel.TCP_QUICKACK): Row(o.QUICKACK, _flag, _same),
    (_TCP, kernel.TCP_MAXSEG): Row(o.MAXSEG, _within(o.MAXSEG), _same),
    (_TCP, kernel.TCP_KEEPIDLE): Row(o.KEEP_IDLE_S, _within(o.KEEP_IDLE_S), _same),
    (_TCP, kernel.TCP_KEEPINTVL): Row(o.KEEP_INTERVAL_S, _within(o.KEEP_INTERVAL_S), _same),
    (_TCP, kernel.TCP_KEEPCNT): Row(o.KEEP_COUNT, _within(o.KEEP_COUNT), _same),
    (_TCP, kernel.TCP_USER_TIMEOUT): Row(o.USER_TIMEOUT_MS, _within(o.USER_TIMEOUT_MS), _same),
    (_TCP, kernel.TCP_DEFER_ACCEPT): Row(o.DEFER_ACCEPT_S, _deferred, _same),
}
_FIXED = {
    (_SOCKET, kernel.SO_TYPE): int(kernel.SOCK_STREAM),
    (_SOCKET, kernel.SO_PROTOCOL): int(kernel.IPPROTO_TCP),
}
"""Options that can be read only."""


def _unsupported(level: int, optname: int) -> OSError:
    return OSError(errno.ENOPROTOOPT, f"option {optname} of level {level} is not supported")


def _as_int(value: object) -> int:
    """The integer of a value that a program gave, as an int or as its octets."""
    if isinstance(value, int):
        if not -(1 << 31) <= value < 1 << 32:
            raise OverflowError("signed integer is greater than maximum")
        return value - (1 << 32) if value >= 1 << 31 else value
    octets = bytes(value)  # type: ignore[call-overload]
    if len(octets) < _INT.size:
        raise failure(errno.EINVAL)
    found: int = _INT.unpack_from(octets)[0]
    return found


def _as_linger(value: object) -> tuple[int, int]:
    """On or off, and seconds."""
    octets = b"" if isinstance(value, int) else bytes(value)  # type: ignore[call-overload]
    if len(octets) < _LINGER.size:
        raise failure(errno.EINVAL)
    on, seconds = _LINGER.unpack_from(octets)
    return int(on != 0), max(seconds, 0)


def _as_congestion(value: object) -> int:
    """The number of an algorithm by its name; ENOENT for an unknown one."""
    octets = b"" if isinstance(value, int) else bytes(value)  # type: ignore[call-overload]
    name = octets.split(b"\0")[0]
    if not name:
        raise failure(errno.EINVAL)
    known = [algorithm.encode() for algorithm in o.CONGESTIONS]
    if name not in known:
        raise OSError(errno.ENOENT, f"there is no {name.decode(errors='replace')!r}, but {', '.join(o.CONGESTIONS)}")
    return known.index(name)


def set_option(sock: Socket, level: int, optname: int, value: object) -> None:
    """Set an option of an open socket, and tell whom it concerns."""
    row = _ROWS.get((level, optname))
    if row is not None:
        _set(sock, row.option, row.ours(_as_int(value)))
    elif (level, optname) == (_TCP, kernel.TCP_CONGESTION):
        _set(sock, o.CONGESTION, _as_congestion(value))
    elif (level, optname) == (_SOCKET, kernel.SO_LINGER):
        sock.linger = _as_linger(value)
    elif (level, optname) == (_SOCKET, kernel.SO_REUSEADDR):
        sock.reuse_address = _as_int(value) != 0
    elif (level, optname) == (_SOCKET, kernel.SO_REUSEPORT):
        sock.reuse_port = _as_int(value) != 0
    else:
        raise _unsupported(level, optname)


def _set(sock: Socket, option: int, value: int) -> None:
    sock.options = {**sock.options, option: value}
    if sock.flow is not None:
        sock.stack.named(sock.flow)
        sock.flow.set_option(option, value)
        _size_lumps(sock.flow, sock.options)
    elif sock.listener is not None:
        sock.stack.tune(sock.listener, sock.options)


def inherit(sock: Socket, options: dict[int, int]) -> None:
    """A connection was accepted whose listening socket has these: the replica has set them already."""
    sock.options = options
    if sock.flow is not None:
        _size_lumps(sock.flow, options)


def _size_lumps(flow: Flow, options: dict[int, int]) -> None:
    """The replica must hear of what was taken before a small receive buffer is full."""
    octets = options.get(o.RECEIVE_OCTETS, 0)
    if octets:
        flow.lump = min(CREDIT_LUMP_OCTETS, max(octets // _LUMPS, 1))


def get_option(sock: Socket, level: int, optname: int) -> int | bytes:
    """What holds."""
    name = (level, optname)
    row = _ROWS.get(name)
    if row is not None:
        if row.option == o.MAXSEG and sock.flow is not None:
            return info_of(sock).snd_mss
        return row.theirs(sock.options.get(row.option, o.LIMITS[row.option].default))
    if name in _FIXED:
        return _FIXED[name]
    if name == (_TCP, kernel.TCP_INFO):
        return info_of(sock).octets()
    if name == (_TCP, kernel.TCP_CONGESTION):
        algorithm = o.CONGESTIONS[sock.options.get(o.CONGESTION, o.LIMITS[o.CONGESTION].default)]
        return algorithm.encode().ljust(_CONGESTION_OCTETS, b"\0")
    if level == _SOCKET:
        return _socket_option(sock, optname)
    raise _unsupported(level, optname)


def _socket_option(sock: Socket, optname: int) -> int | bytes:
    if optname == kernel.SO_ERROR:
        error = 0
        if sock.flow is not None:
            error, sock.flow.error = sock.flow.error, 0
        return error
    if optname == kernel.SO_LINGER:
        return _LINGER.pack(*sock.linger)
    if optname == kernel.SO_REUSEADDR:
        return int(sock.reuse_address)
    if optname == kernel.SO_REUSEPORT:
        return int(sock.reuse_port)
    if optname == kernel.SO_ACCEPTCONN:
        return int(sock.listener is not None)
    if optname == kernel.SO_DOMAIN:
        return int(sock.family)
    raise _unsupported(_SOCKET, optname)


def set_datagram_option(sock: DatagramSocket, level: int, optname: int, value: object) -> None:
    """Set an option of an open UDP socket."""
    name = (level, optname)
    if name == (_SOCKET, kernel.SO_RCVBUF):
        sock.receive_octets = _clamped(o.RECEIVE_OCTETS)(_as_int(value))
        if sock.mailbox is not None:
            sock.mailbox.room = sock.receive_octets
    elif name == (_SOCKET, kernel.SO_REUSEADDR):
        sock.reuse_address = _as_int(value) != 0
    elif name == (_SOCKET, kernel.SO_REUSEPORT):
        sock.reuse_port = _as_int(value) != 0
    else:
        raise _unsupported(level, optname)


def get_datagram_option(sock: DatagramSocket, level: int, optname: int) -> int:
    """What holds."""
    if level != _SOCKET:
        raise _unsupported(level, optname)
    if optname == kernel.SO_ERROR:
        error = 0
        if sock.mailbox is not None:
            error, sock.mailbox.error = sock.mailbox.error, 0
        return error
    held = {
        kernel.SO_RCVBUF: _doubled(sock.receive_octets),
        kernel.SO_REUSEADDR: int(sock.reuse_address),
        kernel.SO_REUSEPORT: int(sock.reuse_port),
        kernel.SO_TYPE: int(sock.type),
        kernel.SO_PROTOCOL: int(sock.proto),
        kernel.SO_DOMAIN: int(sock.family),
        kernel.SO_ACCEPTCONN: 0,
    }
    if optname not in held:
        raise _unsupported(level, optname)
    return held[optname]


def info_of(sock: Socket) -> TcpInfo:
    """What the replica knows of a connection; TimeoutError if it does not answer."""
    flow = sock.flow
    if flow is None or flow.failed:
        return TcpInfo(state=_LISTENS if sock.listener is not None else _IS_CLOSED)
    octets = sock.stack.ask(flow)
    if octets:
        return TcpInfo.of(octets)
    if flow.failed:
        return TcpInfo(state=_IS_CLOSED)
    raise TimeoutError(errno.ETIMEDOUT, "the replica of this connection does not answer")


def wait_until_sent(sock: Socket, seconds: int) -> None:
    """SO_LINGER: end our stream, and wait until the peer has acknowledged it all or so many seconds are over."""
    flow = sock.flow
    if flow is None:
        return
    limit = now_us() + seconds * 1_000_000
    flow.shut_down()
    while (left := limit - now_us()) > 0:
        octets = sock.stack.ask(flow, left)
        if not octets or TcpInfo.of(octets).state in _ALL_ACKNOWLEDGED:
            return
        sock.stack.sleep(min(left, _LINGER_STEP_US))


def result(value: int | bytes, buflen: int) -> int | bytes:
    """What getsockopt returns: an int for no buffer, else at most `buflen` octets."""
    if not buflen:
        return value if isinstance(value, int) else _as_int(value)
    if not 0 < buflen <= 1024:
        raise OSError(errno.EINVAL, "getsockopt buflen out of range")
    octets = _INT.pack(value) if isinstance(value, int) else value
    return octets[:buflen]
