"""Socket addresses as the C structures of this machine (ip(7), ipv6(7)), and the library's pairs of host and port."""

from __future__ import annotations

import errno
import os
import socket
import struct

_FAMILY = struct.Struct("=H")
_INET = struct.Struct("=H2s4s8x")
_INET6 = struct.Struct("=H2s4s16s4x")


def failed(error: int) -> OSError:
    """The OSError of an errno."""
    return OSError(error, os.strerror(error))


def unpack_address(octets: bytes, family: int) -> tuple[str, int]:
    """Host ("" for any) and port of a sockaddr for a socket of `family`; OSError as bind(2) has it."""
    if len(octets) < _FAMILY.size:
        raise failed(errno.EINVAL)
    if _FAMILY.unpack_from(octets)[0] != family:
        raise failed(errno.EAFNOSUPPORT)
    form = _INET if family == socket.AF_INET else _INET6
    if len(octets) < form.size:
        raise failed(errno.EINVAL)
    fields = form.unpack_from(octets)
    host = fields[2] if family == socket.AF_INET else fields[3]
    port = int.from_bytes(fields[1], "big")
    return socket.inet_ntop(family, host) if any(host) else "", port


def any_of(family: int) -> str:
    """The address that says: any of this family."""
    return "0.0.0.0" if family == socket.AF_INET else "::"


def pack_address(address: tuple[str, int]) -> bytes:
    """The sockaddr of a host and port."""
    host, port = address[0], address[1].to_bytes(2, "big")
    if ":" in host:
        return _INET6.pack(socket.AF_INET6, port, bytes(4), socket.inet_pton(socket.AF_INET6, host))
    return _INET.pack(socket.AF_INET, port, socket.inet_aton(host or "0.0.0.0"))
