"""A driver on a test's bench: a device that is two lists of frames, real rings, and replicas played by the test."""

from __future__ import annotations

import struct
from collections import deque

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import Consumer, Producer
from neatctl.core.channel.records import FLOW, FLOWS_TOLD, FRAME, FRAME_AT, KIND_AT, NEEDS_CSUM, VNET_AT
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.control.messages import Mirror, Queue
from neatctl.core.native import Memory
from neatctl.nic.counters import Counters
from neatctl.nic.devices.face import REFUSED, WOULD_BLOCK, Device
from neatctl.nic.driver import FLOWS_WAIT_US, Driver
from neatctl.nic.driver_events import Events
from neatctl.nic.impair import Impairment
from neatctl.nic.rss import Rss
from neatctl.nic.steering import Steering
from neatctl.nic.tracking import Tracking
from tests.nic import frames as f
from tests.nic.switch import RSS_KEY

CAPACITY = 1 << 16
PLAIN = bytes(10)
"""A virtio_net_hdr that asks for nothing."""


class Wire(Device):
    """A device in memory: `arriving` is read, what is written is in `sent`; each is virtio_net_hdr and frame."""

    def __init__(self) -> None:
        self.arriving: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.room = 1 << 30
        """How many more frames can be written."""
        self.down = False
        self.segmentation = True

    def read(self, memory: Memory, at: int) -> int:
        if not self.arriving:
            return WOULD_BLOCK
        octets = self.arriving.popleft()
        memory.put(at, octets)
        return len(octets)

    def write(self, memory: Memory, at: int, octets: int) -> int:
        if self.down:
            return REFUSED
        if self.room == 0:
            return WOULD_BLOCK
        self.room -= 1
        self.sent.append(memory.bytes(at, octets))
        return octets

    def set_segmentation(self, on: bool) -> None:
        self.segmentation = on


class Replica:
    """The other end of a queue pair."""

    def __init__(self, number: int, generation: int, capacity: int, doorbell: str = "") -> None:
        self.number = number
        self.generation = generation
        self._to_replica = bytearray(ring_octets(capacity))
        self._to_driver = bytearray(ring_octets(capacity))
        self.to_replica = format_ring(Memory(self._to_replica), capacity, generation)
        self.to_driver = format_ring(Memory(self._to_driver), capacity, generation)
        self.ringer = Ringer(doorbell)
        self.received = RingConsumer(self.to_replica, generation, Ringer(""))
        self.sending = RingProducer(self.to_driver, generation, Ringer(""))

    def pair(self) -> tuple[Producer, Consumer]:
        """The driver's ends, as a mapping of its own."""
        return (
            RingProducer(Memory(self._to_replica), self.generation, self.ringer),
            RingConsumer(Memory(self._to_driver), self.generation, Ringer("")),
        )

    def queue(self, state: str = "open") -> Queue:
        return Queue(self.number, self.generation, state, "", "", "")

    def say(self, kind: int, octets: bytes = b"", vnet: bytes = PLAIN) -> None:
        record = bytearray(FRAME_AT) + octets
        record[KIND_AT] = kind
        record[VNET_AT:FRAME_AT] = vnet
        assert self.sending.send(bytes(record))
        self.sending.flush()

    def send(self, frame: bytes, vnet: bytes = PLAIN) -> None:
        self.say(FRAME, frame, vnet)

    def tell(self, *keys: bytes) -> None:
        """Tell these flows, and that they were all."""
        for key in keys:
            self.say(FLOW, key)
        self.say(FLOWS_TOLD)

    def records(self) -> list[bytes]:
        """What came since."""
        found = []
        while (record := self.received.receive()) is not None:
            found.append(record)
        self.received.flush()
        return found

    def frames(self) -> list[bytes]:
        return [record[FRAME_AT:] for record in self.records()]


class Journal(Events):
    """Writes down what the driver reports."""

    def __init__(self) -> None:
        self.faults: list[tuple[int, int, str]] = []
        self.began_reading = 0
        self.channels = 0
        self.mirrors_ended: list[tuple[str, str]] = []

    def mirror_ended(self, path: str, reason: str) -> None:
        self.mirrors_ended.append((path, reason))

    def faulted(self, replica: int, generation: int, reason: str) -> None:
        self.faults.append((replica, generation, reason))

    def reading(self) -> None:
        self.began_reading += 1

    def opened(self, consumer: Consumer) -> None:
        self.channels += 1

    def closing(self, consumer: Consumer) -> None:
        self.channels -= 1


class Rig:
    """A driver with a wire; `replica` makes replicas, `queues` says which there are."""

    def __init__(self, impair: str = "", seed: int = 0, flows: int = 1024) -> None:
        self.wire = Wire()
        self.counters = Counters()
        self.steering = Steering(Rss(RSS_KEY), Tracking(flows), self.counters, f.NIC_MAC)
        self.journal = Journal()
        self.replicas: dict[tuple[int, int], Replica] = {}
        self.mirror_rings: dict[str, bytearray] = {}
        self.driver = Driver(self.wire, self.steering, self._open, Impairment(impair, seed), 3, self.journal,
                             self._open_mirror)  # fmt: skip
        self.now = 1_000_000

    def _open(self, queue: Queue) -> tuple[Producer, Consumer]:
        replica = self.replicas.get((queue.replica, queue.generation))
        if replica is None:
            raise FileNotFoundError(queue.to_replica)
        return replica.pair()

    def _open_mirror(self, mirror: Mirror) -> RingProducer:
        if mirror.path not in self.mirror_rings:
            raise FileNotFoundError(mirror.path)
        return RingProducer(Memory(self.mirror_rings[mirror.path]), mirror.generation, Ringer(""))

    def mirror_ring(self, path: str, capacity: int = 1 << 18, generation: int = 1) -> RingConsumer:
        """Make the ring of a mirror; its reader's end."""
        made = self.mirror_rings[path] = bytearray(ring_octets(capacity))
        return RingConsumer(format_ring(Memory(made), capacity, generation), generation, Ringer(""))

    def replica(self, number: int, generation: int = 1, capacity: int = CAPACITY, doorbell: str = "") -> Replica:
        made = Replica(number, generation, capacity, doorbell)
        self.replicas[number, generation] = made
        return made

    def running(self, count: int) -> list[Replica]:
        """So many replicas, told and open, and the device read."""
        made = [self.replica(number) for number in range(1, count + 1)]
        self.driver.set_queues([replica.queue() for replica in made])
        for replica in made:
            replica.tell()
        self.turn()
        assert self.driver.reading
        return made

    def turn(self, after_us: int = 10) -> int:
        self.now += after_us
        return self.driver.turn(self.now)

    def wait_long_enough(self) -> None:
        self.turn()
        self.turn(FLOWS_WAIT_US)

    def arrive(self, *frames: bytes, vnet: bytes = PLAIN) -> None:
        """These frames come in, and the driver turns until all are read."""
        self.wire.arriving.extend(vnet + frame for frame in frames)
        while self.wire.arriving:
            self.turn()

    def count(self, name: str) -> int:
        return self.driver.read_counters()[name]


def checksum_request(start: int, offset: int, gso_type: int = 0, gso_size: int = 0) -> bytes:
    """A virtio_net_hdr that leaves a checksum, or segmentation, to the device."""
    return struct.pack("=BBHHHH", NEEDS_CSUM, gso_type, 54 if gso_type else 0, gso_size, start, offset)
