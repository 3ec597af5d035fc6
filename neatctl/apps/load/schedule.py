"""When requests are due, and whose turn it is: the pure part of the open loop.

Due times depend on nothing but the rate and the begin, so that a server that stalls cannot move them ("coordinated
omission"). All times in microseconds.
"""

from __future__ import annotations

from array import array

_US_PER_S_MILLI = 1_000_000_000


class Schedule:
    """Times with equal distances, without drift: the k-th is begin + k / rate."""

    def __init__(self, rate: float, begin_us: int) -> None:
        """`rate` per second, in steps of 0.001."""
        self._rate_milli = max(round(rate * 1000), 1)
        self._step_us = _US_PER_S_MILLI // self._rate_milli
        self._rest = _US_PER_S_MILLI % self._rate_milli
        self._begin_us = begin_us
        self._gathered = 0
        self.next_us = begin_us
        self.taken = 0

    def take(self) -> int:
        """The next due time."""
        due_us = self.next_us
        self.next_us += self._step_us
        self._gathered += self._rest
        if self._gathered >= self._rate_milli:
            self._gathered -= self._rate_milli
            self.next_us += 1
        self.taken += 1
        return due_us

    def left_before(self, now_us: int) -> int:
        """How many are due before this time and were not taken."""
        due = -(-(now_us - self._begin_us) * self._rate_milli // _US_PER_S_MILLI)
        return max(due - self.taken, 0)


class Line:
    """Numbers from 0 to below `most`, first in, first out; each stands in it once at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places = array("q", bytes(8 * most))
        self._within = array("q", bytes(8 * most))
        self._at = 0
        self.length = 0

    def join(self, number: int) -> int:
        """Stand at the end, unless it stands in it already."""
        if not self._within[number]:
            self._within[number] = 1
            self._places[(self._at + self.length) % self._most] = number
            self.length += 1
        return 0

    def first(self) -> int:
        """Who is first; -1 when there is nobody."""
        return self._places[self._at] if self.length else -1

    def leave(self) -> int:
        """Take the first out; -1 when there is nobody."""
        if not self.length:
            return -1
        number = self._places[self._at]
        self._within[number] = 0
        self._at = (self._at + 1) % self._most
        self.length -= 1
        return number
