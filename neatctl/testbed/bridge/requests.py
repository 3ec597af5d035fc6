"""The bridge's protocol: octets of a Unix socket as requests, and answers as octets. Pure: opens nothing.

ARCHITECTURE.md ("The conformance bridge") gives each message octet by octet. Numbers of the protocol are in network
order; socket addresses, option values and pollfds are the C structures of this machine, as system calls take them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"NEAT"
VERSION = 1
MAX_MESSAGE = 1 << 20
"""The most octets of one message after its length field."""
LEAST_MESSAGE = 8

_REQUEST = struct.Struct("!IIHH")
_ANSWER = struct.Struct("!IIqI")
_PACKET = struct.Struct("!QQI")


class Op(IntEnum):
    """What is asked for; the numbers are the protocol's."""

    HELLO = 0
    SOCKET = 1
    BIND = 2
    LISTEN = 3
    ACCEPT = 4
    CONNECT = 5
    RECV = 6
    RECVFROM = 7
    SEND = 8
    SENDTO = 9
    CLOSE = 10
    SHUTDOWN = 11
    GETSOCKOPT = 12
    SETSOCKOPT = 13
    FCNTL = 14
    IOCTL = 15
    POLL = 16
    GETSOCKNAME = 17
    GETPEERNAME = 18
    INJECT = 32
    READ_PACKET = 33
    CLOCK = 34
    CANCEL = 35


class BadStream(Exception):
    """The octets are no messages: nothing after them can be understood."""


class BadRequest(Exception):
    """One message does not have the fields that its kind has."""


@dataclass(slots=True)
class Request:
    """One message of a client. `number` is the client's and comes back with the answer."""

    number: int
    op: int
    body: bytes


class Framer:
    """Cuts a stream of octets into requests; what is not whole yet is kept."""

    def __init__(self) -> None:
        self._octets = bytearray()

    def feed(self, octets: bytes) -> list[Request]:
        """The requests that these octets complete. BadStream if a length cannot be, or what must be zero is not."""
        held = self._octets
        held += octets
        found: list[Request] = []
        at = 0
        while len(held) - at >= 4:
            length = int.from_bytes(held[at : at + 4], "big")
            if not LEAST_MESSAGE <= length <= MAX_MESSAGE:
                raise BadStream(f"a message of {length} octets; there are {LEAST_MESSAGE} to {MAX_MESSAGE}")
            if len(held) - at < 4 + length:
                break
            _, number, op, zero = _REQUEST.unpack_from(held, at)
            if zero:
                raise BadStream(f"octets 10 and 11 of a request are zero, not {zero:#06x}")
            found.append(Request(number, op, bytes(held[at + _REQUEST.size : at + 4 + length])))
            at += 4 + length
        del held[:at]
        return found


class Fields:
    """Takes the fields of a request's body one after the other; BadRequest where there are too few or too many."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def _take(self, form: str, octets: int) -> int:
        value: int = struct.unpack(form, self.octets(octets))[0]
        return value

    def u16(self) -> int:
        return self._take("!H", 2)

    def u32(self) -> int:
        return self._take("!I", 4)

    def i32(self) -> int:
        return self._take("!i", 4)

    def i64(self) -> int:
        return self._take("!q", 8)

    def octets(self, count: int) -> bytes:
        """The next `count` octets."""
        if count > len(self._body) - self._at:
            raise BadRequest(f"{len(self._body)} octets after the head are too few")
        self._at += count
        return self._body[self._at - count : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.octets(len(self._body) - self._at)

    def end(self) -> None:
        if self._at != len(self._body):
            raise BadRequest(f"{len(self._body) - self._at} octets too many")


def request(number: int, op: int, body: bytes = b"") -> bytes:
    """The octets of a request."""
    return _REQUEST.pack(LEAST_MESSAGE + len(body), number, op, 0) + body


def answer(number: int, result: int, error: int = 0, body: bytes = b"") -> bytes:
    """The octets of an answer: a result of -1 and an errno, or another result and 0."""
    return _ANSWER.pack(_ANSWER.size - 4 + len(body), number, result, error) + body


def read_answer(octets: bytes) -> tuple[int, int, int, bytes]:
    """Number, result, errno and body of a whole answer."""
    _, number, result, error = _ANSWER.unpack_from(octets)
    return number, result, error, octets[_ANSWER.size :]


def packet_body(sent_us: int, realtime_us: int, lost: int, packet: bytes) -> bytes:
    """What READ_PACKET answers: when the packet left by two clocks, how many were lost before it, and its octets."""
    return _PACKET.pack(sent_us, realtime_us, lost) + packet


def read_packet_body(body: bytes) -> tuple[int, int, int, bytes]:
    """The reverse of `packet_body`."""
    sent_us, realtime_us, lost = _PACKET.unpack_from(body)
    return sent_us, realtime_us, lost, body[_PACKET.size :]
