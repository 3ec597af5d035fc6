"""Exact filters: flows that software gives to a replica, whatever RSS would do (paper section 4, as on the i82599).

A filter is a protocol (TCP or UDP), a flow key (source, destination, ports, as arriving frames have them) and a
replica. There is room for 8,190, and out of space is an error, never a silent loss. Precedence: tracked flow, exact
filter, RSS.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.tracking import ESTABLISHED, MAX_REPLICA, TCP4, TCP6, Tracking

ROOM = 8190
TCP = 6
UDP = 17
_TCP = TCP
_UDP = UDP
_TCP4 = TCP4
_TCP6 = TCP6


class FiltersFull(ValueError):
    """There is no room for another filter."""


class Filters:
    """A table of them, empty at first."""

    def __init__(self) -> None:
        self.count = 0
        self._tcp: Tracking = Tracking(ROOM * 2)
        self._udp: Tracking = Tracking(ROOM * 2)

    def add(self, key: bytes, hashed: int, replica: int, protocol: int = TCP) -> None:
        """Give the flow with this key (12 octets for IPv4, 36 for IPv6) and RSS hash to a replica; a filter that is
        there already changes. FiltersFull; ValueError for what is no key, no replica or another protocol."""
        if len(key) not in {12, 36}:
            raise ValueError(f"a flow key is 12 or 36 octets, not {len(key)}")
        if not 0 < replica <= MAX_REPLICA:
            raise ValueError(f"replicas are numbered from 1 to {MAX_REPLICA}, not {replica}")
        if protocol not in {TCP, UDP}:
            raise ValueError(f"a filter is for TCP or UDP, not for protocol {protocol}")
        table = self._tcp if protocol == TCP else self._udp
        memory, kind = Memory(key), TCP6 if len(key) == 36 else TCP4
        slot = table.find(memory, kind, hashed)
        if slot >= 0:
            table.begin(slot, replica, ESTABLISHED, 0)
            return
        if self.count == ROOM or table.insert(memory, kind, hashed, replica, ESTABLISHED, 0) < 0:
            raise FiltersFull(f"there is room for {ROOM:,} exact filters, and they are taken")
        self.count += 1

    def replica(self, key: Memory, octets: int, protocol: int, hashed: int) -> int:
        """The replica of the filter for this key of so many octets, or 0."""
        if octets not in (12, 36) or protocol not in (_TCP, _UDP):
            return 0
        table = self._tcp if protocol == _TCP else self._udp
        slot = table.find(key, _TCP6 if octets == 36 else _TCP4, hashed)
        return table.replica(slot) if slot >= 0 else 0
