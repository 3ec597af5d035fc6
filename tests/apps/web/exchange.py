"""Drives the machine of one connection, and reads its replies with httptools as a client would."""

from __future__ import annotations

from collections.abc import Iterable

import httptools

from neatctl.apps.web.http import OPEN, Connection, Options, Service
from neatctl.apps.web.site import Site

SECONDS = 1_800_000_000
HOST = b"Host: a\r\n"


def small_site() -> Site:
    """A site with a small, a large and an empty file, an index, a directory and a name with a space."""
    site = Site()
    site.add(b"/", b"<p>index</p>", "text/html; charset=utf-8", 1_700_000_000)
    site.add(b"/small", b"twenty octets, NEaT\n", "text/plain; charset=utf-8", 1_700_000_000)
    site.add(b"/large", bytes(range(251)) * 2000, "application/octet-stream", 1_700_000_000)
    site.add(b"/empty", b"", "text/plain; charset=utf-8", 1_700_000_000)
    site.add(b"/a b", b"space", "text/plain; charset=utf-8", 1_700_000_000)
    site.redirect(b"/dir", b"/dir/", 1_700_000_000)
    site.add(b"/dir/", b"listing", "text/html; charset=utf-8", 1_700_000_000)
    return site


def service(**options: int) -> Service:
    made = Service(small_site(), Options(**options))
    made.tick(SECONDS)
    return made


def drain(connection: Connection, now: int = 0) -> bytes:
    """All output that is there, taken at once."""
    pieces = []
    while connection.output is not None:
        pieces.append(connection.output[connection.at : connection.stop])
        connection.sent(connection.stop - connection.at, now)
    return b"".join(pieces)


def exchange(made: Service, parts: Iterable[bytes]) -> tuple[bytes, int]:
    """What a new connection answers to octets that come in these parts, and its state then."""
    connection = Connection(made, 0)
    answered = []
    for part in parts:
        connection.receive(part, 0)
        answered.append(drain(connection))
    return b"".join(answered), connection.state


class Response:
    """One reply as a client reads it."""

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[str, str] = {}
        self.body = b""
        self.complete = False


class _Reader:
    def __init__(self) -> None:
        self.responses: list[Response] = []

    def on_message_begin(self) -> None:
        self.responses.append(Response())

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.decode() not in self.responses[-1].fields
        self.responses[-1].fields[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.responses[-1].body += body

    def on_message_complete(self) -> None:
        self.responses[-1].complete = True


def responses(octets: bytes) -> list[Response]:
    """The replies to requests other than HEAD in a stream of octets, which must hold nothing else."""
    reader = _Reader()
    parser = httptools.HttpResponseParser(reader)
    statuses = [int(line[9:12]) for line in _status_lines(octets)]
    parser.feed_data(octets)
    assert all(response.complete for response in reader.responses)
    for response, status in zip(reader.responses, statuses, strict=True):
        response.status = status
    return reader.responses


def _status_lines(octets: bytes) -> list[bytes]:
    """Walks the stream by Content-Length, independently of the parser."""
    lines = []
    while octets:
        head, separator, octets = octets.partition(b"\r\n\r\n")
        assert separator
        fields = head.split(b"\r\n")
        lines.append(fields[0])
        length = [field for field in fields if field.startswith(b"Content-Length: ")]
        octets = octets[int(length[0][16:]) if length else 0 :]
    return lines


def ask(made: Service, head: bytes) -> Response:
    """The one reply to one request that keeps the connection, or ends it."""
    octets, _ = exchange(made, [head])
    (response,) = responses(octets)
    return response


def get(made: Service, target: str, *fields: str) -> Response:
    lines = "".join(f"{field}\r\n" for field in fields)
    return ask(made, f"GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode("latin-1"))


def stays_open(made: Service, head: bytes) -> bool:
    return exchange(made, [head])[1] == OPEN
