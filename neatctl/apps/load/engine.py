"""The loop of the load client: connections opened, asked, read, checked, closed and opened anew.

One thread, one poller told by edges; a request costs one receive and one send, and no object is made for it. What an
answer is worth says `answer`, when requests are due `schedule`. Counts what happened; reports nothing.
"""

from __future__ import annotations

import errno
import random
import select

from neatctl.apps.load.answer import LAST, MORE, RIGHT, Answer, Page
from neatctl.apps.load.counts import Counts
from neatctl.apps.load.kernel import Poller, Target, close_socket, error_of, local_port, now_us, receive, send
from neatctl.apps.load.octets import Octets
from neatctl.apps.load.options import Options
from neatctl.apps.load.outcome import Outcome, class_of, reason_of
from neatctl.apps.load.schedule import Line, Schedule

RETRY_US = 20_000
"""A connection that failed is opened anew so much later."""
ENDING_US = 1_000_000
"""A server that says it closes the connection, and does not, is waited for so long."""
LOOK_US = 20_000
"""Every so often deadlines are looked at."""

_RECEIVED_OCTETS = 256 * 1024
_OPENED_AT_ONCE = 64
_LOOK_US = LOOK_US
_RETRY_US = RETRY_US
_ENDING_US = ENDING_US
_MORE = MORE
_RIGHT = RIGHT
_LAST = LAST
_AGAIN = -errno.EAGAIN
_IN = int(select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLERR | select.EPOLLHUP)
_OUT = int(select.EPOLLOUT)
_FAILED = int(select.EPOLLERR | select.EPOLLHUP)
_ENDED = int(select.EPOLLRDHUP)

_CLOSED = 0
_CONNECTING = 1
_FREE = 2
_ASKED = 3
_ENDING = 4
"""The server said that it closes; its end is waited for, so that TIME-WAIT is its own."""
_SLOT_BITS = 20
_SLOT_MASK = (1 << _SLOT_BITS) - 1
_FOR_EVER = 1 << 62


class Client:
    """One connection of those wanted, with whatever socket it has at the time."""

    def __init__(self, number: int, page: Page) -> None:
        self.number = number
        self.answer = Answer(page)
        self.request = page.request
        self.state = _CLOSED
        self.fd = -1
        self.tag = number
        """Its number, and how often it was opened above: an event of an earlier socket is none of this one's."""
        self.since_us = 0
        """When it began to connect, asked, or began to end: what its deadline counts from."""
        self.due_us = 0
        """When the request that it asks was due; -1 for none, while it connects for nobody."""
        self.retry_us = 0
        self.unsent = 0
        self.requests = 0
        """Answered on the current socket."""
        self.answered = False
        self.broken = False


