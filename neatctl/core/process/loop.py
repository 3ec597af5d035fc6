"""The one event loop: every component is one thread that turns, looks a few times more, then sleeps.

A turn does a bounded burst of work. A loop that found nothing looks again a number of turns, giving
the core away in between (the paper's polling channel, adapted to load: section 4), raises the sleep
flags of its queues and waits in one epoll for its doorbell, its device, ZeroMQ and its next deadline.
The only reader of the clock in a component; the work gets the time as an argument.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING

from neatctl.core.native import now_us, yield_cpu

if TYPE_CHECKING:
    from neatctl.core.channel.face import Consumer

DEFAULT_SPIN = 50
"""Looks before sleep; tuned by `make bench`, see ARCHITECTURE.md."""
_SERVICE_US = 2_000
"""How long a busy loop may go without looking at its descriptors."""
_OVERDUE_US = 1_000
"""The least sleep for a time that was served and is still in the past: a fault in the work, but no busy loop."""


class Work:
    """What a component does, as the loop sees it. Times are microseconds of the monotonic clock."""

    def turn(self, now: int) -> int:
        """Do a bounded burst of work at `now`; how much was done, 0 when there was nothing."""
        raise NotImplementedError

    def arm(self) -> bool:
        """Raise the sleep flags of all queues; False if something came meanwhile.

        Look at every queue, even after a False; leave out one that `turn` does not empty on purpose.
        """
        return True

    def disarm(self) -> None:
        """Lower the sleep flags."""

    def deadline(self) -> int:
        """When `turn` must be called at the latest, or -1. Sleep is in milliseconds: it may be called one later."""
        return -1


class Loop:
    """Runs one Work. Descriptors are watched level-triggered; their callbacks take no argument.

    A descriptor is forgotten before it is closed. A ZeroMQ socket's tells edges: its callback must empty the socket,
    and whoever sends on the same socket must look for input again in `Work.arm`.
    """

    def __init__(self, work: Work, spin: int = DEFAULT_SPIN) -> None:
        self.work = work
        self.spin = spin
        self.turns = 0
        """Turns made: proof of progress for the heartbeat."""
        self.busy_turns = 0
        self.sleeps = 0
        self.running = True
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._timers: list[tuple[Callable[[int], int], int]] = []

    def watch(self, fd: int, callback: Callable[[], object], writable: bool = False) -> None:
        self._callbacks[fd] = callback
        self._epoll.register(fd, select.EPOLLOUT if writable else select.EPOLLIN)

    def forget(self, fd: int) -> None:
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def watch_consumer(self, consumer: Consumer) -> None:
        """Wake up for a channel with a descriptor of its own (ZeroMQ); `Work.turn` empties it, `Work.arm` arms it."""
        if consumer.fileno() >= 0:
            self.watch(consumer.fileno(), consumer.arm)

    def forget_consumer(self, consumer: Consumer) -> None:
        """The reverse, before the consumer is closed."""
        self.forget(consumer.fileno())

    def every(self, callback: Callable[[int], int], first: int = 0) -> None:
        """Call `callback(now)` at `first` and then at the time that it returns each time."""
        self._timers.append((callback, first))

    def stop(self) -> None:
        self.running = False

    def close(self) -> None:
        self._epoll.close()

    def run(self) -> None:
        """Turn until stopped."""
        idle = 0
        service_at = 0
        work = self.work
        while self.running:
            now = now_us()
            self.turns += 1
            if work.turn(now):
                self.busy_turns += 1
                idle = 0
                if now >= service_at:
                    self._service(now, 0)
                    service_at = now + _SERVICE_US
                continue
            if not self.running:
                break
            idle += 1
            if idle < self.spin and now < service_at:
                yield_cpu()
                continue
            if idle < self.spin:
                self._service(now, 0)
                service_at = now + _SERVICE_US
                continue
            if work.arm():
                self.sleeps += 1
                if not self._service(now, self._sleep_us(now, work.deadline())):
                    idle = 0
                service_at = now_us() + _SERVICE_US
            else:
                idle = 0
            work.disarm()

    def _sleep_us(self, now: int, deadline: int) -> int:
        """How long to sleep: until the work's deadline or the next timer, -1 for ever. `now` was the last turn's."""
        sleep = -1
        if deadline >= 0:
            sleep = deadline - now if deadline > now else _OVERDUE_US
        for _, due in self._timers:
            if due <= now:
                return 0
            if sleep < 0 or due - now < sleep:
                sleep = due - now
        return sleep

    def _service(self, now: int, timeout_us: int) -> bool:
        """Wait, call back what is ready and what is due; True if only timers had something to do."""
        ready = self._epoll.poll(timeout_us / 1e6 if timeout_us >= 0 else -1)
        for fd, _ in ready:
            callback = self._callbacks.get(fd)
            if callback is not None:
                callback()
        now = now_us()
        for i, (callback_at, due) in enumerate(self._timers):
            if now >= due:
                self._timers[i] = (callback_at, max(callback_at(now), now + _OVERDUE_US))
        return not ready
