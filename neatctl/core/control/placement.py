"""On which cores the processes of the packet path run: a pure policy, measured and not guessed.

`auto` on two cores with one replica: driver and replica share the last core, applications have the first, and the
clients find room on both. Few wake-ups then cross cores, and a core that works is not left waiting for one that wakes.
In every other shape the scheduler did as well or better, and decides. `none` leaves it to the scheduler always, and
is the default: who shares a core with somebody else's work cannot get out of its way (a seventh of the rate).
"""

from __future__ import annotations

from collections.abc import Sequence

PLACEMENTS = ("none", "auto")
_PAIRED = {"driver": 1, "replica": 1, "web": 0}
"""On two cores: the place among them. Who is not on the packet path goes where there is room."""


def cores_of(component: str, placement: str, replicas: int, cores: Sequence[int]) -> frozenset[int]:
    """The cores that a component may use, out of those (ascending) that the testbed may."""
    if placement == "none" or len(cores) != 2 or replicas != 1 or component not in _PAIRED:
        return frozenset(cores)
    return frozenset({cores[_PAIRED[component]]})
