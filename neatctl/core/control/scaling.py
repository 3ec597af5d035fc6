"""Which replicas to add, to drain and to let go (paper section 3.4: up at once, down lazily).

Scaling down drains the highest indices: they get no new flows and leave when their last connection has
closed, never before. Scaling up takes draining ones back first, the lowest index first, then adds new
ones at the lowest free indices. Pure: no clock, no process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_REPLICAS = 64
"""Of one testbed; the redirection table of the NIC has 128 entries."""
SETTLE_US = 300_000
"""From here on a count of zero is believed: flows steered just before the drain may have been on their way."""


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """Indices of replicas, ascending."""

    add: list[int]
    take_back: list[int]
    drain: list[int]


def plan_scaling(replicas: Mapping[int, bool], wanted: int) -> ScalingPlan:
    """How to get to `wanted` accepting replicas from `replicas`: index -> whether it drains. Indices start at 1."""
    if not 1 <= wanted <= MAX_REPLICAS:
        raise ValueError(f"the number of replicas is 1 to {MAX_REPLICAS}, not {wanted}")
    accepting = sorted(index for index, draining in replicas.items() if not draining)
    if len(accepting) >= wanted:
        return ScalingPlan([], [], accepting[wanted:])
    take_back = sorted(index for index, draining in replicas.items() if draining)[: wanted - len(accepting)]
    missing = wanted - len(accepting) - len(take_back)
    free = (index for index in range(1, len(replicas) + missing + 1) if index not in replicas)
    return ScalingPlan([next(free) for _ in range(missing)], take_back, [])


class Drain:
    """One replica on its way out."""

    def __init__(self, now: int) -> None:
        self.since = now
        self._zeros = 0

    def count(self, connections: int, now: int) -> bool:
        """A beat said so many connections: whether the replica can go (two settled counts of zero in a row)."""
        self._zeros = self._zeros + 1 if connections == 0 and now - self.since >= SETTLE_US else 0
        return self._zeros >= 2
