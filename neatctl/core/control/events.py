"""What happened in a testbed: one record per event, and a bounded journal of the last ones.

An event is in the past tense; those of a recovery carry the time since the failure, so that crash,
detected, restarted, announced and serving can be read as one story. Pure.
"""

from __future__ import annotations

from collections import deque

import msgspec

KEPT = 2000
"""Events that the supervisor keeps; events.jsonl has all."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at_us` counts from the start of the testbed, `time` is Unix time in seconds (filled in by the supervisor)."""

    event: str
    """started, crashed, detected, backed_off, restarted, announced, queue_opened, serving, scaled, draining,
    taken_back, collected, fault_injected, peer_faulted, impaired, ready, stopping, note."""
    at_us: int
    component: str = ""
    index: int = 0
    generation: int = 0
    pid: int = 0
    since_failure_us: int | None = None
    connections_lost: int | None = None
    detail: str = ""
    serial: int = 0
    time: float = 0.0


class Journal:
    """The last events, numbered from 1."""

    def __init__(self, kept: int = KEPT) -> None:
        self._events: deque[Event] = deque(maxlen=kept)
        self.serial = 0

    def add(self, event: Event, time: float) -> Event:
        """Keep an event; as it was kept, with number and time."""
        self.serial += 1
        kept = msgspec.structs.replace(event, serial=self.serial, time=time)
        self._events.append(kept)
        return kept

    def since(self, serial: int) -> list[Event]:
        """The kept events after this number."""
        return [event for event in self._events if event.serial > serial]


def story(event: Event) -> str:
    """One line for people: `  12.345 s  replica 2  crashed  (SIGKILL, 47 connections lost)`."""
    who = event.component
    if event.component == "replica":
        who = f"{event.component} {event.index}"
    notes = [event.detail] if event.detail else []
    if event.connections_lost is not None:
        notes.append(f"{event.connections_lost} connection{'s' if event.connections_lost != 1 else ''} lost")
    if event.since_failure_us is not None:
        notes.append(f"{event.since_failure_us / 1000:.1f} ms after the failure")
    note = f"  ({', '.join(notes)})" if notes else ""
    return f"{event.at_us / 1e6:9.3f} s  {who:<11} {event.event.replace('_', ' ')}{note}"
