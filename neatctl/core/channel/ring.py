"""A bounded single-producer single-consumer ring of records in shared memory (paper section 3.2).

    octet 0    magic      64  tail (producer)    192  consumer asleep     512  records
          8    capacity  128  head (consumer)    256  producer wants room
         16    generation

Head and tail count octets and never wrap (63 bits); a place is their value modulo the capacity, a power of two.
A record is one word (length in the low 32 bits, generation in the high), the octets, padding to 8; a length of all
ones fills the end of the ring up. Each side believes only its own index: what it reads of the other's is read once
and checked, and what cannot be is a PeerFault. Between the store of an index or flag and the look at the other's
stands a full fence, on both sides, so no wake-up is lost. Knows nothing of what records mean or how files are named.
"""

from __future__ import annotations

import mmap
import os

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.native import Memory, fence

MAGIC = 0x3130474E4952454E
"""The octets "NERING01"."""
DEFAULT_CAPACITY = 1 << 19
"""512 KiB: room for seven super-frames, and small enough for a core's cache. With half of it large files cost a sixth
more CPU; with twice as much nothing is gained."""

_TAIL = 64
_HEAD = 128
_ASLEEP = 192
_WANTS_ROOM = 256
_RECORDS = 512
_HEADER = 8
_FILLER = 0xFFFFFFFF
_GENERATION_MASK = 0x7FFFFFFF


def ring_octets(capacity: int) -> int:
    """How much memory a ring of this capacity takes. ValueError unless it is a power of two of at least 1024."""
    if capacity < 1024 or capacity & (capacity - 1):
        raise ValueError(f"a ring's capacity is a power of two from 1024, not {capacity}")
    return _RECORDS + capacity


def format_ring(memory: Memory, capacity: int, generation: int) -> Memory:
    """Make an empty ring in zeroed memory of `ring_octets(capacity)`. Of the generation 31 bits count."""
    if memory.octets < ring_octets(capacity):
        raise ValueError(f"{memory.octets} octets are too few for a ring of {capacity}")
    memory.store64(8, capacity)
    memory.store64(16, generation & _GENERATION_MASK)
    memory.store64(0, MAGIC)
    return memory


def create_ring_file(path: str, capacity: int, generation: int) -> None:
    """Make the file of a new ring (mode 0600). FileExistsError if it is there already; OSError (ENOSPC) now rather
    than SIGBUS later where the file system has no room for all of it."""
    octets = ring_octets(capacity)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, octets)
        with mmap.mmap(fd, octets) as view:
            format_ring(Memory(view), capacity, generation).release()
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def map_ring_file(path: str) -> Memory:
    """Map a ring's file for use by a RingProducer or RingConsumer. FileNotFoundError if the link was removed."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        octets = os.fstat(fd).st_size
        if octets < ring_octets(1024):
            raise PeerFault("record", f"{path} holds no ring")
        return Memory(mmap.mmap(fd, octets, mmap.MAP_SHARED | mmap.MAP_POPULATE))
    finally:
        os.close(fd)


def _checked_capacity(memory: Memory, generation: int) -> int:
    """The capacity that a ring's header gives, if the header is sound and of this generation."""
    if memory.octets < ring_octets(1024) or memory.load64(0) != MAGIC:
        raise PeerFault("record", "this memory holds no ring")
    capacity = memory.load64(8)
    if capacity < 1024 or capacity & (capacity - 1) or capacity > memory.octets - _RECORDS:
        raise PeerFault("length", f"a ring of {capacity} octets in {memory.octets}")
    if memory.load64(16) != generation & _GENERATION_MASK:
        raise PeerFault("generation", f"a ring of generation {memory.load64(16)}, not {generation}")
    return capacity


def _checked_index(memory: Memory, at: int) -> int:
    """An index as it is when an end opens its ring."""
    index = memory.load64(at)
    if index < 0 or index >> 62 or index & 7:
        raise PeerFault("index", f"a ring that begins at {index}")
    return index


