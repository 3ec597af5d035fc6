"""Replies prepared as octets: made once, sent many times; only the Date in them ages (RFC 9110, 9112 section 4).

A Reply is shared by all connections and requests that get the same one. Its content is never copied,
but for small content, which is joined with the head once a second so that one send takes both.
Knows nothing of connections, sockets or the clock.
"""

from __future__ import annotations

import re

from neatctl.apps.web.http_date import parse_date
from neatctl.apps.web.request import CLOSE, KEEP, KEEP_10, Request
from neatctl.apps.web.site import Entry

JOIN_OCTETS = 60 * 1024
"""Content up to this size is sent in one piece with its head: together one record of a socket channel."""

REASONS = {
    200: "OK",
    206: "Partial Content",
    301: "Moved Permanently",
    304: "Not Modified",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    412: "Precondition Failed",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}

_CONNECTION = {KEEP: b"", CLOSE: b"Connection: close\r\n", KEEP_10: b"Connection: keep-alive\r\n"}
_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class Reply:
    """One status line, its fields and its content `body[start:stop]`.

    `ready` are the octets to send first, right only while `stamp` is the second that `refresh` was
    last called with; `start == stop` when all the content is in them.
    """

    def __init__(self, status: int, fields: bytes, persistence: int, body: bytes, start: int, stop: int) -> None:
        self.status = status
        self.closes = persistence == CLOSE
        self.closing: Reply | None = None
        """The same reply, but ending the connection; None where this one does."""
        self.before = f"HTTP/1.1 {status} {REASONS[status]}\r\nServer: neatctl\r\nDate: ".encode()
        self.after = b"\r\n" + fields + _CONNECTION[persistence] + b"\r\n"
        if 0 < stop - start <= JOIN_OCTETS:
            self.after += body[start:stop]
            start = stop
        self.body = body
        self.start = start
        self.stop = stop
        self.stamp = -1
        self.ready = b""

    def refresh(self, date: bytes, stamp: int) -> None:
        """Make `ready` for the second `stamp`."""
        self.ready = self.before + date + self.after
        self.stamp = stamp


class Replies:
    """Makes the replies to requests, and shares what can be shared."""

    def __init__(self) -> None:
        self._errors: dict[tuple[int, bool, int], Reply] = {}

    def error(self, status: int, bodyless: bool, persistence: int) -> Reply:
        """A reply that says what is wrong, in a line of text. `bodyless`: the request was a HEAD."""
        key = (status, bodyless, persistence)
        reply = self._errors.get(key)
        if reply is None:
            body = f"{status} {REASONS[status]}\n".encode()
            fields = b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n" % len(body)
            if status == 405:
                fields += b"Allow: GET, HEAD\r\n"
            reply = Reply(status, fields, persistence, body, 0, 0 if bodyless else len(body))
            self._errors[key] = reply
            if persistence != CLOSE:
                reply.closing = self.error(status, bodyless, CLOSE)
        return reply

    def entry(self, entry: Entry, request: Request, persistence: int) -> Reply:
        """The reply to a GET or HEAD of an entry (RFC 9110 section 13.2.2: conditions first, then Range)."""
        if entry.location:
            return _shared(entry, 301, request.method == "HEAD", persistence)
        fields = request.fields
        if _precondition_fails(fields, entry):
            return self.error(412, request.method == "HEAD", persistence)
        if "if-none-match" in fields:
            if _matches(fields["if-none-match"], entry):
                return _shared(entry, 304, True, persistence)
        elif "if-modified-since" in fields and _unmodified(fields["if-modified-since"], entry):
            return _shared(entry, 304, True, persistence)
        if request.method == "HEAD":
            return _shared(entry, 200, True, persistence)
        if "range" in fields and ("if-range" not in fields or _same(fields["if-range"], entry)):
            part = _part(fields["range"], len(entry.content))
            if part is not None:
                return _partial(entry, part, persistence)
        return _shared(entry, 200, False, persistence)


