"""On which cores the processes of the packet path run: a pure policy, measured and not guessed.

`auto` on two cores with one replica: driver and replica share the last core, applications have the first, and the
clients find room on both. Few wake-ups then cross cores, and a core that works is not left waiting for one that wakes.
That holds while nobody else wants the core: who is bound to it cannot get out of the way, and a seventh of the rate was
left. So `Contention` watches how long they wait for it, and lets go. In every other shape the scheduler did as well
or better, and decides; `none` leaves it to the scheduler always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PLACEMENTS = ("auto", "none")
_PAIRED = {"driver": 1, "replica": 1, "web": 0}
"""On two cores: the place among them. Who is not on the packet path goes where there is room."""
_FOREIGN_SHARE = 0.1
"""Of a period: what two processes on one core may wait beyond what they keep each other waiting."""
_OWN_SHARE = 0.05
"""Of a period: below this the testbed does too little to say that nobody is in its way."""
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
        self._times: Mapping[int, tuple[int, int]] = {}
        self._at = 0

    def holds(self, now: int) -> bool:
        """Whether the core is left to the scheduler now."""
        return now < self._until

    def sample(self, times: Mapping[int, tuple[int, int]], now: int) -> None:
        """How long each process bound to the shared core (by pid) has run so far, and how long it was ready and waited.

        While one of two runs the other may wait, so what they waited beyond what they ran was for somebody else.
        """
        ran_us = waited_us = 0
        for pid in times.keys() & self._times.keys():
            ran_us += times[pid][0] - self._times[pid][0]
            waited_us += times[pid][1] - self._times[pid][1]
        period = now - self._at
        self._times, self._at = times, now
        if self.holds(now):
            return
        if waited_us - ran_us > _FOREIGN_SHARE * period:
            self._until = now + self._pause_us
            self._pause_us = min(2 * self._pause_us, _LONGEST_PAUSE_US)
        elif ran_us > _OWN_SHARE * period:
            self._pause_us = _FIRST_PAUSE_US
