"""Child specifications as data, and the records of what the supervisor knows of places and processes.

A place is a component that shall run: driver 0, SYSCALL server 0, replica 1..N, web 0. A child is a
process: it is a standby until a place takes it, and each incarnation of a place has the next
generation. Knows nothing of processes as the kernel has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neatctl.core.control.liveness import Liveness
from neatctl.core.control.restart import RestartPolicy
from neatctl.core.control.scaling import Drain

SIGNALS = {"kill": 9, "segv": 11, "hang": 19}
"""Faults that a signal makes: SIGKILL, SIGSEGV, SIGSTOP."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How a kind of component is run."""

    order: int
    """Places are filled in this order, and emptied in reverse."""
    from_standby: bool
    """Whether a standby becomes it; an application is exec'd by itself."""
    faults: frozenset[str]
    """The kinds of fault that can be injected."""
    aliases: tuple[str, ...] = ()
    """Other names on the command line."""
    numbered_from: int = 0


SPECIFICATIONS = {
    "driver": ChildSpec(0, True, frozenset({"kill", "segv", "hang", "exception", "spin"})),
    "syscall": ChildSpec(1, True, frozenset({"kill", "segv", "hang", "exception", "spin"})),
    "replica": ChildSpec(
        2, True, frozenset({"kill", "segv", "hang", "exception", "spin"}), ("tcp", "ip"), numbered_from=1
    ),
    "web": ChildSpec(3, False, frozenset({"kill", "segv", "hang"})),
}
KINDS = ("kill", "segv", "hang", "exception", "spin")

# States of a place.
VACANT = "vacant"
"""No process; one will come at once."""
BACKING_OFF = "backing-off"
"""No process for now: it failed too often."""
STARTING = "starting"
"""A process was assigned and has not announced itself."""
ANNOUNCED = "announced"
"""It is ready, but not everything around it is: its queue is closed."""
SERVING = "serving"
DRAINING = "draining"
"""Serving what it has, no new flows."""
LEAVING = "leaving"
"""Told to stop."""

# States of a child that has no place.
SPAWNED = "spawned"
STANDBY = "standby"
DYING = "dying"


@dataclass(slots=True)
class Child:
    """One process."""

    number: int
    pid: int = 0
    state: str = SPAWNED
    place: Place | None = None
    was: Place | None = None
    """The place that it had, while it is dying."""
    liveness: Liveness | None = None
    start_by: int = -1
    """When it must have announced itself, or -1."""


@dataclass(slots=True)
class Place:
    """One component that shall run."""

    component: str
    index: int
    spec: ChildSpec
    state: str = VACANT
    generation: int = 0
    """Of the current or last incarnation."""
    child: Child | None = None
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    retry_at: int = 0
    restarts: int = 0
    served_since: int = -1
    failed_at: int = -1
    """When the last incarnation failed, until its successor serves; -1 else."""
    fault_at: int = -1
    """When a fault was injected into the current incarnation, or -1."""
    drain: Drain | None = None
    snapshot: bytes = b""
    counters: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As people say it: `replica 2`, `driver`."""
        return f"{self.component} {self.index}" if self.spec.numbered_from else self.component

    @property
    def alive(self) -> bool:
        """Whether a process of this place has announced itself."""
        return self.child is not None and self.state in {ANNOUNCED, SERVING, DRAINING}


def component_of(name: str) -> str | None:
    """The component that a name on the command line means, or None."""
    for component, spec in SPECIFICATIONS.items():
        if name == component or name in spec.aliases:
            return component
    return None
