"""Socket options of the bridge as C values: what a descriptor keeps itself, and what the library is asked for.

Values are octets as getsockopt(2) and setsockopt(2) have them; OSError as Linux has it.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

from neatctl.core.sockets import Socket
from neatctl.testbed.bridge.addresses import failed
from neatctl.testbed.bridge.descriptors import Descriptor

_INT = struct.Struct("=i")
_TIMEVAL = struct.Struct("=qq")
_LINGER = struct.Struct("=ii")
_SO_PROTOCOL, _SO_DOMAIN = 38, 39
_TIMEOUTS = {socket.SO_RCVTIMEO: "receive_timeout_us", socket.SO_SNDTIMEO: "send_timeout_us"}
_OCTETS = {
    (socket.SOL_SOCKET, socket.SO_LINGER): 8,
    (socket.IPPROTO_TCP, socket.TCP_INFO): 256,
    (socket.IPPROTO_TCP, socket.TCP_CONGESTION): 16,
}
"""Options whose values are no integers, and the room that the library is given for them."""
_MILLION = 1_000_000


def get(descriptor: Descriptor, level: int, name: int, room: int) -> bytes:
    """The value of an option, at most `room` octets of it."""
    if level == socket.SOL_SOCKET and name in _TIMEOUTS:
        seconds, rest = divmod(getattr(descriptor, _TIMEOUTS[name]), _MILLION)
        return _TIMEVAL.pack(seconds, rest)[:room]
    value: Any = _own(descriptor, name) if level == socket.SOL_SOCKET else None
    if value is None:
        sock: Any = descriptor.sock
        if (level, name) in _OCTETS:
            value = sock.getsockopt(level, name, _OCTETS[level, name])
        else:
            value = sock.getsockopt(level, name)
    return (value if isinstance(value, bytes) else _INT.pack(value))[:room]


def _own(descriptor: Descriptor, name: int) -> int | None:
    """What can be said without the library."""
    if name == _SO_DOMAIN:
        return descriptor.family
    if name == _SO_PROTOCOL:
        return int(descriptor.sock.proto)
    if name == socket.SO_ACCEPTCONN:
        return int(isinstance(descriptor.sock, Socket) and descriptor.sock.listener is not None)
    return None


def end_lingering(descriptor: Descriptor) -> None:
    """Let the library's close not wait: whoever waits does it here, where other calls go on meanwhile."""
    sock: Any = descriptor.sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(0, 0))
    descriptor.linger_us = 0


def put(descriptor: Descriptor, level: int, name: int, value: bytes) -> None:
    """Set an option."""
    if level == socket.SOL_SOCKET and name in _TIMEOUTS:
        if len(value) < _TIMEVAL.size:
            raise failed(errno.EINVAL)
        seconds, rest = _TIMEVAL.unpack_from(value)
        if not 0 <= rest < _MILLION:
            raise failed(errno.EDOM)
        setattr(descriptor, _TIMEOUTS[name], max(seconds, 0) * _MILLION + rest)
        return
    sock: Any = descriptor.sock
    if (level, name) in _OCTETS:
        sock.setsockopt(level, name, value)
        if (level, name) == (socket.SOL_SOCKET, socket.SO_LINGER):
            on, seconds = _LINGER.unpack_from(value)
            descriptor.linger_us = seconds * _MILLION if on else 0
        return
    if len(value) < _INT.size:
        raise failed(errno.EINVAL)
    sock.setsockopt(level, name, _INT.unpack_from(value)[0])
