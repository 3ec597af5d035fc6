"""Frames of a capture through the smart NIC alone: the steering that the driver runs, in the capture's own time.

The places of frames come in batches (devices/pcap.py), and counts go out: frames and new flows for each queue, and
the counters that the driver has. Frames of other links than Ethernet get an Ethernet header in front. Knows no
file, no clock and no queue.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.counters import FLOWS_EVICTED, FLOWS_EXPIRED, FLOWS_NEW, RX_FRAMES, RX_OCTETS, TX_FRAMES, TX_OCTETS
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.nic.steering import ALL, Steering
from neatctl.nic.tracking import MAX_REPLICA

ETHERNET = 1
LINKS = {0: 4, 1: 14, 12: 0, 14: 0, 101: 0, 108: 4, 113: 16, 228: 0, 229: 0, 276: 20}
"""Octets in front of the network layer by link type (LINKTYPE_ of the pcap registry): BSD loopback, Ethernet, raw IP,
OpenBSD loopback, Linux cooked captures of both versions. Others cannot be steered."""

_HEADER = 14
_HEAD_OCTETS = 512
"""What is copied of a frame: all headers, but for absurd chains of IPv6 extension headers."""
_LONGEST = 1 << 17
_ETHERNET = ETHERNET
_SLL, _SLL2 = 113, 276
_IPV4, _IPV6 = 0x0800, 0x86DD
_PLACE = PLACE_OCTETS
_ALL = ALL
_EXPIRE_EVERY_US = 10_000
_EXPIRE_PARTS = 500
_LONG_US = _EXPIRE_EVERY_US * _EXPIRE_PARTS


class NicReplay:
    """Plays frames into one NIC. What comes from `appliance` (4 or 16 octets, or b"") leaves it; all else arrives."""

    def __init__(self, steering: Steering, appliance: bytes = b"") -> None:
        self.steering = steering
        self.to_all = 0
        """Frames that every queue got (answers of ARP and neighbour discovery)."""
        self.dropped = 0
        self._queues = Memory(bytearray(16 * (MAX_REPLICA + 1)))
        self._appliance = Memory(appliance)
        self._staging = Memory(bytearray(_LONGEST))
        self._begin_ns = -1
        self._now = 0
        self._expire_at = 0

    def frames(self, replica: int) -> int:
        """Frames that went to this replica alone."""
        return self._queues.load64(replica << 4)

    def flows(self, replica: int) -> int:
        """Flows that began with a frame to this replica."""
        return self._queues.load64((replica << 4) + 8)

    def play(self, memory: Memory, places: Memory, count: int, link: int, front: int) -> None:
        """So many frames of one link type, `front` octets of which are in front of the network layer (LINKS)."""
        steering = self.steering
        counters = steering.counters
        arrived = 0
        octets_in = 0
        for i in range(count):
            place = i * _PLACE
            at = places.load64(place)
            captured = places.load64(place + 8)
            octets = places.load64(place + 16)
            self._pass_time(places.load64(place + 24))
            source = memory
            if link != _ETHERNET or captured < octets:
                self._stage(memory, at, captured, link, front)
                source = self._staging
                octets += _HEADER - front
                octets = min(octets if octets > 0 else 0, _LONGEST)
                at = 0
            if self._leaves(source, at, octets):
                self._leave(source, at, octets)
                continue
            arrived += 1
            octets_in += octets
            before = counters.get(FLOWS_NEW)
            replica = steering.inbound(source, at, octets, self._now)
            if replica > 0:
                queue = replica << 4
                self._queues.store64(queue, self._queues.load64(queue) + 1)
                if counters.get(FLOWS_NEW) != before:
                    self._queues.store64(queue + 8, self._queues.load64(queue + 8) + 1)
            elif replica == _ALL:
                self.to_all += 1
            else:
                self.dropped += 1
        counters.add(RX_FRAMES, arrived)
        counters.add(RX_OCTETS, octets_in)

    def _pass_time(self, time_ns: int) -> None:
        """The capture's clock, from 0 on and never backwards; flows expire as they would have."""
        if self._begin_ns < 0:
            self._begin_ns = time_ns
        now = (time_ns - self._begin_ns) // 1000
        if now <= self._now:
            return
        self._now = now
        if now >= self._expire_at:
            self._expire(now)

    def _expire(self, now: int) -> None:
        """What the driver does each 10 ms; after a long silence, what is left when it went through the table."""
        tracking = self.steering.tracking
        silent = now - self._expire_at >= _LONG_US
        while tracking.count and silent:
            silent = tracking.expire(now, tracking.slots) > 0
        slots = tracking.slots // _EXPIRE_PARTS + 64
        while tracking.count and self._expire_at <= now and now - self._expire_at < _LONG_US:
            tracking.expire(self._expire_at, slots)
            self._expire_at += _EXPIRE_EVERY_US
        self._expire_at = max(self._expire_at, now + _EXPIRE_EVERY_US)

    def read_counters(self) -> dict[str, int]:
        """The driver's counters by name."""
        tracking = self.steering.tracking
        self.steering.counters.put(FLOWS_EXPIRED, tracking.expired)
        self.steering.counters.put(FLOWS_EVICTED, tracking.evicted)
        return self.steering.counters.read()

    def _stage(self, memory: Memory, at: int, captured: int, link: int, front: int) -> None:
        """The head of a frame behind an Ethernet header, and zeros for what was not captured."""
        staging = self._staging
        staging.fill(0, _HEADER + _HEAD_OCTETS, 0)
        if link == _ETHERNET:
            staging.copy(0, memory, at, min(captured, _HEADER + _HEAD_OCTETS))
            return
        if captured <= front:
            return
        staging.put16(12, ethertype_of(memory, at, captured, link, front))
        staging.copy(_HEADER, memory, at + front, min(captured - front, _HEAD_OCTETS))

    def _leaves(self, memory: Memory, at: int, octets: int) -> bool:
        """Whether the appliance sent it."""
        width = self._appliance.octets
        if width == 0 or octets < _HEADER + 40:
            return False
        ethertype = memory.get16(at + 12)
        if ethertype == _IPV4:
            return width == 4 and memory.equal(at + _HEADER + 12, self._appliance, 0, 4)
        return ethertype == _IPV6 and width == 16 and memory.equal(at + _HEADER + 8, self._appliance, 0, 16)

    def _leave(self, memory: Memory, at: int, octets: int) -> None:
        steering = self.steering
        counters = steering.counters
        counters.add(TX_FRAMES, 1)
        counters.add(TX_OCTETS, octets)
        replica = steering.owner(memory, at, octets)
        if replica > 0:
            steering.outbound(memory, at, octets, replica, self._now)


def ethertype_of(memory: Memory, at: int, captured: int, link: int, front: int) -> int:
    """What stands behind the header of a link other than Ethernet, `front` octets long; 0 if nobody can tell."""
    if captured <= front:
        return 0
    if link == _SLL:
        return memory.get16(at + 14)
    if link == _SLL2:
        return memory.get16(at)
    version = memory.get8(at + front) >> 4
    return _IPV4 if version == 4 else _IPV6 if version == 6 else 0
