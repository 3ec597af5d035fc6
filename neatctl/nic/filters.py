"""Exact filters: flows that software gives to a replica, whatever RSS would do (paper section 4, as on the i82599).

A filter is a flow key (source, destination, ports, as arriving frames have them) and a replica. There is room for
8,190, and out of space is an error, never a silent loss. Precedence: tracked flow, exact filter, RSS.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.tracking import ESTABLISHED, MAX_REPLICA, TCP4, TCP6, Tracking

ROOM = 8190


class FiltersFull(ValueError):
    """There is no room for another filter."""


class Filters:
    """A table of them, empty at first."""

    def __init__(self) -> None:
        self.count = 0
        self._table: Tracking = Tracking(ROOM * 2)

    def add(self, key: bytes, hashed: int, replica: int) -> None:
        """Give the flow with this key (12 octets for IPv4, 36 for IPv6) and RSS hash to a replica; a filter that is
        there already changes. FiltersFull; ValueError for what is no key or no replica."""
        if len(key) not in {12, 36}:
            raise ValueError(f"a flow key is 12 or 36 octets, not {len(key)}")
        if not 0 < replica <= MAX_REPLICA:
            raise ValueError(f"replicas are numbered from 1 to {MAX_REPLICA}, not {replica}")
        memory, kind = Memory(key), TCP6 if len(key) == 36 else TCP4
        slot = self._table.find(memory, kind, hashed)
        if slot >= 0:
            self._table.begin(slot, replica, ESTABLISHED, 0)
            return
        if self.count == ROOM or self._table.insert(memory, kind, hashed, replica, ESTABLISHED, 0) < 0:
            raise FiltersFull(f"there is room for {ROOM:,} exact filters, and they are taken")
        self.count += 1

    def replica(self, key: Memory, kind: int, hashed: int) -> int:
        """The replica of the filter for this key (TCP4 or TCP6 by `kind`), or 0."""
        slot = self._table.find(key, kind, hashed)
        return self._table.replica(slot) if slot >= 0 else 0
