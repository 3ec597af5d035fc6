"""TIME-WAIT (RFC 9293 sections 3.6.1 and 3.10.7): what remains of a connection for 2 MSL, in a small object.

All wait equally long, so they stand in one queue by age; one that is restarted, or gone before its time, is noticed
when its turn comes. Their number is bounded: the oldest ends early (counted). A new SYN may take the place of
one (MAY-2, RFC 6191). What a segment for one of them does is in reply.py. Knows nothing of the application, which
was told all before.
"""

from __future__ import annotations

from collections import deque

from neatctl.core.tcp.counters import TcpCounters
from neatctl.core.tcp.states import CLOSED, TIME_WAIT
from neatctl.core.tcp.tcb import Flow, Tcb

MAX_TIME_WAITS = 16384
"""About 4 MiB per replica."""

_CLOSED, _TIME_WAIT = CLOSED, TIME_WAIT


class TimeWait(Flow):
    """The end of a connection that may still have to acknowledge the peer's FIN again."""

    def __init__(self, tcb: Tcb, due_us: int) -> None:
        self.tick = -1
        self.place = 0
        self.key = tcb.key
        self.path = tcb.path
        self.state = _TIME_WAIT
        self.due_us = due_us
        """When it ends: later than `turn_us` if the peer sent its FIN again."""
        self.turn_us = due_us
        """When it is looked at."""
        self.snd_nxt = tcb.snd_nxt
        self.rcv_nxt = tcb.rcv_nxt
        self.window = max(tcb.rcv_adv - tcb.rcv_nxt, 0) >> tcb.rcv_scale
        self.ts_recent = tcb.ts_recent if tcb.ts_ok else -1
        """TS.Recent, or -1 without timestamps."""
        self.silent_until_us = 0
        """No ACK before this time to segments that need none."""


class TimeWaits:
    """All of a replica, oldest first."""

    def __init__(self, flows: dict[bytes, Flow], counters: TcpCounters, time_wait_us: int) -> None:
        self._flows = flows
        self._counters = counters
        self.time_wait_us = time_wait_us
        """2 MSL."""
        self.limit = MAX_TIME_WAITS
        self._queue: deque[TimeWait] = deque()
        self._due_us = -1

    def add(self, tcb: Tcb, now: int) -> TimeWait:
        """Put the rest of a connection in the place that it had in the demultiplexer."""
        if len(self._queue) >= self.limit:
            self._forget(self._queue.popleft(), True)
        rest = TimeWait(tcb, now + self.time_wait_us)
        self._flows[rest.key] = rest
        self._counters.time_waits += 1
        self._queue.append(rest)
        if self._due_us < 0:
            self._due_us = rest.turn_us
        return rest

    def remove(self, rest: TimeWait) -> None:
        """End one before its time."""
        self._forget(rest, False)

    def expire(self, now: int) -> None:
        """End those whose time is over."""
        queue = self._queue
        while queue:
            rest = queue[0]
            if rest.turn_us > now:
                self._due_us = rest.turn_us
                return
            queue.popleft()
            if rest.state == _TIME_WAIT and rest.due_us > now:
                rest.turn_us = now + self.time_wait_us
                queue.append(rest)
            else:
                self._forget(rest, False)
        self._due_us = -1

    def deadline(self) -> int:
        """When `expire` has something to do, or -1."""
        return self._due_us

    def _forget(self, rest: TimeWait, early: bool) -> None:
        if rest.state != _TIME_WAIT:
            return
        rest.state = _CLOSED
        if early:
            self._counters.time_waits_early += 1
        if self._flows.get(rest.key) is rest:
            del self._flows[rest.key]
