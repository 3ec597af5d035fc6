"""Whether a consumer that found nothing looks again, or sleeps (the paper's polling channels, adapted to load).

Who gets a record or two at a time stands in the way of somebody's round trip: looking again for a while saves the
time that a wake-up takes. Who gets many at a time has them waiting while it works, and its core is wanted by others:
it sleeps at once, and finds more when it is woken.
"""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_SPIN = 50
"""Idle looks before sleep, under light load: some 20 us."""
LARGE_BURST = 8
"""Records a turn, on average, from which on one sleeps at once in general."""

_SHIFT = 3


class Pace(NamedTuple):
    """How long to look again."""

    light: int
    """Idle looks before sleep when turns find less than a large burst; 0 for never looking again."""
    heavy: int = 0
    """The same when they find one."""
    large_burst: int = LARGE_BURST
    """In records, on average."""


SHARED_CORE = {"driver": Pace(200, 200), "replica": Pace(50, 3, large_burst=4)}
"""On one core that both share each look hands it over to the other (sched_yield), which is cheaper than to be woken.
With cores to choose from the same cost an eighth."""


class Spin:
    """The decision of one consumer."""

    def __init__(self, limit: int = DEFAULT_SPIN) -> None:
        self._burst = 0
        self.set(Pace(limit))

    def set(self, pace: Pace) -> None:
        """Decide by this from now on."""
        self._light, self._heavy, large_burst = pace
        self._large = large_burst << _SHIFT

    def took(self, records: int) -> None:
        """A turn found so many records: the average follows within about eight such turns."""
        self._burst += records - (self._burst >> _SHIFT)

    def again(self, idle: int) -> bool:
        """Look again after so many idle looks in a row?"""
        return idle < (self._light if self._burst < self._large else self._heavy)