def _shared(entry: Entry, status: int, bodyless: bool, persistence: int) -> Reply:
    """The reply of an entry for this status and persistence, made at its first use."""
    key = (status << 3) | (bodyless << 2) | persistence
    reply = entry.replies.get(key)
    if not isinstance(reply, Reply):
        reply = _whole(entry, status, bodyless, persistence)
        entry.replies[key] = reply
        if persistence != CLOSE:
            reply.closing = _shared(entry, status, bodyless, CLOSE)
    return reply


def _whole(entry: Entry, status: int, bodyless: bool, persistence: int) -> Reply:
    if status == 304:
        fields = b"ETag: %b\r\nLast-Modified: %b\r\n" % (entry.etag, entry.last_modified)
        return Reply(304, fields, persistence, b"", 0, 0)
    if status == 301:
        body = b"Moved to " + entry.location + b"\n"
        fields = b"Location: %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        return Reply(301, fields % (entry.location, len(body)), persistence, body, 0, 0 if bodyless else len(body))
    octets = len(entry.content)
    fields = b"Content-Length: %d\r\n" % octets + _described(entry)
    return Reply(200, fields, persistence, entry.content, 0, 0 if bodyless else octets)


def _described(entry: Entry) -> bytes:
    return b"Content-Type: %b\r\nETag: %b\r\nLast-Modified: %b\r\nAccept-Ranges: bytes\r\n" % (
        entry.content_type.encode(),
        entry.etag,
        entry.last_modified,
    )


def _partial(entry: Entry, part: tuple[int, int], persistence: int) -> Reply:
    """206, or 416 for a range without octets. Not shared: ranges are many."""
    start, stop = part
    octets = len(entry.content)
    if start >= stop:
        body = b"416 Range Not Satisfiable\n"
        fields = b"Content-Range: bytes */%d\r\nContent-Length: %d\r\n" % (octets, len(body))
        fields += b"Content-Type: text/plain; charset=utf-8\r\n"
        make = (416, fields, body, 0, len(body))
    else:
        fields = b"Content-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n" % (start, stop - 1, octets, stop - start)
        make = (206, fields + _described(entry), entry.content, start, stop)
    status, fields, body, start, stop = make
    reply = Reply(status, fields, persistence, body, start, stop)
    if persistence != CLOSE:
        reply.closing = Reply(status, fields, CLOSE, body, start, stop)
    return reply


def _precondition_fails(fields: dict[str, str], entry: Entry) -> bool:
    """RFC 9110 sections 13.1.1 and 13.1.4: If-Match, compared strongly, else If-Unmodified-Since."""
    if "if-match" in fields:
        tags = [tag.strip() for tag in fields["if-match"].split(",")]
        return "*" not in tags and entry.etag.decode() not in tags
    if "if-unmodified-since" in fields:
        seconds = parse_date(fields["if-unmodified-since"])
        return seconds is not None and entry.modified > seconds
    return False


def _matches(condition: str, entry: Entry) -> bool:
    """RFC 9110 section 13.1.2: a list of tags, compared weakly, or an asterisk."""
    if condition.strip() == "*":
        return True
    return entry.etag.decode() in _TAG.findall(condition)


def _unmodified(date: str, entry: Entry) -> bool:
    """RFC 9110 section 13.1.3; what is no date is no condition."""
    seconds = parse_date(date)
    return seconds is not None and entry.modified <= seconds


def _same(condition: str, entry: Entry) -> bool:
    """RFC 9110 section 13.1.5: a strong tag or the exact date."""
    return condition in (entry.etag.decode(), entry.last_modified.decode())


def _part(text: str, octets: int) -> tuple[int, int] | None:
    """The first octet and the one behind the last of a single range; None where Range is to be ignored.

    A range that holds no octet of the content comes back empty (RFC 9110 section 14.1.1).
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return max(octets - int(suffix), 0) if int(suffix) else octets, octets
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, octets) if last else octets
