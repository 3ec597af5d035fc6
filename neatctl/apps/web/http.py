"""One connection of the web server as a pure machine: octets and the time in, octets out, close or keep.

RFC 9112 (messages, persistence, pipelining) over request.py (heads) and reply.py (prepared replies).
Clients that keep a connection repeat the very same head, so a bounded memo leads from its octets
straight to the reply; it changes nothing but the time this takes. Knows no socket and reads no clock:
`now` is in microseconds, and the second that the Date shows is told by `Service.tick`.
"""

from __future__ import annotations

from neatctl.apps.web.http_date import format_date
from neatctl.apps.web.reply import Replies, Reply
from neatctl.apps.web.request import CLOSE, Refused, Request, check_prefix, parse
from neatctl.apps.web.site import Site

OPEN = 0
"""More requests may come."""
CLOSING = 1
"""Close when all output is sent."""
LINGERING = 2
"""When all output is sent say so (FIN), but read and drop for a while: closing at once would make a reset of
octets unread, which may destroy the reply on its way (RFC 9112 section 9.6)."""

_OPEN = OPEN
_CLOSING = CLOSING
_LINGERING = LINGERING
_SMALL = 16 * 1024
_MAX_REMEMBERED_OCTETS = 4096
_HIGH_WATER = 256 * 1024
"""So much output, prepared and not taken, stops the reading of pipelined requests."""


class Options:
    """Limits of every connection."""

    def __init__(
        self,
        max_requests: int = 1000,
        head_us: int = 20_000_000,
        idle_us: int = 60_000_000,
        linger_us: int = 2_000_000,
        max_body_octets: int = 65536,
        memo_entries: int = 1024,
        memo_octets: int = 1 << 20,
    ) -> None:
        self.max_requests = max_requests
        """After so many the connection is closed, as the reply to the last one says; 0 for never."""
        self.head_us = head_us
        """From the first octet of a request to its end."""
        self.idle_us = idle_us
        """Between requests, and between two steps of a reader of replies."""
        self.linger_us = linger_us
        self.max_body_octets = max_body_octets
        """The longest request body that is read and thrown away; a longer one is 413."""
        self.memo_entries = memo_entries
        """0 for no memo."""
        self.memo_octets = memo_octets


class Service:
    """What all connections share: the site, the replies, the memo, the date and the counters."""

    def __init__(self, site: Site, options: Options | None = None) -> None:
        self.options = options or Options()
        self.max_requests = self.options.max_requests or 1 << 62
        self.head_us = self.options.head_us
        self.idle_us = self.options.idle_us
        self.site = site
        self.replies = Replies()
        self.draining = False
        """True once the server shall end: every reply is the last one of its connection."""
        self.requests = 0
        """Requests answered, with whatever status."""
        self.refusals = 0
        """Requests answered with a status from 400."""
        self.timeouts = 0
        """Connections ended because a request or a reader took too long."""
        self.memo_misses = 0
        self.stamp = -1
        self.date = b""
        self._young: dict[bytes, Reply] = {}
        self._old: dict[bytes, Reply] = {}
        self._young_octets = 0
        self.tick(0)

    def tick(self, seconds: int) -> None:
        """It is so many seconds since 1970: called once a second."""
        if seconds != self.stamp:
            self.stamp = seconds
            self.date = format_date(seconds)

    def install(self, site: Site) -> None:
        """Serve another snapshot from the next request on."""
        self.site = site
        self._young = {}
        self._old = {}
        self._young_octets = 0

    def recall(self, head: bytes) -> Reply | None:
        """The reply to exactly these octets, if it is remembered."""
        reply = self._young.get(head)
        if reply is None and self._old:
            reply = self._old.get(head)
            if reply is not None:
                self.remember(head, reply)
        return reply

    def remember(self, head: bytes, reply: Reply) -> None:
        """Keep a reply that depends on nothing but these octets and the site.

        Two generations: when the young one is full it becomes the old one, so what is in use stays.
        """
        options = self.options
        half = options.memo_octets >> 1
        if len(head) > half or len(head) > _MAX_REMEMBERED_OCTETS or options.memo_entries < 2:
            return
        if len(self._young) >= options.memo_entries >> 1 or self._young_octets + len(head) > half:
            self._old = self._young
            self._young = {}
            self._young_octets = 0
        self._young[head] = reply
        self._young_octets += len(head)

    def memo_size(self) -> tuple[int, int]:
        """Entries and octets in the memo."""
        return len(self._young) + len(self._old), sum(map(len, self._young)) + sum(map(len, self._old))

    def reply_to(self, request: Request, persistence: int) -> Reply:
        """The reply that a request gets from the site; persistence may be less than the client asked for."""
        if request.method not in ("GET", "HEAD"):
            return self.replies.error(405, False, persistence)
        entry = self.site.find(request.path) if request.path is not None else None
        if entry is None:
            return self.replies.error(404, request.method == "HEAD", persistence)
        return self.replies.entry(entry, request, persistence)


