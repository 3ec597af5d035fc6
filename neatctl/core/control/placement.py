"""On which cores the processes of the packet path run: a pure policy, measured and not guessed.

`auto` on two cores with one replica: driver and replica share the last core, applications have the first, and the
clients find room on both. Few wake-ups then cross cores, and a core that works is not left waiting for one that wakes.
That holds while nobody else wants the core: who is bound to it cannot get out of the way, and a seventh of the rate was
left. So `Contention` watches, and lets go. In every other shape the scheduler did as well or better, and decides;
`none` leaves it to the scheduler always.
"""

from __future__ import annotations

from collections.abc import Sequence

PLACEMENTS = ("auto", "none")
_PAIRED = {"driver": 1, "replica": 1, "web": 0}
"""On two cores: the place among them. Who is not on the packet path goes where there is room."""
_FOREIGN_SHARE = 0.25
"""Of the shared core: what others may take of it. Clients took up to a sixth."""
_OWN_SHARE = 0.05
"""Below this the testbed does too little to suffer."""
_FIRST_PAUSE_US = 10_000_000
_LONGEST_PAUSE_US = 160_000_000


def cores_of(component: str, placement: str, replicas: int, cores: Sequence[int]) -> frozenset[int]:
    """The cores that a component may use, out of those (ascending) that the testbed may."""
    if placement == "none" or len(cores) != 2 or replicas != 1 or component not in _PAIRED:
        return frozenset(cores)
    return frozenset({cores[_PAIRED[component]]})


class Contention:
    """Whether others want the core that driver and replica share; then they are let go for a while, which doubles each
    time that it is so again at once."""

    def __init__(self) -> None:
        self._until = -1
        self._pause_us = _FIRST_PAUSE_US
        self._busy_us = -1
        self._own_us = 0
        self._at = 0

    def holds(self, now: int) -> bool:
        """Whether the core is left to the scheduler now."""
        return now < self._until

    def sample(self, busy_us: int, own_us: int, now: int) -> None:
        """How long the shared core has been busy so far, and how long the processes bound to it have run."""
        period, busy, own = now - self._at, busy_us - self._busy_us, own_us - self._own_us
        first = self._busy_us < 0
        self._at, self._busy_us, self._own_us = now, busy_us, own_us
        if first or period <= 0 or self.holds(now):
            return
        if own > _OWN_SHARE * period and busy - own > _FOREIGN_SHARE * period:
            self._until = now + self._pause_us
            self._pause_us = min(2 * self._pause_us, _LONGEST_PAUSE_US)
        elif own > _OWN_SHARE * period:
            self._pause_us = _FIRST_PAUSE_US
