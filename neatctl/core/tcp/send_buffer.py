"""The octets that an application gave and the peer has not acknowledged: a circular memory that grows.

A buffer has no memory until something is queued, takes a power of two from a pool shared by all
connections of the replica, doubles when it must, and gives it back when the last octet is
acknowledged: an idle connection holds none. Octets are copied in once, and from here into frames.
Knows nothing of sequence numbers, segments or limits; its user bounds what is put in.
"""

from __future__ import annotations

from neatctl.core.native import Memory

_SMALLEST = 12
"""The smallest memory is 4 KiB: a small response and its header."""
_SIZES = 32
_KEPT_OCTETS = 1 << 20
"""How much memory of each size the pool keeps."""
_NOTHING = Memory(bytearray(0))


class Shelf:
    """Free memories of one size: a stack whose list never shrinks, so that taking and giving allocates nothing."""

    def __init__(self) -> None:
        self.count = 0
        self.places: list[Memory] = []


class BufferPool:
    """Memories of 2**12 octets and more that are free at the moment."""

    def __init__(self) -> None:
        self._shelves = [Shelf() for _ in range(_SIZES)]

    def take(self, octets: int) -> Memory:
        """A memory of a power of two that holds so many octets; its content is undefined."""
        size = _SMALLEST
        while (1 << size) < octets:
            size += 1
        shelf = self._shelves[size]
        if not shelf.count:
            return Memory(bytearray(1 << size))
        shelf.count -= 1
        memory = shelf.places[shelf.count]
        shelf.places[shelf.count] = _NOTHING
        return memory

    def give(self, memory: Memory) -> None:
        """Take a memory back."""
        size = _SMALLEST
        while (1 << size) < memory.octets:
            size += 1
        shelf = self._shelves[size]
        if shelf.count << size >= _KEPT_OCTETS and shelf.count >= 2:
            return
        if shelf.count == len(shelf.places):
            shelf.places.append(memory)
        else:
            shelf.places[shelf.count] = memory
        shelf.count += 1


class SendBuffer:
    """A queue of octets: appended at the end, dropped at the front, copied from anywhere between."""

    def __init__(self, pool: BufferPool) -> None:
        self._pool = pool
        self._memory = _NOTHING
        self._capacity = 0
        self._head = 0
        self.octets = 0
        """How many octets are queued."""

    def append(self, source: Memory, at: int, octets: int) -> None:
        """Queue `octets` of `source` from `at`."""
        if octets == 0:
            return
        if self.octets + octets > self._capacity:
            self._grow(self.octets + octets)
        tail = (self._head + self.octets) & (self._capacity - 1)
        first = self._capacity - tail
        if octets <= first:
            self._memory.copy(tail, source, at, octets)
        else:
            self._memory.copy(tail, source, at, first)
            self._memory.copy(0, source, at + first, octets - first)
        self.octets += octets

    def copy_to(self, target: Memory, at: int, offset: int, octets: int) -> None:
        """Copy `octets` from `offset` behind the front to `at` of `target`. IndexError if they are not there."""
        if offset < 0 or octets < 0 or offset + octets > self.octets:
            raise IndexError(f"{octets} octets from {offset} of {self.octets}")
        if octets == 0:
            return
        place = (self._head + offset) & (self._capacity - 1)
        first = self._capacity - place
        if octets <= first:
            target.copy(at, self._memory, place, octets)
        else:
            target.copy(at, self._memory, place, first)
            target.copy(at + first, self._memory, 0, octets - first)

    def drop(self, octets: int) -> None:
        """Forget so many octets at the front."""
        self.octets -= octets
        if self.octets == 0:
            self.clear()
        else:
            self._head = (self._head + octets) & (self._capacity - 1)

    def clear(self) -> None:
        """Forget all octets and give the memory back."""
        self.octets = 0
        self._head = 0
        if self._capacity:
            self._capacity = 0
            self._pool.give(self._memory)
            self._memory = _NOTHING

    def _grow(self, octets: int) -> None:
        memory = self._pool.take(octets)
        if self.octets:
            self.copy_to(memory, 0, 0, self.octets)
        if self._capacity:
            self._pool.give(self._memory)
        self._memory = memory
        self._capacity = memory.octets
        self._head = 0
