"""A lazy timing wheel: what is timed sits in one slot at most, and its true deadline is looked at when
the slot comes up.

Arming later, or not at all, only writes `due_us`: the usual case of a retransmission timer that every
acknowledgment pushes away. Arming earlier moves the item. A deadline beyond the wheel waits in the last
slot and is looked at again. A tick is 4,096 us, so an item comes up to 4 ms late and never early.
Times are microseconds of the caller's clock; nothing here reads one.
"""

from __future__ import annotations

NEVER = 1 << 62
"""A time that does not come."""

_NEVER = NEVER
_SHIFT = 12
_SLOTS = 1024
_LAST = _SLOTS - 1


class Timed:
    """Something with one deadline. It belongs to at most one wheel. A subclass sets these three itself: a call to
    another constructor would cost more than all that a new connection's does."""

    def __init__(self) -> None:
        self.due_us = _NEVER
        """The true deadline, or NEVER."""
        self.tick = -1
        """The tick whose slot it sits in, or -1."""
        self.place = 0


class Wheel:
    """1,024 slots of 4,096 us. All operations take constant time, but for a search of slots when time passes."""

    def __init__(self) -> None:
        self._slots: list[list[Timed]] = [[] for _ in range(_SLOTS)]
        self._cursor = 0
        self._next = _NEVER
        self.count = 0
        """Items in slots, those with no deadline any more among them."""

    def arm(self, item: Timed, due_us: int, now: int) -> None:
        """Set the deadline of an item; NEVER for none."""
        item.due_us = due_us
        if due_us >= _NEVER:
            return
        tick = (due_us >> _SHIFT) + 1
        if item.tick >= 0:
            if item.tick <= tick:
                return
            self.remove(item)
        if now >> _SHIFT < self._next and now >> _SHIFT > self._cursor:
            self._cursor = now >> _SHIFT
        self._link(item, tick)

    def remove(self, item: Timed) -> None:
        """Take an item out of its slot, if it sits in one."""
        if item.tick < 0:
            return
        slot = self._slots[item.tick & _LAST]
        last = slot.pop()
        if last is not item:
            slot[item.place] = last
            last.place = item.place
        item.tick = -1
        self.count -= 1

    def next_due(self, now: int) -> Timed | None:
        """Take out an item whose deadline is not after `now`; None when there is no more."""
        limit = now >> _SHIFT
        if limit < self._next:
            return None
        while self._cursor <= limit:
            if self.count == 0:
                self._cursor = limit + 1
                break
            slot = self._slots[self._cursor & _LAST]
            while slot:
                item = slot.pop()
                item.tick = -1
                self.count -= 1
                if item.due_us <= now:
                    return item
                if item.due_us < _NEVER:
                    self._link(item, (item.due_us >> _SHIFT) + 1)
            self._cursor += 1
        self._find_next()
        return None

    def deadline(self) -> int:
        """When `next_due` shall be called, or -1. May be early, never late by more than a tick."""
        if self.count == 0:
            return -1
        return self._next << _SHIFT

    def _link(self, item: Timed, tick: int) -> None:
        if tick <= self._cursor:
            tick = self._cursor + 1
        elif tick > self._cursor + _LAST:
            tick = self._cursor + _LAST
        slot = self._slots[tick & _LAST]
        item.tick = tick
        item.place = len(slot)
        slot.append(item)
        self.count += 1
        if tick < self._next:
            self._next = tick

    def _find_next(self) -> None:
        self._next = _NEVER
        if self.count:
            for tick in range(self._cursor, self._cursor + _SLOTS):
                if self._slots[tick & _LAST]:
                    self._next = tick
                    return
