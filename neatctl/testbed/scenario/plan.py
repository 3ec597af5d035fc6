"""What a scenario does, when, and to whom: its steps by time, after the seed has decided what is left to it. Pure.

Each step's chance is its own, so that a step more does not move the others.
"""

from __future__ import annotations

import random

import msgspec

from neatctl.testbed.scenario.model import STEPS, Action, Scenario, Step


class Due(msgspec.Struct, frozen=True):
    """A step and its time, in seconds from the start."""

    at_s: float
    step: Step


class Plan(msgspec.Struct, frozen=True):
    """All that is done, in order."""

    chosen: int
    """The replica that "any" means."""
    dues: list[Due]


def plan_of(scenario: Scenario) -> Plan:
    """The same for the same seed; what is due at the same time is done in the order of `STEPS`."""
    dues = []
    for table in STEPS:
        for index, step in enumerate(getattr(scenario, table)):
            jitter_s = step.jitter_s if isinstance(step, Action) else 0.0
            late_s = random.Random(f"{scenario.seed} {table} {index}").uniform(-jitter_s, jitter_s)
            dues.append(Due(max(step.at + late_s, 0.0), step))
    chosen = random.Random(scenario.seed).randint(1, scenario.testbed.replicas)
    return Plan(chosen, sorted(dues, key=lambda due: due.at_s))
