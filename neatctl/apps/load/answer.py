"""One connection's reading of answers as a pure machine: octets in, a verdict out. Knows no socket and no time.

RFC 9112: status line (4), field syntax (5), Content-Length (6.2), persistence (9.3); RFC 9110 section 8.6. What servers
send to a GET is read strictly: no obsolete folding, no bare line feed, a Content-Length and no coding. A `Page` is what
is asked for and what is known of its right answer: the first one is learnt, octet by octet, all others are compared.
Servers repeat themselves, so an answer that is the last one's very octets is right without being read (only a new
Date makes the next one be read again).
"""

from __future__ import annotations

import string

from neatctl.apps.load.octets import Octets

MORE = 0
"""Not complete yet."""
RIGHT = 1
"""Complete and right; the connection stays open."""
LAST = 2
"""Complete and right, and the server says that it closes the connection."""
STATUS = 3
"""Another status than 200."""
LENGTH = 4
"""Another length than the first answer had, or than was expected."""
DIFFERS = 5
"""Other octets than the first answer had."""
EXCESS = 6
"""More octets than Content-Length says."""
MALFORMED = 7
"""Not HTTP/1.0 or 1.1 as the RFC writes it."""
CODED = 8
"""With a Transfer-Encoding, such as chunked: not read."""
NO_LENGTH = 9
"""Without Content-Length: not read."""
LONG_HEAD = 10
"""A head of more than MAX_HEAD octets."""

MAX_HEAD = 16 * 1024
USUAL_OCTETS = 8 * 1024
"""The longest answer, head and content, that is remembered whole."""
KEPT_OCTETS = 64 << 20
"""So much of a content is kept and compared; of what lies beyond only the length counts."""
WHOLE_OCTETS = 1 << 20
"""So much is compared octet by octet; beyond it SAMPLE_OCTETS of every STRIDE_OCTETS (some in every segment)."""
STRIDE_OCTETS = 1024
SAMPLE_OCTETS = 64

_MORE = MORE
_RIGHT = RIGHT
_LAST = LAST
_STATUS = STATUS
_LENGTH = LENGTH
_DIFFERS = DIFFERS
_EXCESS = EXCESS
_MALFORMED = MALFORMED
_CODED = CODED
_NO_LENGTH = NO_LENGTH
_LONG_HEAD = LONG_HEAD
_MAX_HEAD = MAX_HEAD
_USUAL_OCTETS = USUAL_OCTETS
_KEPT_OCTETS = KEPT_OCTETS
_WHOLE_OCTETS = WHOLE_OCTETS
_STRIDE_OCTETS = STRIDE_OCTETS
_SAMPLE_OCTETS = SAMPLE_OCTETS
_MOST_DIGITS = 15
_FOLD = 0x20
"""Letters with this bit are lower case."""


def _constant(data: bytes) -> Octets:
    made = Octets(len(data))
    made.put(0, data)
    return made


_VERSION = _constant(b"HTTP/1.")
_CONTENT_LENGTH = _constant(b"content-length")
_TRANSFER_ENCODING = _constant(b"transfer-encoding")
_CONNECTION = _constant(b"connection")
_CLOSE = _constant(b"close")
_KEEP_ALIVE = _constant(b"keep-alive")
_TOKEN = Octets(256)
"""1 for each octet that may stand in a field's name (RFC 9110 section 5.6.2)."""
for _char in "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters:
    _TOKEN.put(ord(_char), b"\1")


