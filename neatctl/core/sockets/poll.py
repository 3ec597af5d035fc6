"""Waits for many sockets at once, and for descriptors of the system beside them.

Level-triggered like poll(2), but what a turn costs depends on how many sockets are ready and not on how
many are registered: replicas' records put sockets on the ready list (readiness.py). Looks a number of
times before it sleeps, as core/process/loop.py does.
"""

from __future__ import annotations

import errno
import select
from typing import Protocol

from neatctl.core.native import now_us, yield_cpu
from neatctl.core.sockets.endpoint import Endpoint
from neatctl.core.sockets.flow import failure
from neatctl.core.sockets.readiness import POLLIN, POLLOUT, Entry, Watched, collect
from neatctl.core.sockets.stack import Stack


class HasFileno(Protocol):
    """Anything of the system that can be waited for: a socket of the kernel, a pipe, an event descriptor."""

    def fileno(self) -> int: ...


class Poll:
    """A set of sockets and descriptors with the events that each waits for."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ready: list[Entry] = []
        self._descriptors: dict[int, object] = {}
        self._epoll: select.epoll | None = None

    def register(
        self, what: Endpoint | HasFileno | int, events: int = POLLIN | POLLOUT, data: object | None = None
    ) -> None:
        """Wait for these events of a socket (or a descriptor); `data` is reported in its place if given.

        OSError EEXIST if it is registered already, ENOTCONN for a socket that neither listens nor is connected.
        """
        token = what if data is None else data
        if isinstance(what, Endpoint):
            if self._entry(what) is not None:
                raise failure(errno.EEXIST)
            self.watch(what.watched(), events, token)
        else:
            self._register_descriptor(what, events, token)

    def watch(self, watched: Watched, events: int, token: object) -> Entry:
        """Register a connection or listening socket itself, once; its entry changes what is waited for."""
        entry = Entry(watched, token, events, self._ready)
        watched.entries.append(entry)
        entry.queue()
        return entry

    def _register_descriptor(self, what: HasFileno | int, events: int, token: object) -> None:
        if self._epoll is None:
            self._epoll = select.epoll()
            self._epoll.register(self._stack.epoll.fileno(), select.EPOLLIN)
        fd = what if isinstance(what, int) else what.fileno()
        self._epoll.register(fd, events)
        self._descriptors[fd] = token

    def modify(self, what: Endpoint | HasFileno | int, events: int) -> None:
        """Wait for other events from now on. OSError ENOENT if it is not registered."""
        if isinstance(what, Endpoint):
            entry = self._entry(what)
            if entry is None:
                raise failure(errno.ENOENT)
            entry.change(events)
        elif self._epoll is None:
            raise failure(errno.ENOENT)
        else:
            self._epoll.modify(what if isinstance(what, int) else what.fileno(), events)

    def unregister(self, what: Endpoint | HasFileno | int) -> None:
        """Wait for it no longer. A socket that is closed is forgotten without this."""
        if isinstance(what, Endpoint):
            entry = self._entry(what)
            if entry is None:
                raise failure(errno.ENOENT)
            entry.removed = True
            entry.watched.entries.remove(entry)
        elif self._epoll is None:
            raise failure(errno.ENOENT)
        else:
            fd = what if isinstance(what, int) else what.fileno()
            del self._descriptors[fd]
            self._epoll.unregister(fd)

    def _entry(self, what: Endpoint) -> Entry | None:
        """The registration of a socket in this poll."""
        for entry in what.watched().entries:
            found: Entry = entry
            if found.ready is self._ready:
                return found
        return None

    def poll(self, timeout: float | None = None) -> list[tuple[object, int]]:
        """What is ready, as (socket or its data, events); waits at most `timeout` seconds, None for ever.

        Everything that was sent before is handed to the replicas first. Empty after the timeout.
        """
        return self.poll_us(-1 if timeout is None or timeout < 0 else int(timeout * 1_000_000))

    def poll_us(self, timeout_us: int) -> list[tuple[object, int]]:
        """The same with a timeout in microseconds, -1 for ever."""
        stack = self._stack
        now = now_us()
        limit = now + timeout_us if timeout_us >= 0 else -1
        result: list[tuple[object, int]] = []
        idle = 0
        stack.flush()
        while True:
            taken = stack.turn()
            if now >= stack.service_at:
                stack.service(now)
                if self._epoll is not None:
                    self._system(self._epoll.poll(0), result)
            collect(self._ready, result)
            if result or 0 <= limit <= now:
                return result
            idle = 0 if taken else idle + 1
            if stack.spin.again(idle):
                yield_cpu()
            else:
                idle = 0
                found = stack.sleep(limit - now if limit >= 0 else -1, self._epoll)
                if found:
                    self._system(found, result)
            now = now_us()

    def _system(self, ready: list[tuple[int, int]], result: list[tuple[object, int]]) -> None:
        """Add the descriptors of the system that are ready."""
        for fd, events in ready:
            token = self._descriptors.get(fd)
            if token is not None:
                result.append((token, events))

    def close(self) -> None:
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
        self._descriptors.clear()

    def __enter__(self) -> Poll:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
