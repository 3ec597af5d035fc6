"""What each replica and the driver counted during a run, and which of it tells of loss.

Works on the status of a testbed and its events, before and after; asks nobody. Counters: docs/counters.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neatctl.core.control.events import Event
from neatctl.core.control.status import Row, Status
from neatctl.testbed.bench.results import ReplicaRun

_TELLS = re.compile(
    r"drop_(?!multicast)|^queue_full$|^flows_full$|retransmi|timeouts$|resets_|aborted|_probes$|evicted|conflict|unknown$|refused|faults"
)
"""Counters whose rise means that something was lost, refused, sent again or cut off. Multicast is none of it (the
clients' kernel looks for routers and neighbours of IPv6), nor is a full queue whose writer waits (`tcp_queue_full`)."""


@dataclass(frozen=True)
class Look:
    """A testbed at one time."""

    status: Status
    last_event: int
    """Serial of the last event before it."""
    events: Sequence[Event] = field(default=())
    """Since the look that this one is compared with."""


def _rises(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What told of loss and rose."""
    risen = {name: value - before.get(name, 0) for name, value in after.items() if _TELLS.search(name)}
    return {name: rise for name, rise in sorted(risen.items()) if rise > 0}


def _rows(look: Look, component: str) -> dict[int, Row]:
    return {row.index: row for row in look.status.processes if row.component == component}


def _counters_since(before: Row | None, after: Row) -> Mapping[str, int]:
    """The counters that those of `after` go on from: none for a new incarnation."""
    return before.counters if before is not None and before.generation == after.generation else {}


def replica_runs(before: Look, after: Look) -> list[ReplicaRun]:
    """One record for each replica that was there before or after."""
    was, now = _rows(before, "replica"), _rows(after, "replica")
    made = []
    for index in sorted(was.keys() | now.keys()):
        first, last = was.get(index), now.get(index)
        lost = sum(
            event.connections_lost or 0
            for event in after.events
            if event.event == "crashed" and event.component == "replica" and event.index == index
        )
        counters = last.counters if last is not None else {}
        since = _counters_since(first, last) if last is not None else {}
        rise = {name: value - since.get(name, 0) for name, value in counters.items()}
        made.append(
            ReplicaRun(
                index=index,
                generation_before=first.generation if first is not None else 0,
                generation_after=last.generation if last is not None else 0,
                connections_accepted=rise.get("tcp_accepted", 0),
                connections_lost=lost,
                packets_in=rise.get("ip_received", 0),
                packets_out=rise.get("ip_sent", 0),
                losses=_rises(since, counters),
            )
        )
    return made


def driver_losses(before: Look, after: Look) -> dict[str, int]:
    """Counters of the driver that tell of loss, where they rose."""
    was, now = _rows(before, "driver").get(0), _rows(after, "driver").get(0)
    return _rises(_counters_since(was, now), now.counters) if now is not None else {}


def notes(before: Look, after: Look) -> list[str]:
    """What happened to processes meanwhile, a line each."""
    made = []
    for event in after.events:
        if event.event in {"crashed", "backed_off", "peer_faulted", "scaled"}:
            who = f"{event.component} {event.index}" if event.component == "replica" else event.component
            made.append(f"{who} {event.event.replace('_', ' ')}{': ' + event.detail if event.detail else ''}")
    if before.status.state != "serving":
        made.append(f"the testbed was {before.status.state} before the run")
    return made
