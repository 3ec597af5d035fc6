"""What was seen of one run of a scenario: the testbed before and after, its events, and what came of each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from neatctl.core.control.events import Event
from neatctl.core.control.status import Status
from neatctl.testbed.scenario.model import Step


@dataclass(slots=True)
class Done:
    """One step: when it was done, and what came of it."""

    step: Step
    at_s: float
    """When it was due."""
    begun_s: float
    exit_code: int = 0
    result: Any = None
    """What it printed as JSON."""
    said: str = ""
    """The last line on its standard error."""
    error: str = ""
    """Why nothing came of it, or ""."""


@dataclass(slots=True)
class Observed:
    """One run."""

    chosen: int
    """The replica that "any" means."""
    begun_us: int
    """The start on the monotonic clock, as programs tell it."""
    before: Status
    after: Status
    events: list[Event]
    """Since the testbed served."""
    done: list[Done] = field(default_factory=list)

    def of(self, name: str) -> Done | None:
        """The step of this name."""
        return next((done for done in self.done if done.step.name == name), None)