class Engine:
    """So many connections to one target. `run` again and again, then `close`."""

    def __init__(self, target: Target, options: Options, begin_us: int) -> None:
        self.outcome = Outcome()
        self.begin_us = begin_us
        self.requests = 0
        """Right answers since `measure`, as all that is counted here."""
        self.all_requests = 0
        """Since the begin."""
        self.octets_in = 0
        self.opened = 0
        self.open = 0
        """Connections that are established now."""
        self.most_open = 0
        self.asked = 0
        """Requests whose answer is waited for now."""
        self.closed_by_server = 0
        self.latency = Counts()
        self.service_time = Counts()
        self.connect_time = Counts()
        self.clients: list[Client] = []
        host = options.host if options.port == 80 else f"{options.host}:{options.port}"
        self._pages = [Page(host, path, options.expect_octets) for path in options.paths]
        self._page = 0
        self._sockets = 0
        self._limit = options.requests_per_connection or _FOR_EVER
        self._timeout_us = int(options.timeout_s * 1_000_000)
        chance = random.Random(options.seed)
        self._schedule: Schedule | None = None
        if options.rate:
            # Clients side by side, each with a seed of its own, are not due at the same times.
            self._schedule = Schedule(options.rate, begin_us + int(chance.random() * 1_000_000 / options.rate))
        self._lazy = bool(options.rate and options.requests_per_connection)
        """Connections are opened when there is something to ask for on them."""
        self._leaving = False
        self._target = target
        self._poller = Poller()
        self._buffer = Octets(_RECEIVED_OCTETS)
        self._look_at_us = begin_us
        self._closed = Line(options.connections)
        """Who is to be opened, in the order in which that is due."""
        self._free = Line(options.connections)
        """Who can be asked in the open loop: open and without a request, or to be opened for it."""
        self.clients = [Client(number, self._pages[0]) for number in range(options.connections)]
        order = list(range(options.connections))
        chance.shuffle(order)
        chance.shuffle(self._pages)
        for number in order:
            (self._free if self._lazy else self._closed).join(number)

    # ---- the loop ----
    def run(self, until_us: int) -> bool:
        """Load until this time; True when it left before, for a signal."""
        poller = self._poller
        while True:
            now = now_us()
            if now >= until_us or (self._leaving and not self.busy()):
                return False
            if now >= self._look_at_us:
                self._look_after(now)
            if self._closed.length and not self._leaving:
                self._open_closed(now)
            if self._schedule is not None and not self._leaving:
                self._ask_due(now)
            count = poller.wait(self._pause_until(until_us) - now_us())
            if count < 0:
                return True
            i = 0
            while i < count:
                tag = poller.tag(i)
                client = self.clients[tag & _SLOT_MASK]
                if client.tag == tag:
                    self._ready(client, poller.events(i))
                i += 1

    def measure(self) -> None:
        """What happened so far was the warm-up: count anew."""
        self.outcome.measure()
        self.requests = self.octets_in = self.opened = self.closed_by_server = 0
        self.latency = Counts()
        self.service_time = Counts()
        self.connect_time = Counts()

    def unsent(self, now: int) -> int:
        """Requests that the rate would have had sent by now."""
        return self._schedule.left_before(now) if self._schedule is not None else 0

    def leave(self) -> None:
        """From now on every answer is the last of its connection; `run` returns when all are closed.

        What is still open is asked once more, with `Connection: close`: the server closes first, so a load leaves
        no TIME-WAIT behind that would take the ports of the next one.
        """
        self._leaving = True
        now = now_us()
        for client in self.clients:
            if client.state == _FREE:
                self._ask(client, now, now)

    def busy(self) -> bool:
        """Whether any connection is open or opening."""
        return self._sockets > 0

    def close(self) -> None:
        """Close everything at once."""
        for client in self.clients:
            if client.state != _CLOSED:
                self._shut(client)
        self._poller.close()

    def _pause_until(self, until_us: int) -> int:
        """When to look again if nothing comes."""
        until_us = min(until_us, self._look_at_us)
        if self._leaving:
            return until_us
        if self._closed.length:
            client = self.clients[self._closed.first()]
            until_us = min(until_us, client.retry_us)
        if self._schedule is not None and self._free.length:
            until_us = min(until_us, self._schedule.next_us)
        return until_us

    def _look_after(self, now: int) -> int:
        """Deadlines."""
        self._look_at_us = now + _LOOK_US
        for client in self.clients:
            if client.state in (_CLOSED, _FREE):
                continue
            waited = now - client.since_us
            if client.state == _ENDING:
                if waited > _ENDING_US:
                    self._reopen(client)
            elif waited > self._timeout_us:
                self._failed(client, "timeout", "connect" if client.state == _CONNECTING else "answer")
        return 0

    # ---- opening ----
    def _open_closed(self, now: int) -> int:
        """Open who is due, some at a time."""
        line = self._closed
        opened = 0
        while line.length and opened < _OPENED_AT_ONCE:
            client = self.clients[line.first()]
            if client.retry_us > now:
                break
            line.leave()
            self._open(client, -1)
            opened += 1
        return 0

    def _open(self, client: Client, due_us: int) -> int:
        """A new socket; due_us of the request that waits for it, -1 for none."""
        client.due_us = due_us
        client.requests = 0
        client.unsent = 0
        client.answered = False
        client.tag = (((client.tag >> _SLOT_BITS) + 1) << _SLOT_BITS) | client.number
        client.since_us = now_us()
        client.state = _CONNECTING
        client.fd = self._target.connect()
        code = -client.fd
        if client.fd >= 0:
            self._sockets += 1
            code = -self._poller.watch(client.fd, client.tag)
        if code:
            self._failed(client, class_of(code, True), f"connect {reason_of(code)}")
        return 0

    def _connected(self, client: Client) -> int:
        now = now_us()
        self.connect_time.record(now - client.since_us)
        client.state = _FREE
        self.opened += 1
        self.open += 1
        if self.open > self.most_open:
            self.most_open = self.open
        if client.due_us >= 0:
            self._ask(client, client.due_us, now)
        elif self._schedule is None or self._leaving:
            self._ask(client, now, now)
        else:
            self._free.join(client.number)
        return 0

    def _reopen(self, client: Client) -> int:
        """It was closed in order: open it again, or leave that to who needs it."""
        self._shut(client)
        if self._lazy:
            self._free.join(client.number)
        elif not self._leaving:
            self._open(client, -1)
        return 0

    def _shut(self, client: Client) -> int:
        if client.state >= _FREE:
            self.open -= 1
        if client.state == _ASKED:
            self.asked -= 1
        client.state = _CLOSED
        if client.fd >= 0:
            close_socket(client.fd)
            client.fd = -1
            self._sockets -= 1
        return 0

    # ---- asking ----
    def _ask_due(self, now: int) -> int:
        """Send what is due, as far as somebody is free."""
        schedule = self._schedule
        free = self._free
        while schedule is not None and free.length and schedule.next_us <= now:
            client = self.clients[free.leave()]
            if client.state == _FREE:
                self._ask(client, schedule.take(), now)
            elif client.state == _CLOSED and self._lazy and client.retry_us <= now:
                self._open(client, schedule.take())
            elif client.state == _CLOSED and self._lazy:
                free.join(client.number)
                break
        return 0

    def _ask(self, client: Client, due_us: int, now: int) -> int:
        """Send a request that was due then."""
        page = self._pages[self._page]
        self._page += 1
        if self._page == len(self._pages):
            self._page = 0
        client.answer.begin(page)
        last = self._leaving or client.requests + 1 >= self._limit
        client.request = page.last_request if last else page.request
        client.unsent = client.request.octets
        client.due_us = due_us
        client.since_us = now
        client.state = _ASKED
        self.asked += 1
        return self._send(client)

    def _send(self, client: Client) -> int:
        """What is left of the request."""
        request = client.request
        while client.unsent:
            sent = send(client.fd, request, request.octets - client.unsent, client.unsent)
            if sent == _AGAIN:
                break
            if sent < 0:
                self._failed(client, class_of(-sent, False), f"send {reason_of(-sent)}")
                break
            client.unsent -= sent
        return 0

    # ---- what comes ----
    def _ready(self, client: Client, events: int) -> int:
        """The poller told something of this connection."""
        if client.state == _CONNECTING:
            if events & _FAILED:
                code = error_of(client.fd)
                self._failed(client, class_of(code, True), f"connect {reason_of(code)}")
                return 0
            if not events & _OUT:
                return 0
            self._connected(client)
        elif client.unsent and events & _OUT:
            self._send(client)
        if events & _IN and client.state != _CLOSED:
            self._receive(client, events)
        return 0

    def _receive(self, client: Client, events: int) -> int:
        """Read until there is no more: edges are told once."""
        tag = client.tag
        while client.tag == tag and client.state != _CLOSED:
            got = receive(client.fd, self._buffer, 0, _RECEIVED_OCTETS)
            if got == _AGAIN:
                return 0
            if got < 0:
                self._failed(client, class_of(-got, False), f"receive {reason_of(-got)}")
                return 0
            if got == 0:
                self._ended(client)
                return 0
            self.octets_in += got
            if client.state != _ASKED:
                self._failed(client, "content", "octets that nobody asked for")
                return 0
            verdict = client.answer.receive(self._buffer, 0, got)
            if verdict in (_RIGHT, _LAST):
                self._answered(client, verdict == _LAST, events & _ENDED != 0)
            elif verdict != _MORE:
                self._wrong(client, verdict)
                return 0
            if got < _RECEIVED_OCTETS and not events & _ENDED:
                return 0
        return 0

    def _answered(self, client: Client, last: bool, ended: bool) -> int:
        """The answer was right. `last`: the server said that it closes; `ended`: it has done so already."""
        now = now_us()
        self.requests += 1
        self.all_requests += 1
        self.asked -= 1
        self.latency.record(now - client.due_us)
        if self._schedule is not None:
            self.service_time.record(now - client.since_us)
        client.answered = True
        client.requests += 1
        client.state = _FREE
        if last or ended:
            client.state = _ENDING
            client.since_us = now
        elif client.requests >= self._limit or (self._leaving and client.request is not client.answer.page.request):
            # It was told that this was the last, and keeps the connection.
            self._reopen(client)
        elif self._schedule is None or self._leaving:
            self._ask(client, now, now)
        elif not self._free.length and self._schedule.next_us <= now:
            self._ask(client, self._schedule.take(), now)
        else:
            self._free.join(client.number)
        return 0

    def _ended(self, client: Client) -> int:
        """The server closed in order."""
        if client.state == _ASKED:
            answer = client.answer
            where = "in the content" if answer.left >= 0 else "in the head" if answer.held else "instead of an answer"
            self._failed(client, "closed", where)
        else:
            self.closed_by_server += 1
            self._reopen(client)
        return 0

    # ---- what goes wrong ----
    def _wrong(self, client: Client, verdict: int) -> None:
        kind, reason = Outcome.wrong(verdict, client.answer.status)
        self._failed(client, kind, reason)

    def _failed(self, client: Client, kind: str, reason: str) -> None:
        """Count it, close, and try again later."""
        now = now_us()
        broken = client.answered or kind in {"status", "content"}
        if broken:
            port = local_port(client.fd)
            self.outcome.broke(client.number, port, now - self.begin_us, kind, not client.broken)
            client.broken = True
        self.outcome.failed(kind, reason)
        self._shut(client)
        client.retry_us = now + _RETRY_US
        (self._free if self._lazy else self._closed).join(client.number)