class Connection:
    """One client. `output[at:stop]` is what to send next, None when there is nothing; `sent` says how much was."""

    def __init__(self, service: Service, now: int) -> None:
        self.service = service
        self.state = _OPEN
        """OPEN, or what to do when all output is sent: CLOSING or LINGERING."""
        self.output: bytes | None = None
        self.at = 0
        self.stop = 0
        self.deadline = now + service.head_us
        """When `expire` is due."""
        self.served = 0
        self.given_up = False
        """The reader was too slow: close with a reset."""
        self._queue: list[tuple[bytes, int, int]] = []
        self._queued = 0
        self._gathered: list[bytes] = []
        self._gathered_octets = 0
        self._input = b""
        self._checked = 0
        self._head_due = 0
        self._body_left = 0
        self._stalled = False
        self._ended = False

    # ---- from the client ----
    def receive(self, data: bytes, now: int) -> None:
        """Octets from the client."""
        if self.state != _OPEN:
            return
        if self.output is None and self._body_left == 0 and not self._input:
            reply = self.service.recall(data)
            if reply is not None:
                self._answer(reply, now)
                return
        self._read(data, now)

    def end(self) -> None:
        """The client will send no more (FIN): what it asked for is still sent, then the connection ends."""
        self._ended = True
        if self.state == _LINGERING and self.output is None:
            self.state = _CLOSING
        if self.state == _OPEN and not self._stalled:
            self.state = _CLOSING

    def sent(self, octets: int, now: int) -> None:
        """So many octets of the output were taken."""
        self.at += octets
        if octets:
            self.deadline = now + self.service.idle_us
        if self.at < self.stop:
            return
        if self._queue:
            self.output, self.at, self.stop = self._queue.pop(0)
            self._queued -= self.stop - self.at
            return
        self.output = None
        if self.state == _LINGERING:
            self.deadline = now + self.service.options.linger_us
            if self._ended:
                self.state = _CLOSING
        elif self._stalled:
            self._read(b"", now)
        elif self._input or self._body_left:
            self.deadline = self._head_due

    def expire(self, now: int) -> None:
        """The deadline has come: a request that began is answered with 408, all else is given up."""
        if self.state != _OPEN or self.output is not None:
            if self.state != _LINGERING or self.output is not None:
                self.service.timeouts += 1
                self.given_up = True
            self.state = _CLOSING
            self.output = None
            self._queue.clear()
            return
        self.state = _CLOSING
        if self._input and not self._body_left:
            self.service.timeouts += 1
            self._refuse(408, now)

    def idle(self) -> bool:
        """Nothing of a request has come and nothing is to be sent: closing now loses nothing that the server has."""
        return self.output is None and not self._input and self._body_left == 0

    # ---- requests ----
    def _read(self, data: bytes, now: int) -> None:
        """Answer the requests that are complete; keep what is not."""
        octets = self._input + data if self._input else data
        self._stalled = False
        at = 0
        while self.state == _OPEN:
            if self._body_left:
                dropped = min(self._body_left, len(octets) - at)
                self._body_left -= dropped
                at += dropped
                if self._body_left:
                    break
            while octets.startswith(b"\r\n", at):
                at += 2
            if at == len(octets):
                break
            if self._queued + self._gathered_octets > _HIGH_WATER:
                self._stalled = True
                break
            if self._checked == 0:
                self._head_due = now + self.service.head_us
            end = octets.find(b"\r\n\r\n", at + max(self._checked - 3, 0)) + 4
            head = octets[at:end] if end > 3 else octets[at:]
            if head == b"\r":
                break
            try:
                check_prefix(head, self._checked)
                if end <= 3:
                    self._checked = len(head)
                    break
                self._checked = 0
                at = end
                self._answer(self._reply(head), now)
            except Refused as refused:
                self._refuse(refused.status, now, head.startswith(b"HEAD "))
        if self.state == _CLOSING and at < len(octets):
            self.state = _LINGERING
        self._input = octets[at:] if self.state == _OPEN else b""
        if self._gathered:
            self._seal()
        if self.state == _OPEN:
            if self._ended and not self._stalled:
                self.state = _CLOSING
            elif self.output is None and (self._input or self._body_left):
                self.deadline = self._head_due

    def _reply(self, head: bytes) -> Reply:
        """The reply to a complete head."""
        service = self.service
        reply = service.recall(head)
        if reply is not None:
            return reply
        service.memo_misses += 1
        request = parse(head)
        if request.body_octets > service.options.max_body_octets:
            raise Refused(413)
        expectation = request.fields.get("expect", "") if request.minor else ""
        if expectation and expectation.lower() != "100-continue":
            raise Refused(417)
        if expectation and request.body_octets:
            # The final reply comes at once; whether the body does is open, so the connection cannot go on.
            self.state = _LINGERING
            return service.reply_to(request, CLOSE)
        reply = service.reply_to(request, request.persistence)
        self._body_left = request.body_octets
        if request.body_octets == 0 and not ("range" in request.fields or expectation):
            service.remember(head, reply)
        return reply

    def _refuse(self, status: int, now: int, bodyless: bool = False) -> None:
        self._answer(self.service.replies.error(status, bodyless, CLOSE), now)
        self._seal()
        self.state = _LINGERING

    # ---- replies ----
    def _answer(self, reply: Reply, now: int) -> None:
        """Put a reply into the output."""
        service = self.service
        service.requests += 1
        self.served += 1
        if reply.status >= 400:
            service.refusals += 1
        if (self.served >= service.max_requests or service.draining) and reply.closing is not None:
            # The client does not expect the end, so more requests may be on their way.
            reply = reply.closing
            self.state = _LINGERING
        if reply.stamp != service.stamp:
            reply.refresh(service.date, service.stamp)
        self.deadline = now + service.idle_us
        if self.output is None:
            self.output = reply.ready
            self.at = 0
            self.stop = len(reply.ready)
        else:
            self._gathered.append(reply.ready)
            self._gathered_octets += len(reply.ready)
        if reply.start < reply.stop:
            self._seal()
            self._queue.append((reply.body, reply.start, reply.stop))
            self._queued += reply.stop - reply.start
        if reply.closes and self.state == _OPEN:
            self.state = _CLOSING

    def _seal(self) -> None:
        """Make one piece of the small replies that were gathered, with the output if that is small and untouched."""
        if not self._gathered:
            return
        octets = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_octets = 0
        if self.output is not None and self.at == 0 and not self._queue and self.stop <= _SMALL:
            self.output = self.output[: self.stop] + octets
            self.stop = len(self.output)
        else:
            self._queue.append((octets, 0, len(octets)))
            self._queued += len(octets)
