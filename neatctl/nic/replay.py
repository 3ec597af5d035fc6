"""Frames of a capture through the smart NIC alone: the steering that the driver runs, in the capture's own time.

The places of frames come in batches (devices/pcap.py), and counts go out: frames and flows for each queue, and the
counters that the driver has. Frames of other links than Ethernet get an Ethernet header in front. Knows no file, no
clock and no queue.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.counters import (
    DROP_OTHER_HOST,
    FILTERED,
    FLOWS_EVICTED,
    FLOWS_EXPIRED,
    RX_FRAMES,
    RX_OCTETS,
    TX_FRAMES,
    TX_OCTETS,
)
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.nic.seen_flows import SeenFlows
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
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_BROADCAST = 0xFFFFFFFF
_QUEUE_SHIFT = 5
# Which way a frame goes, as seen from the appliance.
_ARRIVES, _LEAVES, _PASSES_BY = range(3)
_PLACE = PLACE_OCTETS
_ALL = ALL
_EXPIRE_EVERY_US = 10_000
_EXPIRE_PARTS = 500
_LONG_US = 10 * 86_400_000_000
"""Longer than any flow is kept, and less than tracking can tell times apart (50 days)."""
_SLOTS_A_FRAME = 64
"""What a frame may cost in slots of the tracking table that are looked at."""


class NicReplay:
    """Plays frames into one NIC. With b"" for `appliance` every frame arrives, as on a mirror port. Of an address (4 or
    16 octets): what it sent leaves the NIC, and unicast to others is dropped as another host's."""

    def __init__(self, steering: Steering, appliance: bytes = b"") -> None:
        self.steering = steering
        self.to_all = 0
        """Frames that every queue got (answers of ARP and neighbour discovery)."""
        self.dropped = 0
        self.seen = SeenFlows()
        """Flows in the sense of RSS: of any protocol, each direction of its own, tracked or not."""
        self._queues = Memory(bytearray((MAX_REPLICA + 1) << _QUEUE_SHIFT))
        self._appliance = Memory(appliance)
        self._staging = Memory(bytearray(_LONGEST))
        self._begin_ns = -1
        self._now = 0
        self._expire_at = 0
        self._arrived = 0
        self._paid = 0
        self._credit = 0
        self._expired_slots = 0
        self._looked_at = 0

    def frames(self, replica: int) -> int:
        """Frames that went to this replica alone."""
        return self._queues.load64(replica << _QUEUE_SHIFT)

    def flows(self, replica: int) -> int:
        """Flows whose first frame went to this replica."""
        return self._queues.load64((replica << _QUEUE_SHIFT) + 8)

    def hashed_flows(self, replica: int) -> int:
        """Those of them that RSS sent there, not a filter."""
        return self._queues.load64((replica << _QUEUE_SHIFT) + 16)

    def play(self, memory: Memory, places: Memory, count: int, link: int, front: int) -> None:
        """So many frames of one link type, `front` octets of which are in front of the network layer (LINKS)."""
        steering = self.steering
        counters = steering.counters
        queues = self._queues
        arrived = 0
        octets_in = 0
        for i in range(count):
            place = i * _PLACE
            at = places.load64(place)
            captured = places.load64(place + 8)
            octets = places.load64(place + 16)
            self._arrived += 1
            self._pass_time(places.load64(place + 24))
            source = memory
            if link != _ETHERNET or captured < octets:
                self._stage(memory, at, captured, link, front)
                source = self._staging
                octets += _HEADER - front
                octets = min(octets if octets > 0 else 0, _LONGEST)
                at = 0
            way = self._way(source, at, octets)
            if way == _LEAVES:
                self._leave(source, at, octets)
                continue
            arrived += 1
            octets_in += octets
            if way == _PASSES_BY:
                counters.add(DROP_OTHER_HOST, 1)
                self.dropped += 1
                continue
            filtered = counters.get(FILTERED)
            replica = steering.inbound(source, at, octets, self._now)
            if replica > 0:
                queue = replica << _QUEUE_SHIFT
                queues.store64(queue, queues.load64(queue) + 1)
                if steering.hash and self.seen.add(steering.hash):
                    queues.store64(queue + 8, queues.load64(queue + 8) + 1)
                    if counters.get(FILTERED) == filtered:
                        queues.store64(queue + 16, queues.load64(queue + 16) + 1)
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
        last = self._now
        self._now = now
        if now >= self._expire_at:
            self._expire(last, now)

    def _expire(self, last: int, now: int) -> None:
        """What the driver does each 10 ms, as long as there are frames enough to pay for it. With fewer, or after a
        silence, a flow is looked at when a segment asks for it."""
        steering = self.steering
        tracking = steering.tracking
        slots = tracking.slots // _EXPIRE_PARTS + 64
        arrived = self._arrived
        self._credit = min(self._credit + (arrived - self._paid) * _SLOTS_A_FRAME, tracking.slots)
        self._paid = arrived
        while tracking.count and self._expire_at <= now and self._credit >= slots:
            tracking.expire(self._expire_at, slots)
            self._expire_at += _EXPIRE_EVERY_US
            self._credit -= slots
            self._expired_slots += slots
        if tracking.count and self._expire_at <= now:
            steering.expires_late = True
            self._expired_slots = 0
        elif self._expired_slots > tracking.slots:
            steering.expires_late = False
        self._expire_at = max(self._expire_at, now + _EXPIRE_EVERY_US)
        if now - self._looked_at > _LONG_US:
            # After a very long silence the ticks of a flow's last segment would have gone round: look as of before.
            self._look(min(now, last + _LONG_US))
            self._looked_at = now

    def _look(self, now: int) -> None:
        """Forget all flows whose time is over."""
        tracking = self.steering.tracking
        while tracking.count and tracking.expire(now, tracking.slots):
            pass

    def read_counters(self) -> dict[str, int]:
        """The driver's counters by name, as of the last frame's time."""
        if self.steering.expires_late:
            self._look(self._now)
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

    def _way(self, memory: Memory, at: int, octets: int) -> int:
        """Which way a frame goes. What is no IP or ARP arrives: the steering says what is wrong with it."""
        appliance = self._appliance
        width = appliance.octets
        if width == 0 or octets < _HEADER:
            return _ARRIVES
        ethertype = memory.get16(at + 12)
        to_group = memory.get8(at) & 1
        if ethertype == _IPV4 and octets >= _HEADER + 20:
            source, destination = at + _HEADER + 12, at + _HEADER + 16
            wide = 4
            to_group = to_group or memory.get8(destination) >> 4 == 14 or memory.get32(destination) == _BROADCAST
        elif ethertype == _IPV6 and octets >= _HEADER + 40:
            source, destination = at + _HEADER + 8, at + _HEADER + 24
            wide = 16
            to_group = to_group or memory.get8(destination) == 0xFF
        elif ethertype == _ARP and octets >= _HEADER + 28:
            source, destination = at + _HEADER + 14, at + _HEADER + 24
            wide = 4
        else:
            return _ARRIVES
        if width == wide and memory.equal(source, appliance, 0, wide):
            return _LEAVES
        if to_group or (width == wide and memory.equal(destination, appliance, 0, wide)):
            return _ARRIVES
        return _PASSES_BY

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
