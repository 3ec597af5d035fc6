"""The head of one request: octets in, what it asks for out (RFC 9112 sections 2, 3, 5, 6; RFC 9110).

A pure function of the complete head, so its outcome may be remembered. llhttp (by httptools) reads
the fields, strictly; the rules that it leaves to us are here: the shape of the request line, versions,
Host, limits, persistence. Knows nothing of sites, replies or connections.
"""

from __future__ import annotations

import re

import httptools

MAX_LINE_OCTETS = 8192
"""The longest request line, without its CRLF; a longer one is 414."""
MAX_FIELDS_OCTETS = 16384
"""The most octets after the request line up to the end of the head; more is 431."""
MAX_FIELDS = 100
"""The most field lines; more is 431."""

KEEP = 0
"""Persistent as HTTP/1.1 is by default."""
CLOSE = 1
"""The connection ends with this exchange."""
KEEP_10 = 2
"""Persistent because an HTTP/1.0 client asked for it; the reply must say so."""

_TCHAR = rb"!#$%&'*+.^_`|~0-9A-Za-z-"
_LINE = re.compile(rb"([" + _TCHAR + rb"]+) ([^ \x00-\x1f\x7f-\xff]+) HTTP/(\d)\.(\d)")
_FIRST = re.compile(rb"[" + _TCHAR + rb"]")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")


class Refused(Exception):
    """This request cannot be served, and what follows it cannot be trusted: answer `status` and close."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """What a head asks for. `path` is decoded, or None where the target names nothing that could exist."""

    __slots__ = ("body_octets", "fields", "method", "minor", "path", "persistence")

    def __init__(self, method: str, fields: dict[str, str]) -> None:
        self.method = method
        self.fields = fields
        """Names in lower case; the values of repeated fields joined by commas."""
        self.path: bytes | None = None
        self.minor = 1
        """0 for HTTP/1.0, else 1."""
        self.persistence = CLOSE
        self.body_octets = 0
        """How many octets of body follow the head."""


def check_prefix(head: bytes, begin: int) -> None:
    """Raise Refused as soon as a head that is still incomplete can only be refused.

    Octets before `begin` were checked already. The verdict depends on the octets only, not on how
    they were split: the first offence in their order decides.
    """
    if not _FIRST.match(head):
        raise Refused(400)
    end = head.find(b"\n")
    if (end if end >= 0 else len(head)) > MAX_LINE_OCTETS + 1:
        raise Refused(414)
    if head.count(b"\n", begin) != head.count(b"\r\n", max(begin - 1, 0)):
        bare = _BARE_LF.search(head, begin)
        if bare and bare.start() <= end + MAX_FIELDS_OCTETS:
            raise Refused(400)
    if end >= 0 and len(head) - end - 1 > MAX_FIELDS_OCTETS:
        raise Refused(431)


def parse(head: bytes) -> Request:
    """Read a complete head, which ends in CRLFCRLF and has passed `check_prefix`; Refused if it cannot be served."""
    match = _LINE.fullmatch(head, 0, head.index(b"\r\n"))
    if not match:
        raise Refused(400)
    major, minor = match[3], match[4]
    if major != b"1":
        raise Refused(505)
    if minor not in b"01":
        # RFC 9110 section 2.5: a higher minor version is served as the highest that is known.
        head = head[: match.start(4)] + b"1" + head[match.end(4) :]
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(head)
    except httptools.HttpParserInvalidMethodError:
        raise Refused(501) from None
    except httptools.HttpParserUpgrade:
        pass  # Upgrade is an offer that we do not take; CONNECT is answered by 405.
    except httptools.HttpParserError:
        raise Refused(fields.status or 400) from None
    if not fields.complete:
        raise Refused(400)
    request = Request(match[1].decode(), fields.values)
    request.minor = int(minor != b"0")
    _check_host(fields, request.minor)
    _frame(request)
    request.persistence = _persistence(request)
    request.path = _path(request.method, match[2])
    return request


class _Fields:
    """What llhttp calls back."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lines = 0
        self.hosts = 0
        self.complete = False
        self.status = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines += 1
        if self.lines > MAX_FIELDS:
            self.status = 431
            raise Refused(431)
        key = name.decode("latin-1").lower()
        # llhttp leaves white space at the end of a value.
        text = value.decode("latin-1").rstrip(" \t")
        if key == "host":
            self.hosts += 1
        self.values[key] = f"{self.values[key]}, {text}" if key in self.values else text

    def on_headers_complete(self) -> None:
        self.complete = True


def _check_host(fields: _Fields, minor: int) -> None:
    """RFC 9112 section 3.2: exactly one Host, which HTTP/1.0 may leave out."""
    if fields.hosts > 1 or (fields.hosts == 0 and minor):
        raise Refused(400)
    if fields.hosts and not _HOST.fullmatch(fields.values["host"]):
        raise Refused(400)


def _frame(request: Request) -> None:
    """RFC 9112 section 6: where the body ends. A transfer coding is not implemented, so it ends the connection."""
    if "transfer-encoding" in request.fields:
        raise Refused(400 if "content-length" in request.fields else 501)
    request.body_octets = int(request.fields.get("content-length", "0"))


def _persistence(request: Request) -> int:
    """RFC 9112 section 9.3."""
    if "connection" not in request.fields:
        return KEEP if request.minor else CLOSE
    options = {option.strip(" \t").lower() for option in request.fields["connection"].split(",")}
    if "close" in options:
        return CLOSE
    if request.minor:
        return KEEP
    return KEEP_10 if "keep-alive" in options else CLOSE


def _path(method: str, target: bytes) -> bytes | None:
    """The decoded path of a target in origin or absolute form; Refused if it is neither."""
    if not target.startswith(b"/"):
        match = _ABSOLUTE.fullmatch(target)
        if match is None or not _HOST.fullmatch(match[1].decode()):
            if method in ("OPTIONS", "CONNECT"):
                return None
            raise Refused(400)
        target = match[2] if match[2].startswith(b"/") else b"/" + match[2]
    if b"#" in target:
        raise Refused(400)
    path = target.partition(b"?")[0]
    return _decoded(path)


def _decoded(path: bytes) -> bytes | None:
    """Percent-decode once. An escaped slash stays what it is not: a separator; such a path names nothing."""
    if b"%" not in path:
        return path
    hidden = False
    pieces: list[bytes] = []
    at = 0
    for escape in _ESCAPE.finditer(path):
        if escape[1] is None:
            raise Refused(400)
        octet = int(escape[1], 16)
        if octet == 0:
            raise Refused(400)
        hidden = hidden or octet == 0x2F
        pieces += (path[at : escape.start()], bytes((octet,)))
        at = escape.end()
    pieces.append(path[at:])
    return None if hidden else b"".join(pieces)
