"""A bounded single-producer single-consumer ring of records in shared memory (paper section 3.2).

    octet 0    magic      64  tail (producer)    192  consumer asleep     512  records
          8    capacity  128  head (consumer)    256  producer wants room
         16    generation

Head and tail count octets and never wrap (63 bits); a place is their value modulo the capacity, a
power of two. A record is its length (32 bits), the generation (32 bits), the octets, padding to 8;
a length of all ones fills the end of the ring up. Each side believes only its own index: what it reads
of the other's is checked, and what cannot be is a PeerFault. Between the store of an index and the
look at the other's sleep flag stands a full fence, on both sides, so no wake-up is lost.
Knows nothing of what records mean, of processes or of how files are named.
"""

from __future__ import annotations

import mmap
import os

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.native import Memory, fence

MAGIC = 0x3130474E4952454E
"""The octets "NERING01"."""
DEFAULT_CAPACITY = 1 << 18
"""256 KiB: room for three super-frames, and small enough for a core's cache."""

_TAIL = 64
_HEAD = 128
_ASLEEP = 192
_WANTS_ROOM = 256
_RECORDS = 512
_HEADER = 8
_FILLER = 0xFFFFFFFF


def ring_octets(capacity: int) -> int:
    """How much memory a ring of this capacity takes."""
    return _RECORDS + capacity


def format_ring(memory: Memory, capacity: int, generation: int) -> Memory:
    """Make an empty ring in zeroed memory of `ring_octets(capacity)`; capacity is a power of two, at least 1024."""
    if capacity < 1024 or capacity & (capacity - 1):
        raise ValueError(f"a ring's capacity is a power of two from 1024, not {capacity}")
    memory.store64(8, capacity)
    memory.store64(16, generation & 0xFFFFFFFF)
    memory.store64(0, MAGIC)
    return memory


def create_ring_file(path: str, capacity: int, generation: int) -> None:
    """Make the file of a new ring (mode 0600); FileExistsError if it is there already."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, ring_octets(capacity))
        with mmap.mmap(fd, ring_octets(capacity)) as view:
            memory = format_ring(Memory(view), capacity, generation)
            memory.release()
    finally:
        os.close(fd)


def map_ring_file(path: str) -> Memory:
    """Map a ring's file for use by a RingProducer or RingConsumer."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return Memory(mmap.mmap(fd, 0))
    finally:
        os.close(fd)


def _checked_capacity(memory: Memory, generation: int) -> int:
    """The capacity that a ring's header gives, if the header is sound and of this generation."""
    if memory.octets < _RECORDS + 1024 or memory.load64(0) != MAGIC:
        raise PeerFault("record", "this memory holds no ring")
    capacity = memory.load64(8)
    if capacity < 1024 or capacity & (capacity - 1) or capacity > memory.octets - _RECORDS:
        raise PeerFault("length", f"a ring of {capacity} octets in {memory.octets}")
    if memory.load64(16) != generation & 0xFFFFFFFF:
        raise PeerFault("generation", f"ring of generation {memory.load64(16)}, not {generation}")
    return capacity


class RingProducer(Producer):
    """The sending end of a ring. A record takes at most half of the capacity, less 8 octets."""

    def __init__(self, memory: Memory, generation: int, consumer: Ringer) -> None:
        super().__init__(memory)
        self._capacity = _checked_capacity(memory, generation)
        self._generation = generation & 0xFFFFFFFF
        self._tail = memory.load64(_TAIL)
        self._published = self._tail
        self._head = memory.load64(_HEAD)
        self._place = 0
        self._consumer = consumer

    def reserve(self, octets: int) -> int:
        need = (octets + _HEADER + 7) & ~7
        if need > self._capacity >> 1:
            raise ValueError(f"a record of {octets} octets is too large for a ring of {self._capacity}")
        place = self._tail & (self._capacity - 1)
        room_to_end = self._capacity - place
        total = need if need <= room_to_end else need + room_to_end
        if self._tail + total - self._head > self._capacity:
            head = self.memory.load64(_HEAD)
            if head < self._head or head > self._published:
                raise PeerFault("index", f"head {head} is not in {self._head}..{self._published}")
            self._head = head
            if self._tail + total - head > self._capacity:
                self.full += 1
                return -1
        if need > room_to_end:
            self.memory.put32h(_RECORDS + place, _FILLER)
            self.memory.put32h(_RECORDS + place + 4, self._generation)
            self._tail += room_to_end
            place = 0
        self._place = _RECORDS + place
        return _RECORDS + place + _HEADER

    def commit(self, octets: int) -> None:
        self.memory.put32h(self._place, octets)
        self.memory.put32h(self._place + 4, self._generation)
        self._tail += (octets + _HEADER + 7) & ~7

    def flush(self) -> None:
        if self._tail == self._published:
            return
        self.memory.store64(_TAIL, self._tail)
        self._published = self._tail
        fence()
        if self.memory.load64(_ASLEEP):
            self.memory.store64(_ASLEEP, 0)
            self._consumer.ring()

    def want_room(self) -> None:
        self.memory.store64(_WANTS_ROOM, 1)
        fence()

    def close(self) -> None:
        self.memory.release()


class RingConsumer(Consumer):
    """The receiving end of a ring."""

    def __init__(self, memory: Memory, generation: int, producer: Ringer) -> None:
        super().__init__(memory)
        self._capacity = _checked_capacity(memory, generation)
        self._generation = generation & 0xFFFFFFFF
        self._head = memory.load64(_HEAD)
        self._published = self._head
        self._tail = self._head
        self._need = 0
        self._producer = producer

    def peek(self) -> int:
        memory = self.memory
        while True:
            if self._head == self._tail:
                tail = memory.load64(_TAIL)
                if tail == self._tail:
                    return -1
                if tail < self._tail or tail - self._head > self._capacity or tail & 7:
                    raise PeerFault("index", f"tail {tail} does not follow {self._tail}")
                self._tail = tail
            place = self._head & (self._capacity - 1)
            length = memory.get32h(_RECORDS + place)
            if memory.get32h(_RECORDS + place + 4) != self._generation:
                raise PeerFault("generation", f"a record of generation {memory.get32h(_RECORDS + place + 4)}")
            if length >= _FILLER:
                need = self._capacity - place
                if need > self._tail - self._head:
                    raise PeerFault("length", f"{need} octets of filler in {self._tail - self._head}")
                self._head += need
                continue
            need = (length + _HEADER + 7) & ~7
            if need > self._tail - self._head or need > self._capacity - place:
                raise PeerFault("length", f"a record of {length} octets in {self._tail - self._head}")
            self._need = need
            self.at = _RECORDS + place + _HEADER
            return length

    def release(self) -> None:
        self._head += self._need
        self._need = 0

    def flush(self) -> None:
        if self._head == self._published:
            return
        self.memory.store64(_HEAD, self._head)
        self._published = self._head
        fence()
        if self.memory.load64(_WANTS_ROOM):
            self.memory.store64(_WANTS_ROOM, 0)
            self._producer.ring()

    def arm(self) -> bool:
        self.memory.store64(_ASLEEP, 1)
        fence()
        return self._head == self._tail and self.memory.load64(_TAIL) == self._tail

    def disarm(self) -> None:
        self.memory.store64(_ASLEEP, 0)

    def close(self) -> None:
        self.memory.release()
