"""The status of a testbed as a record: one row a process, from what the supervisor has at hand.

Read-only: asking changes nothing, at any rate of asking. Pure: usage and times are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from neatctl.core.control import children as c
from neatctl.core.control.testbed import Testbed

SCHEMA = 1
"""Rises when a field changes its meaning or goes; new fields do not count."""
_PACKETS_IN = ("rx_frames", "ip_received")
_PACKETS_OUT = ("tx_frames", "ip_sent")


class Usage(msgspec.Struct, frozen=True):
    """What the kernel says of a process."""

    cpu_percent: float
    """Of one core, over the last second."""
    memory_octets: int
    """Resident."""


class Row(msgspec.Struct, frozen=True):
    """One process, or a place without one."""

    component: str
    index: int
    pid: int
    """0 where there is no process now."""
    state: str
    generation: int
    connections: int | None
    packets_in: int | None
    """Since the start of this process."""
    packets_out: int | None
    cpu_percent: float
    restarts: int
    memory_octets: int
    counters: dict[str, int]
    gauges: dict[str, int]


class Status(msgspec.Struct, frozen=True):
    """`status --json`."""

    schema: int
    name: str
    state: str
    """starting, serving, degraded, stopping."""
    compiled: bool
    channel: str
    transport: str
    address: str
    client_address: str
    client_netns: str
    uptime_us: int
    replicas_wanted: int
    processes: list[Row]
    address6: str = ""
    """"" without IPv6."""


def testbed_state(testbed: Testbed) -> str:
    """In one word: `degraded` while anything that should serve does not."""
    if testbed.stopping:
        return "stopping"
    if not testbed.ready:
        return "starting"
    well = all(place.state in {c.SERVING, c.DRAINING, c.LEAVING} for place in testbed.places.values())
    return "serving" if well else "degraded"


def status_rows(testbed: Testbed, usage: Mapping[int, Usage]) -> list[Row]:
    """A row for each place in the order of their start, then for each process that is none of them."""
    rows = []
    for place in sorted(testbed.places.values(), key=lambda p: (p.spec.order, p.index)):
        pid = place.child.pid if place.child is not None else 0
        connections = place.gauges.get("connections")
        counted = dict(place.counters)
        rows.append(
            _row(
                place.component, place.index, pid, place.state, place.generation, usage, place.restarts,
                connections, counted, dict(place.gauges),
            )
        )  # fmt: skip
    for child in testbed.children.values():
        if child.place is None and child.state != c.DYING:
            state = "ready" if child.state == c.STANDBY else "starting"
            rows.append(_row("standby", child.number, child.pid, state, 0, usage, 0, None, {}, {}))
    return rows


def _row(
    component: str,
    index: int,
    pid: int,
    state: str,
    generation: int,
    usage: Mapping[int, Usage],
    restarts: int,
    connections: int | None,
    counters: dict[str, int],
    gauges: dict[str, int],
) -> Row:
    used = usage.get(pid, Usage(0.0, 0))
    return Row(
        component,
        index,
        pid,
        state,
        generation,
        connections,
        _first(counters, _PACKETS_IN),
        _first(counters, _PACKETS_OUT),
        used.cpu_percent,
        restarts,
        used.memory_octets,
        counters,
        gauges,
    )


def _first(counters: Mapping[str, int], names: tuple[str, ...]) -> int | None:
    return next((counters[name] for name in names if name in counters), None)
