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

from neatctl.core.native import Epoll, now_us, yield_cpu
from neatctl.core.spin import DEFAULT_SPIN, Spin

if TYPE_CHECKING:
    from neatctl.core.channel.doorbell import Doorbell
    from neatctl.core.channel.face import Consumer

_SERVICE_US = 2_000
"""How long a busy loop may go without looking at its descriptors."""
_OVERDUE_US = 1_000
"""The least sleep for a time that was served and is still in the past: a fault in the work, but no busy loop."""
_NEVER = 1 << 62


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
    and whoever sends on the same socket has it called `soon`.
    """

    def __init__(self, work: Work, spin: int = DEFAULT_SPIN, alone: bool = True) -> None:
        """`alone`: no other thread of this process runs Python."""
        self.work = work
        self.spin = Spin(spin)
        self.turns = 0
        """Turns made: proof of progress for the heartbeat."""
        self.busy_turns = 0
        self.sleeps = 0
        self.running = True
        self._epoll = Epoll(alone)
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._timers: list[tuple[Callable[[int], int], int]] = []
        self._timer_at = _NEVER
        self._soon: list[Callable[[], object]] = []

    def watch_asleep(self, fd: int) -> None:
        """Wake up for one descriptor that every turn reads: it is waited for in sleep only."""
        self._epoll.beside = fd

    def watch(self, fd: int, callback: Callable[[], object], events: int = select.EPOLLIN) -> None:
        """Call it back when one of these events of epoll_ctl(2) is there."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def watch_doorbell(self, doorbell: Doorbell) -> None:
        """Wake up when it rings."""
        self.watch(doorbell.fd, doorbell.clear, select.EPOLLIN | select.EPOLLET)

    def forget(self, fd: int) -> None:
        if fd in self._callbacks:
            del self._callbacks[fd]
            self._epoll.unregister(fd)

    def soon(self, callback: Callable[[], object]) -> None:
        """Call it once after this turn, before any sleep."""
        self._soon.append(callback)

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
        self._timer_at = min(self._timer_at, first)

    def stop(self) -> None:
        self.running = False

    def close(self) -> None:
        self._epoll.close()

    def run(self) -> None:
        """Turn until stopped."""
        idle = 0
        service_at = 0
        work = self.work
        spin = self.spin
        while self.running:
            now = now_us()
            self.turns += 1
            done = work.turn(now)
            if done:
                self.busy_turns += 1
                spin.took(done)
                idle = 0
            elif not self.running:
                break
            else:
                idle += 1
            if idle == 0 or spin.again(idle):
                if now >= service_at or self._soon:
                    self._service(0)
                    service_at = now + _SERVICE_US
                elif idle:
                    yield_cpu()
                continue
            if work.arm() and not self._soon:
                self.sleeps += 1
                if not self._service(self._sleep_us(now, work.deadline())):
                    idle = 0
                service_at = now_us() + _SERVICE_US
            else:
                idle = 0
            work.disarm()
            if self._soon:
                self._service(0)

    def _sleep_us(self, now: int, deadline: int) -> int:
        """How long to sleep: until the work's deadline or the next timer, -1 for ever. `now` was the last turn's."""
        sleep = -1
        if deadline >= 0:
            sleep = deadline - now if deadline > now else _OVERDUE_US
        if self._timer_at <= now:
            return 0
        if self._timer_at < _NEVER and (sleep < 0 or self._timer_at - now < sleep):
            sleep = self._timer_at - now
        return sleep

    def _service(self, timeout_us: int) -> bool:
        """Wait, call back what is ready and what is due; True if only timers had something to do."""
        epoll = self._epoll
        count = epoll.wait(timeout_us)
        for i in range(count):
            callback = self._callbacks.get(epoll.ready(i))
            if callback is not None:
                callback()
        if self._soon:
            soon, self._soon = self._soon, []
            for callback in soon:
                callback()
        now = now_us()
        if now >= self._timer_at:
            self._run_timers(now)
        return count == 0

    def _run_timers(self, now: int) -> None:
        self._timer_at = _NEVER
        for i, (callback, due) in enumerate(self._timers):
            if now >= due:
                due = max(callback(now), now + _OVERDUE_US)
                self._timers[i] = (callback, due)
            self._timer_at = min(self._timer_at, due)
