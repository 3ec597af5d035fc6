"""Who waits for what: the ready lists of polls, fed as records arrive.

A `Watched` is something that a program may wait for (a connection, a listening socket). An `Entry` is
its registration in one poll. A change that may make it ready puts its entries on their polls' ready
lists; the poll looks again at those only, so a turn costs what is ready and not what is registered.
Knows nothing of rings, records or the SYSCALL server.
"""

from __future__ import annotations

POLLIN = 0x001
"""Octets, a connection to accept, the end of the stream or an error can be taken without waiting."""
POLLPRI = 0x002
"""Urgent octets are ahead (RFC 6093)."""
POLLOUT = 0x004
"""At least one octet can be sent without waiting, or sending would fail at once."""
POLLERR = 0x008
"""The connection failed; always reported."""
POLLHUP = 0x010
"""Both directions are closed; always reported."""

_ALWAYS = POLLERR | POLLHUP


class Entry:
    """One registration: `token` is what the poll reports, `events` what it waits for."""

    def __init__(self, watched: Watched, token: object, events: int, ready: list[Entry]) -> None:
        self.watched = watched
        self.token = token
        self.events = events | _ALWAYS
        self.ready = ready
        self.queued = False
        """It is on the ready list."""
        self.removed = False

    def queue(self) -> None:
        """Have the poll look at it at its next turn."""
        if not self.queued:
            self.queued = True
            self.ready.append(self)

    def change(self, events: int) -> None:
        """Wait for other events."""
        self.events = events | _ALWAYS
        self.queue()


class Watched:
    """What a program may wait for."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.awaits_room = False
        """It is on an outlet's list of those to be woken when there is room."""

    def readiness(self) -> int:
        """The events that hold now, whether anybody waits for them or not."""
        raise NotImplementedError

    def wake(self) -> None:
        """Something may have become ready."""
        for entry in self.entries:
            entry.queue()

    def forget_entries(self) -> None:
        """It is closed: no poll reports it any more."""
        for entry in self.entries:
            entry.removed = True
        self.entries.clear()


def collect(ready: list[Entry], result: list[tuple[object, int]]) -> int:
    """Add what is ready to `result`, keep it on `ready` (level-triggered) and drop the rest; how many were added."""
    kept = 0
    count = len(ready)
    for i in range(count):
        entry = ready[i]
        if not entry.removed:
            events = entry.watched.readiness() & entry.events
            if events:
                result.append((entry.token, events))
                ready[kept] = entry
                kept += 1
                continue
        entry.queued = False
    if kept < count:
        del ready[kept:]
    return kept