class RingProducer(Producer):
    """The sending end of a ring. A record takes at most half of the capacity, less 8 octets."""

    def __init__(self, memory: Memory, generation: int, consumer: Ringer) -> None:
        super().__init__(memory)
        self._capacity = _checked_capacity(memory, generation)
        self._stamp = (generation & _GENERATION_MASK) << 32
        self._tail = _checked_index(memory, _TAIL)
        self._head = _checked_index(memory, _HEAD)
        if not 0 <= self._tail - self._head <= self._capacity:
            raise PeerFault("index", f"head {self._head}, tail {self._tail}")
        self._published = self._tail
        self._place = 0
        self._reserved = -1
        self._consumer = consumer

    def reserve(self, octets: int) -> int:
        need = (octets + _HEADER + 7) & ~7
        if octets < 0 or need > self._capacity >> 1:
            raise ValueError(f"a ring of {self._capacity} octets takes no record of {octets}")
        place = self._tail & (self._capacity - 1)
        room_to_end = self._capacity - place
        total = need if need <= room_to_end else need + room_to_end
        if self._tail + total - self._head > self._capacity:
            head = self.memory.load64(_HEAD)
            if head < self._head or head > self._published or head & 7:
                raise PeerFault("index", f"head {head} is not in {self._head}..{self._published}", self)
            self._head = head
            if self._tail + total - head > self._capacity:
                self.full += 1
                return -1
        if need > room_to_end:
            self.memory.store64(_RECORDS + place, self._stamp | _FILLER)
            self._tail += room_to_end
            place = 0
        self._place = _RECORDS + place
        self._reserved = octets
        return _RECORDS + place + _HEADER

    def commit(self, octets: int) -> None:
        if octets < 0 or octets > self._reserved:
            raise ValueError(f"{octets} octets committed where {self._reserved} were reserved")
        self.memory.store64(self._place, self._stamp | octets)
        self._tail += (octets + _HEADER + 7) & ~7
        self._reserved = -1

    def flush(self) -> None:
        if self._tail == self._published:
            return
        self.memory.store64(_TAIL, self._tail)
        self._published = self._tail
        fence()
        if self.memory.load64(_ASLEEP):
            self.memory.store64(_ASLEEP, 0)
            self._consumer.ring()

    def longest(self) -> int:
        """Octets of the longest record that `reserve` takes."""
        return (self._capacity >> 1) - _HEADER

    def want_room(self) -> None:
        self.memory.store64(_WANTS_ROOM, 1)
        fence()
        # It may have made room and gone to sleep between the failed reserve and the store: it looks again in `arm`.
        if self.memory.load64(_ASLEEP):
            self.memory.store64(_ASLEEP, 0)
            self._consumer.ring()

    def close(self) -> None:
        self.memory.release()
        self._consumer.close()


class RingConsumer(Consumer):
    """The receiving end of a ring."""

    def __init__(self, memory: Memory, generation: int, producer: Ringer) -> None:
        super().__init__(memory)
        self._capacity = _checked_capacity(memory, generation)
        self._generation = generation & _GENERATION_MASK
        self._head = _checked_index(memory, _HEAD)
        self._published = self._head
        self._told = self._head
        self._tail = self._head
        self._need = 0
        self._producer = producer

    def peek(self) -> int:
        while True:
            if self._head == self._tail:
                tail = self.memory.load64(_TAIL)
                if tail == self._tail:
                    return -1
                if tail < self._tail or tail - self._published > self._capacity or tail & 7:
                    raise PeerFault("index", f"tail {tail} does not follow {self._tail}", self)
                self._tail = tail
            place = self._head & (self._capacity - 1)
            # The only look at this word: the other side could change it under our hands.
            word = self.memory.load64(_RECORDS + place)
            if word >> 32 != self._generation:
                raise PeerFault("generation", f"a record of generation {word >> 32}, not {self._generation}", self)
            length = word & _FILLER
            if length == _FILLER:
                # A producer fills the end only, and its next record is at the start: so two in a row cannot be.
                need = self._capacity - place
                if place == 0 or need > self._tail - self._head:
                    raise PeerFault("length", f"{need} octets of filler in {self._tail - self._head}", self)
                self._head += need
                continue
            need = (length + _HEADER + 7) & ~7
            if need > self._tail - self._head or need > self._capacity - place:
                raise PeerFault("length", f"a record of {length} octets in {self._tail - self._head}", self)
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
            self._tell_room()

    def _tell_room(self) -> None:
        """Ring the producer that waits for room, once for each state of the head."""
        self._told = self._published
        self.memory.store64(_WANTS_ROOM, 0)
        self._producer.ring()

    def arm(self) -> bool:
        self.flush()
        self.memory.store64(_ASLEEP, 1)
        fence()
        if self._told != self._published and self.memory.load64(_WANTS_ROOM):
            self._tell_room()
        return self._head == self._tail and self.memory.load64(_TAIL) == self._tail

    def disarm(self) -> None:
        self.memory.store64(_ASLEEP, 0)

    def close(self) -> None:
        self.memory.release()
        self._producer.close()
