"""Links of every kind for the tests of this folder: both ends in this process, with real doorbells."""

from __future__ import annotations

import itertools
import select
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell, Ringer
from neatctl.core.channel.face import Consumer, Producer
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.native import Memory

KINDS = ("memory", *endpoint.KINDS)
GENERATION = 7
ARRIVAL_MS = 2_000
_numbers = itertools.count()


@dataclass
class Link:
    """A channel and the doorbells of its two owners."""

    kind: str
    producer: Producer
    consumer: Consumer
    producer_bell: Doorbell
    consumer_bell: Doorbell

    def arrived(self) -> bool:
        """Wait until the consumer has a record; False when none came (a ring's is there at once, or not at all)."""
        while self.consumer.peek() < 0:
            if self.consumer.fileno() < 0:
                return False
            if self.consumer.arm():
                waiting = select.poll()
                waiting.register(self.consumer.fileno(), select.POLLIN)
                if not waiting.poll(ARRIVAL_MS):
                    return False
            self.consumer.disarm()
        return True

    def receive(self) -> bytes:
        """The next record, which must come."""
        assert self.arrived(), "no record came"
        record = self.consumer.receive()
        assert record is not None
        return record


def rung(bell: Doorbell) -> bool:
    """Whether a doorbell was rung since the last look."""
    waiting = select.poll()
    waiting.register(bell.fileno(), select.POLLIN)
    ready = bool(waiting.poll(0))
    bell.clear()
    return ready


def ring_memory(capacity: int, generation: int = GENERATION) -> Memory:
    return format_ring(Memory(bytearray(ring_octets(capacity))), capacity, generation)


@contextmanager
def link(kind: str, capacity: int = 4096, generation: int = GENERATION) -> Iterator[Link]:
    """A fresh link. Everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ch") as directory:
        producer_bell = Doorbell(f"{directory}/p")
        consumer_bell = Doorbell(f"{directory}/c")
        path = f"{directory}/link" if kind != "zmq-inproc" else f"test-{next(_numbers)}"
        consumer: Consumer
        producer: Producer
        if kind == "memory":
            memory = ring_memory(capacity, generation)
            consumer = RingConsumer(memory, generation, Ringer(producer_bell.path))
            producer = RingProducer(memory, generation, Ringer(consumer_bell.path))
        else:
            endpoint.create(kind, path, generation, capacity)
            consumer = endpoint.open_consumer(kind, path, generation, producer_bell.path)
            producer = endpoint.open_producer(kind, path, generation, consumer_bell.path)
        try:
            yield Link(kind, producer, consumer, producer_bell, consumer_bell)
        finally:
            producer.close()
            consumer.close()
            if kind != "memory":
                endpoint.remove(kind, path)
            with suppress(OSError):
                producer_bell.close()
                consumer_bell.close()
            assert not list(Path(directory).iterdir()), "something was left in the file system"
