"""Whether a consumer that found nothing looks again, or sleeps (the paper's polling channels, adapted to load).

Who gets a record or two at a time stands in the way of somebody's round trip: looking again for a while saves the
time that a wake-up takes. Who gets many at a time has them waiting while it works, and its core is wanted by others:
it sleeps at once, and finds more when it is woken.
"""

from __future__ import annotations

DEFAULT_SPIN = 50
"""Idle looks before sleep, under light load: some 20 us."""
LARGE_BURST = 8
"""Records a turn, on average, from which on one sleeps at once."""

_ALWAYS = 1 << 30
_SHARING = {"driver": (200, _ALWAYS), "replica": (50, 4)}
_SHIFT = 3


class Spin:
    """The decision of one consumer; `limit` is the most idle looks, 0 for never looking again."""

    def __init__(self, limit: int = DEFAULT_SPIN) -> None:
        self._burst = 0
        self.set(limit, LARGE_BURST)

    def set(self, limit: int, large_burst: int) -> None:
        """Decide by these from now on; `large_burst` in records."""
        self.limit = limit
        self._large = large_burst << _SHIFT

    def took(self, records: int) -> None:
        """A turn found so many records: the average follows within about eight such turns."""
        self._burst += records - (self._burst >> _SHIFT)

    def again(self, idle: int) -> bool:
        """Look again after so many idle looks in a row?"""
        return idle < self.limit and self._burst < self._large


def pace(component: str, limit: int, shares_core: bool) -> tuple[int, int]:
    """What to `set` for a component that looks `limit` times in general, on one core that it shares, or on any.

    There the driver hands the core over with each look (sched_yield), which is cheaper than to be woken; its replica
    looks only where it stands in the way of few. With cores to choose from the same cost an eighth.
    """
    return _SHARING.get(component, (limit, LARGE_BURST)) if shares_core else (limit, LARGE_BURST)
