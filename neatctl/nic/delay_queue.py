"""The frames of one direction that wait for their time: copied into a pool, first in first out, but for the hasty.

A frame gets room (`put`), then its time (`schedule`: behind all that have one) or leave to overtake (`hasten`). Room is
given back in any order; the pool is a ring whose tail is the oldest frame still there, so that every frame lies in one
piece. Bounded in frames and octets. Knows neither clock nor what is in a frame.
"""

from __future__ import annotations

from neatctl.core.control.impairment import MOST_FRAMES
from neatctl.core.native import Memory

POOL_OCTETS = 8 << 20

_SLOTS = MOST_FRAMES
_MASK = _SLOTS - 1
_POOL = POOL_OCTETS
_WITHIN = POOL_OCTETS - 1
# A slot's record: where its frame begins (counted on over the end of the pool), its octets, its time; all 64 bits.
_BEGIN, _OCTETS, _DUE = 0, 8, 16
_SLOT_SHIFT = 5
_ALIGN = 63


class DelayQueue:
    """The pool and the order. A slot is a number that stands for a frame until it is taken."""

    def __init__(self) -> None:
        self.memory = Memory(bytearray(_POOL))
        self.count = 0
        """Frames in the pool."""
        self._slots = Memory(bytearray(_SLOTS << _SLOT_SHIFT))
        self._order = Memory(bytearray(_SLOTS << 3))
        self._hasty = Memory(bytearray(_SLOTS << 3))
        self._first = self._last = self._first_hasty = self._last_hasty = 0
        self._oldest = self._next = 0
        self._end = 0
        """Where the next frame begins, counted as in the records."""

    def put(self, source: Memory, at: int, octets: int, limit: int) -> int:
        """Copy a frame of so many octets; its slot, or -1 if there is no room or `limit` frames wait."""
        begin = self._end
        if (begin & _WITHIN) + octets > _POOL:
            begin += _POOL - (begin & _WITHIN)
        tail = self._slots.load64(((self._oldest & _MASK) << _SLOT_SHIFT) + _BEGIN) if self.count else begin
        full = self.count >= limit or self._next - self._oldest >= _SLOTS
        if full or begin + octets - tail > _POOL:
            return -1
        slot = self._next & _MASK
        record = slot << _SLOT_SHIFT
        self._slots.store64(record + _BEGIN, begin)
        self._slots.store64(record + _OCTETS, octets)
        self.memory.copy(begin & _WITHIN, source, at, octets)
        self._end = begin + (octets + _ALIGN & ~_ALIGN)
        self._next += 1
        self.count += 1
        return slot

    def place(self, slot: int) -> int:
        """The offset of its frame in `memory`."""
        return self._slots.load64((slot << _SLOT_SHIFT) + _BEGIN) & _WITHIN

    def octets(self, slot: int) -> int:
        """How long its frame is."""
        return self._slots.load64((slot << _SLOT_SHIFT) + _OCTETS)

    def schedule(self, slot: int, due: int) -> None:
        """Its frame goes at this time, or with the one before it if that is later."""
        self._slots.store64((slot << _SLOT_SHIFT) + _DUE, due)
        self._order.store64((self._last & _MASK) << 3, slot)
        self._last += 1

    def hasten(self, slot: int) -> None:
        """Its frame goes before all that are scheduled."""
        self._hasty.store64((self._last_hasty & _MASK) << 3, slot)
        self._last_hasty += 1

    def due(self) -> int:
        """When the next frame goes: 0 for at once, -1 if there is none."""
        if self._first_hasty != self._last_hasty:
            return 0
        if self._first == self._last:
            return -1
        slot = self._order.load64((self._first & _MASK) << 3)
        return self._slots.load64((slot << _SLOT_SHIFT) + _DUE)

    def peek(self, now: int) -> int:
        """The slot whose frame goes next, if its time has come; else -1."""
        due = self.due()
        if due < 0 or due > now:
            return -1
        if self._first_hasty != self._last_hasty:
            return self._hasty.load64((self._first_hasty & _MASK) << 3)
        return self._order.load64((self._first & _MASK) << 3)

    def take(self) -> None:
        """The frame of the last `peek` is gone; its room is free."""
        if self._first_hasty != self._last_hasty:
            slot = self._hasty.load64((self._first_hasty & _MASK) << 3)
            self._first_hasty += 1
        else:
            slot = self._order.load64((self._first & _MASK) << 3)
            self._first += 1
        self._slots.store64((slot << _SLOT_SHIFT) + _OCTETS, -1)
        self.count -= 1
        while self._oldest < self._next:
            if self._slots.load64(((self._oldest & _MASK) << _SLOT_SHIFT) + _OCTETS) >= 0:
                break
            self._oldest += 1