class Page:
    """One thing to ask for: its request, and what is known of the right answer."""

    def __init__(self, host: str, path: str, expect_octets: int = -1) -> None:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
        self.path = path
        self.request = _constant(f"{head}\r\n".encode("ascii"))
        self.last_request = _constant(f"{head}Connection: close\r\n\r\n".encode("ascii"))
        """The same for a connection that shall end with its answer."""
        self.length = expect_octets
        """Octets of the content; -1 while that is not known."""
        self.known = 0
        """Octets of the content that are known: those that any connection has had."""
        self.usual = Octets(_USUAL_OCTETS)
        self.usual_octets = 0
        self.usual_verdict = _RIGHT
        self._content: Octets | None = None

    def remember(self, memory: Octets, at: int, octets: int, verdict: int) -> int:
        """An answer that came whole and was right."""
        if octets <= _USUAL_OCTETS:
            self.usual.copy(0, memory, at, octets)
            self.usual_octets = octets
            self.usual_verdict = verdict
        return 0

    def same(self, memory: Octets, at: int, octets: int, position: int) -> bool:
        """Whether octets from this position of the content on are right; what nobody had yet is learnt.

        `position` is at most `known`: whoever reads has had all before it.
        """
        if self._content is None:
            self._content = Octets(min(self.length, _KEPT_OCTETS))
        content = self._content
        octets = min(octets, content.octets - position)
        while octets > 0:
            if position >= self.known:
                content.copy(position, memory, at, octets)
                self.known = position + octets
                return True
            step = min(octets, self.known - position)
            if position < _WHOLE_OCTETS:
                step = min(step, _WHOLE_OCTETS - position)
                compared = step
            else:
                step = min(step, _STRIDE_OCTETS - position % _STRIDE_OCTETS)
                compared = min(step, max(_SAMPLE_OCTETS - position % _STRIDE_OCTETS, 0))
            if not memory.equal(at, content, position, compared):
                return False
            at += step
            position += step
            octets -= step
        return True


