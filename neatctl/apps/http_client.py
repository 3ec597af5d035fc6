"""Downloads over HTTP by many connections of a running stack at once: a program that connects, in one thread.

Each connection asks for the same URL and reads its whole answer; nothing is kept of it but its hash, and the octets of
the first one for who wants them. Knows the socket library and HTTP/1.1 (RFC 9112, by httptools), no command line.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import httptools
import msgspec

from neatctl.core.sockets import POLLIN, POLLOUT, Poll, Socket, Stack

_CHUNK_OCTETS = 262_144
_LOOK_S = 0.1
_OK = 200
_LAST_PORT = 65535
_PORT_DIGITS = 9


class BadUrl(ValueError):
    """What cannot be fetched; the message says what can."""


@dataclass(frozen=True, slots=True)
class Url:
    """Where a server is, and the request."""

    address: str
    port: int
    request: bytes

    @classmethod
    def parse(cls, text: str) -> Url:
        """BadUrl if it is not http://ADDRESS[:PORT]/PATH."""
        scheme, slashes, rest = text.partition("://")
        if (slashes and scheme.lower() != "http") or not text.isascii() or not text.isprintable() or " " in text:
            raise BadUrl(f"{text}: only http:// is fetched, and what is not ASCII, or a space, is written as %XX")
        address, port = _end(text, re.split(r"[/?#]", rest, maxsplit=1)[0])
        parts = urlsplit(text)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: neatctl\r\nConnection: close\r\n\r\n"
        return cls(address, port, head.encode())


def _end(text: str, end: str) -> tuple[str, int]:
    """Address and port of ADDRESS[:PORT], an IPv6 address in brackets; BadUrl says what of it cannot be."""
    if "@" in end:
        raise BadUrl(f"{text}: a user name is not sent; give it as http://ADDRESS[:PORT]/PATH")
    if "%" in end:
        raise BadUrl(f"{text}: an address with a zone cannot be reached; give one without %")
    if end.count(":") > 1 and "[" not in end:
        raise BadUrl(f"{text}: an IPv6 address stands in brackets, for example http://[fd77::1]:8000/")
    found = re.fullmatch(r"(?:\[(?P<six>.*)\]|(?P<four>[^:\[\]]*))(?::(?P<port>\d*))?", end)
    try:
        if found is None:
            raise ValueError
        address = str(IPv4Address(found["four"]) if found["six"] is None else IPv6Address(found["six"]))
    except ValueError:
        raise BadUrl(f"{text}: give it as http://ADDRESS[:PORT]/PATH, for example http://10.77.0.1:8000/") from None
    port = found["port"] or "80"
    if len(port) > _PORT_DIGITS or not 1 <= int(port) <= _LAST_PORT:
        raise BadUrl(f"{text}: a port is 1 to {_LAST_PORT}, not {port}")
    return address, int(port)


class Outcome(msgspec.Struct):
    """One connection."""

    connection: int
    replica: int = 0
    """Which one opened it; 0 if none could be asked."""
    local_port: int = 0
    status: int = 0
    """Of the HTTP answer."""
    octets: int = 0
    sha256: str = ""
    """Of the whole body; "" if it did not come."""
    took_us: int = 0
    error: str = ""
    """What went wrong; "" for nothing."""


class Download:
    """One connection from connect() to the end of the answer."""

    def __init__(self, sock: Socket, url: Url, number: int, keep: Callable[[bytes], object] | None) -> None:
        self.outcome = Outcome(number)
        self.done = False
        self.moved_us = self._begun_us = _now_us()
        self._sock = sock
        self._url = url
        self._unsent = url.request
        self._keep = keep
        self._hash = hashlib.sha256()
        self._parser = httptools.HttpResponseParser(self)
        self._framed = False
        """The answer says where it ends."""

    # ---- what the parser says ----
    def on_header(self, name: bytes, _value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_body(self, body: bytes) -> None:
        self.outcome.octets += len(body)
        self._hash.update(body)
        if self._keep is not None:
            self._keep(body)

    def on_message_complete(self) -> None:
        self._complete()

    # ---- the connection ----
    def begin(self, poll: Poll) -> None:
        self._sock.setblocking(False)
        error = self._sock.connect_ex((self._url.address, self._url.port))
        if error not in (0, errno.EINPROGRESS):
            self.fail(os.strerror(error))
            return
        self.outcome.replica = self._sock.replica()
        poll.register(self._sock, POLLOUT, self)

    def turn(self, poll: Poll) -> None:
        """Something is ready: send the request, or take what came."""
        self.moved_us = _now_us()
        try:
            if self._unsent:
                if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.fail(os.strerror(int(error)))
                    return
                self.outcome.local_port = self._sock.getsockname()[1]
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
                poll.modify(self._sock, POLLOUT if self._unsent else POLLIN)
                return
            octets = self._sock.recv(_CHUNK_OCTETS)
            if octets:
                self._parser.feed_data(octets)
            elif self._framed or not self._parser.get_status_code():
                self.fail("the connection ended before its answer")
            else:
                self._complete()
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(os.strerror(error.errno) if error.errno else str(error))
        except httptools.HttpParserError as error:
            self.fail(f"no HTTP answer: {error}")

    def _complete(self) -> None:
        self.outcome.status = self._parser.get_status_code()
        self.outcome.sha256 = self._hash.hexdigest()
        self._end("" if self.outcome.status == _OK else f"the server answers {self.outcome.status}")

    def fail(self, error: str) -> None:
        """It is over, and not done."""
        self._end(error)

    def _end(self, error: str) -> None:
        if not self.done:
            self.done = True
            self.outcome.error = error
            self.outcome.took_us = _now_us() - self._begun_us
            self._sock.close()


def download(
    stack: Stack,
    url: Url,
    connections: int,
    timeout_s: float,
    keep: Callable[[bytes], object] | None,
    progress: Callable[[int, int], object],
) -> list[Outcome]:
    """Fetch the URL by so many connections at once; what became of each.

    `keep` gets the octets of the first one, `progress` how many are done and how many octets came. A connection on
    which nothing moves for `timeout_s` fails.
    """
    downloads = [Download(stack.socket(), url, n + 1, None if n else keep) for n in range(connections)]
    with Poll(stack) as poll:
        for each in downloads:
            each.begin(poll)
        while left := [each for each in downloads if not each.done]:
            for token, _ in poll.poll(_LOOK_S):
                if isinstance(token, Download) and not token.done:
                    token.turn(poll)
            late_us = _now_us() - int(timeout_s * 1e6)
            for each in left:
                if each.moved_us < late_us and not each.done:
                    each.fail(os.strerror(errno.ETIMEDOUT))
            progress(connections - len(left), sum(each.outcome.octets for each in downloads))
    stack.flush()
    return [each.outcome for each in downloads]


def _now_us() -> int:
    return time.monotonic_ns() // 1000
