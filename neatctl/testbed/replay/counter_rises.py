"""Which counters of a testbed rose between two looks at its status, with the sentence that says what each counts."""

from __future__ import annotations

import re

import msgspec

from neatctl.core.control.status import Row, Status
from neatctl.core.ip.counters import SENTENCES as IP
from neatctl.core.tcp.counters import SENTENCES as TCP
from neatctl.core.udp.counters import SENTENCES as UDP
from neatctl.nic.counters import DECLARED, PER_REPLICA

SENTENCES = (
    dict(DECLARED.values())
    | PER_REPLICA
    | {f"ip_{name}": sentence for name, sentence in IP.items()}
    | {f"tcp_{name}": sentence for name, sentence in TCP.items()}
    | {f"udp_{name}": sentence for name, sentence in UDP.items()}
)
"""Of every counter of the driver and the replicas (docs/counters.md)."""


class CounterRise(msgspec.Struct, frozen=True):
    """One counter of one component."""

    component: str
    index: int
    counter: str
    rise: int
    meaning: str


def counter_rises(before: Status, after: Status) -> list[CounterRise]:
    """What rose, in the order of components. A new incarnation began at 0."""
    was = _rows(before)
    return [
        CounterRise(row.component, row.index, name, rise, meaning_of(name))
        for key, row in _rows(after).items()
        for name, value in row.counters.items()
        if (rise := value - (was[key].counters.get(name, 0) if _same(was.get(key), row) else 0)) > 0
    ]


def restarts(before: Status, after: Status) -> int:
    """How many components are of another incarnation than before."""
    was = _rows(before)
    return sum(key in was and not _same(was[key], row) for key, row in _rows(after).items())


def meaning_of(counter: str) -> str:
    """The sentence of a counter, or ""."""
    return SENTENCES.get(counter) or SENTENCES.get(re.sub(r"_\d+$", "_N", counter), "")


def _same(before: Row | None, after: Row) -> bool:
    return before is not None and before.generation == after.generation


def _rows(status: Status) -> dict[tuple[str, int], Row]:
    return {(row.component, row.index): row for row in status.processes if row.component != "standby"}