class Answer:
    """What one connection has of the answer to its last request. `begin`, then `receive` until it is not MORE."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.status = 0
        """Of the last head that was read."""
        self.held = 0
        """Octets of a head that is not complete."""
        self.left = -1
        """Octets of the content to come; -1 before its head."""
        self._head: Octets | None = None
        self._verdict = _RIGHT
        self._length = -1

    def begin(self, page: Page) -> int:
        """An answer to the request for this page comes next."""
        self.page = page
        self.held = 0
        self.left = -1
        return 0

    def receive(self, memory: Octets, at: int, octets: int) -> int:
        """Octets that came, at least one; the verdict."""
        page = self.page
        if self.left >= 0:
            return self._receive_content(memory, at, octets)
        if self.held:
            return self._receive_head(memory, at, octets)
        if octets == page.usual_octets and memory.equal(at, page.usual, 0, octets):
            return page.usual_verdict
        end = memory.head_end(at, octets)
        if end < 0:
            return self._receive_head(memory, at, octets)
        if end - at > _MAX_HEAD:
            return _LONG_HEAD
        verdict = self._read_head(memory, at, end)
        if verdict != _MORE:
            return verdict
        verdict = self._receive_content(memory, end, at + octets - end)
        if verdict in (_RIGHT, _LAST):
            page.remember(memory, at, octets, verdict)
        return verdict

    def _receive_head(self, memory: Octets, at: int, octets: int) -> int:
        """A piece of a head."""
        if self._head is None:
            self._head = Octets(_MAX_HEAD)
        head = self._head
        taken = min(octets, _MAX_HEAD - self.held)
        looked = max(self.held - 3, 0)
        head.copy(self.held, memory, at, taken)
        end = head.head_end(looked, self.held + taken - looked)
        if end < 0:
            self.held += taken
            return _LONG_HEAD if self.held == _MAX_HEAD else _MORE
        taken = end - self.held
        self.held = 0
        verdict = self._read_head(head, 0, end)
        return verdict if verdict != _MORE else self._receive_content(memory, at + taken, octets - taken)

    def _receive_content(self, memory: Octets, at: int, octets: int) -> int:
        """A piece of the content, perhaps of no octets."""
        taken = min(octets, self.left)
        if taken and not self.page.same(memory, at, taken, self._length - self.left):
            return _DIFFERS
        self.left -= taken
        if octets > taken:
            return _EXCESS
        return _MORE if self.left else self._verdict

    def _read_head(self, memory: Octets, at: int, end: int) -> int:
        """A complete head: MORE if its content is to come (or is empty), or what is wrong."""
        page = self.page
        stop = _line_end(memory, at, end)
        # HTTP/1.1 200 and a space, which stands there even without a reason phrase.
        if stop - at < 13 or not memory.equal(at, _VERSION, 0, 7) or memory.get8(at + 8) != 0x20:
            return _MALFORMED
        minor = memory.get8(at + 7) - 0x30
        self.status = _number(memory, at + 9, at + 12)
        if minor < 0 or minor > 1 or self.status < 100 or memory.get8(at + 12) != 0x20:
            return _MALFORMED
        if not _text(memory, at + 12, stop):
            return _MALFORMED
        if self.status != 200:
            return _STATUS
        self._length = -1
        self._verdict = _RIGHT if minor == 1 else _LAST
        at = stop + 2
        while at < end - 2:
            stop = _line_end(memory, at, end)
            verdict = self._read_field(memory, at, stop)
            if verdict != _MORE:
                return verdict
            at = stop + 2
        if self._length < 0:
            return _NO_LENGTH
        if page.length < 0:
            page.length = self._length
        elif page.length != self._length:
            return _LENGTH
        self.left = self._length
        return _MORE

    def _read_field(self, memory: Octets, at: int, stop: int) -> int:
        """One field line without its end."""
        colon = at
        while colon < stop and memory.get8(colon) != 0x3A:
            if not _TOKEN.get8(memory.get8(colon)):
                return _MALFORMED
            colon += 1
        if colon in (at, stop):
            return _MALFORMED
        value = colon + 1
        while value < stop and _blank(memory.get8(value)):
            value += 1
        while stop > value and _blank(memory.get8(stop - 1)):
            stop -= 1
        if not _text(memory, value, stop):
            return _MALFORMED
        if _named(memory, at, colon, _CONTENT_LENGTH):
            length = _number(memory, value, stop)
            if length < 0 or (self._length >= 0 and length != self._length):
                return _MALFORMED
            self._length = length
        elif _named(memory, at, colon, _TRANSFER_ENCODING):
            return _CODED
        elif _named(memory, at, colon, _CONNECTION):
            self._read_connection(memory, value, stop)
        return _MORE

    def _read_connection(self, memory: Octets, at: int, stop: int) -> int:
        """The options of a Connection field: what they say of persistence."""
        while at < stop:
            comma = at
            while comma < stop and memory.get8(comma) != 0x2C:
                comma += 1
            start = at
            end = comma
            while start < end and _blank(memory.get8(start)):
                start += 1
            while end > start and _blank(memory.get8(end - 1)):
                end -= 1
            if _named(memory, start, end, _CLOSE):
                self._verdict = _LAST
                return 0
            if _named(memory, start, end, _KEEP_ALIVE):
                self._verdict = _RIGHT
            at = comma + 1
        return 0


def _blank(octet: int) -> bool:
    return octet == 0x20 or octet == 9


def _text(memory: Octets, at: int, stop: int) -> bool:
    """Whether these may stand in a value or a reason phrase: no control characters but tabs."""
    while at < stop:
        octet = memory.get8(at)
        if (octet < 0x20 and octet != 9) or octet == 0x7F:
            return False
        at += 1
    return True


def _line_end(memory: Octets, at: int, end: int) -> int:
    """Where the CR of the next line end is; a head has one, and a bare line feed ends nothing."""
    while at < end - 1 and (memory.get8(at) != 0x0D or memory.get8(at + 1) != 0x0A):
        at += 1
    return at


def _number(memory: Octets, at: int, stop: int) -> int:
    """Digits as a number, -1 for anything else or too many of them."""
    value = 0
    if at == stop or stop - at > _MOST_DIGITS:
        return -1
    while at < stop:
        digit = memory.get8(at) - 0x30
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
        at += 1
    return value


def _named(memory: Octets, at: int, stop: int, name: Octets) -> bool:
    """Whether a token is this one (in lower case), whatever its case."""
    if stop - at != name.octets:
        return False
    i = 0
    while at < stop:
        if memory.get8(at) | _FOLD != name.get8(i):
            return False
        at += 1
        i += 1
    return True
