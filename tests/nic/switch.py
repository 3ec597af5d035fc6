"""A steering with its parts, for tests: frames as octets go in, replica numbers come out."""

from __future__ import annotations

from collections.abc import Iterable

from neatctl.core.native import Memory
from neatctl.nic.counters import Counters
from neatctl.nic.rss import Rss
from neatctl.nic.steering import CLOSED, DRAINING, OPEN, Steering
from neatctl.nic.tracking import Tracking
from tests.nic import frames as f

RSS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")


class Switch:
    """A NIC with these queues open."""

    def __init__(self, replicas: Iterable[int], flows: int = 1024, key: bytes = RSS_KEY) -> None:
        self.counters = Counters()
        self.tracking = Tracking(flows)
        self.steering = Steering(Rss(key), self.tracking, self.counters, f.NIC_MAC)
        self.queues(replicas)

    def queues(
        self, replicas: Iterable[int], draining: Iterable[int] = (), closed: Iterable[int] = (), now: int = 0
    ) -> None:
        states = dict.fromkeys(replicas, OPEN) | dict.fromkeys(draining, DRAINING) | dict.fromkeys(closed, CLOSED)
        self.steering.set_states(states, now)

    def inbound(self, frame: bytes, now: int = 0) -> int:
        return self.steering.inbound(Memory(frame), 0, len(frame), now)

    def outbound(self, frame: bytes, replica: int, now: int = 0) -> bool:
        return self.steering.outbound(Memory(frame), 0, len(frame), replica, now)

    def told(self, key: bytes, replica: int, now: int = 0) -> bool:
        return self.steering.told(Memory(key), 0, len(key), replica, now)

    def open_connection(self, client: str, port: int) -> int:
        """SYN, SYN-ACK, ACK; the replica."""
        replica = self.inbound(f.tcp(client, port, f.SYN))
        self.outbound(f.tcp(client, port, f.SYN | f.ACK, reply=True), replica)
        assert self.inbound(f.tcp(client, port, f.ACK)) == replica
        return replica

    def drops(self) -> dict[str, int]:
        return {name: n for name, n in self.counters.read().items() if name.startswith("drop_") and n}

    def count(self, name: str) -> int:
        return self.counters.read()[name]
