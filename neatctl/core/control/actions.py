"""What the testbed machine asks its supervisor to do: values, carried out in order.

Numbers are those of children. Paths are in the run directory. Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from neatctl.core.control.events import Event
from neatctl.core.control.messages import Message


@dataclass(frozen=True, slots=True)
class Spawn:
    """Exec a new standby."""

    number: int


@dataclass(frozen=True, slots=True)
class SpawnApplication:
    """Exec an application."""

    number: int
    component: str
    index: int
    generation: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a control message to a child."""

    number: int
    message: Message


@dataclass(frozen=True, slots=True)
class HandDevice:
    """Pass the NIC's descriptor to a child."""

    number: int


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to a child."""

    number: int
    signal: int


@dataclass(frozen=True, slots=True)
class MakeChannel:
    path: str
    generation: int


@dataclass(frozen=True, slots=True)
class RemoveChannel:
    path: str


@dataclass(frozen=True, slots=True)
class RemoveDoorbell:
    """The doorbell of an incarnation that is gone."""

    path: str


@dataclass(frozen=True, slots=True)
class Happened:
    """For the journal and whoever follows it."""

    event: Event


Action = Spawn | SpawnApplication | Tell | HandDevice | Signal | MakeChannel | RemoveChannel | RemoveDoorbell | Happened
