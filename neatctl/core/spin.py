"""Whether a consumer that found nothing looks again, or sleeps (the paper's polling channels, adapted to load).

Who gets a record or two at a time stands in the way of somebody's round trip: looking again for a while saves the
time that a wake-up takes. Who gets many at a time has them waiting while it works, and its core is wanted by others:
it sleeps at once, and finds more when it is woken.
"""

from __future__ import annotations

DEFAULT_SPIN = 50
"""Idle looks before sleep, under light load: some 20 us."""
LARGE_BURST = 8
"""Records a turn, on average, from which on nobody spins."""

_SHIFT = 3
_LARGE = LARGE_BURST << _SHIFT


class Spin:
    """The decision of one consumer; `limit` is the most idle looks, 0 for never looking again."""

    def __init__(self, limit: int = DEFAULT_SPIN) -> None:
        self.limit = limit
        self._burst = 0

    def took(self, records: int) -> None:
        """A turn found so many records: the average follows within about eight such turns."""
        self._burst += records - (self._burst >> _SHIFT)

    def again(self, idle: int) -> bool:
        """Look again after so many idle looks in a row?"""
        return idle < self.limit and self._burst < _LARGE
