"""Tracking filters (paper section 4): the flows that the NIC has seen begin, and the replica of each.

One memory of slots of 48 octets, a third more of them than flows, so a flow costs 64 octets:

    0 hash (32)   4 last seen (32)   8 replica (16)   10 state   11 kind and FINs   12 key (12 or 36 octets)

Open addressing with linear probing; what is removed lets its followers move up, so there are no tombstones
and a look-up ends at the first free slot, after 512 steps at the most. A slot is its offset, valid
until the next insert, remove or expire. Times are microseconds, kept in ticks of 1,024 of them.
Knows keys, not frames; knows replicas as numbers, not which of them live.
"""

from __future__ import annotations

import contextlib
import mmap

from neatctl.core.native import Memory
from neatctl.nic.flow_key import FIN_FLAG, RST_FLAG

# States.
FREE = 0
NEW = 1
"""A SYN was seen, and nothing after it."""
ESTABLISHED = 2
CLOSING = 3
"""One FIN was seen."""
GONE = 4
"""Both FINs or an RST were seen; kept for TIME-WAIT."""
STATE_NAMES = ("free", "new", "established", "closing", "gone")

# Kinds of keys.
TCP4 = 1
TCP6 = 2

DEFAULT_NEW_US = 130_000_000
"""Retransmissions of a SYN go on for that long on Linux."""
DEFAULT_IDLE_US = 7_440_000_000
"""2 hours 4 minutes (RFC 5382 REQ-5)."""
DEFAULT_TIME_WAIT_US = 60_000_000
MAX_REPLICA = 1023

_SLOT = 48
_SEEN_AT = 4
_REPLICA_AT = 8
_STATE_AT = 10
_KIND_AT = 11
_KEY_AT = 12
_KIND_MASK = 15
_FIN_IN = 16
_FIN_OUT = 32
_BOTH_FINS = 48
_MAX_PROBES = 512
_HUGE_PAGE = 1 << 21
_TICK = 10
_TICK_US = 1024
_MASK32 = 0xFFFFFFFF
_SPREAD = 0x9E3779B1
"""The hash is linear in the key (Toeplitz); multiplying breaks up the runs that this would make."""
_FREE, _NEW, _ESTABLISHED, _CLOSING, _GONE = range(5)
_TCP6 = TCP6


def _table(octets: int) -> mmap.mmap:
    """Zeroed memory. In huge pages where there are some: a look-up in a large table would miss the TLB each time."""
    table = mmap.mmap(-1, octets, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if octets >= _HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            table.madvise(mmap.MADV_HUGEPAGE)
    return table


class Tracking:
    """Room for `flows` flows. The three limits say how long a flow without any segment is kept: after its SYN only,
    while it lives, and when it is over."""

    def __init__(
        self,
        flows: int,
        time_wait_us: int = DEFAULT_TIME_WAIT_US,
        new_us: int = DEFAULT_NEW_US,
        idle_us: int = DEFAULT_IDLE_US,
    ) -> None:
        if flows < 1:
            raise ValueError(f"a tracking table needs room for at least 1 flow, not {flows}")
        self.room = flows
        self.count = 0
        """Flows in the table."""
        self.evicted = 0
        """Gone flows that made room for a new one before their time."""
        self.expired = 0
        self.slots = flows + (flows + 2) // 3 + 1
        self.memory = Memory(_table(self.slots * _SLOT))
        self._end = self.slots * _SLOT
        self._cursor = 0
        self._born = Memory(bytearray(8 * (MAX_REPLICA + 1)))
        self.set_limits(time_wait_us, new_us, idle_us)

    def set_limits(self, time_wait_us: int, new_us: int, idle_us: int) -> None:
        """Change how long flows are kept; holds for those in the table too."""
        self._time_wait_us = time_wait_us
        self._new_us = new_us
        self._idle_us = idle_us

    def find(self, key: Memory, kind: int, hashed: int) -> int:
        """The slot of the flow with this key (from octet 0 of `key`), or -1."""
        memory = self.memory
        octets = 36 if kind == _TCP6 else 12
        slot = ((hashed * _SPREAD & _MASK32) * self.slots >> 32) * _SLOT
        for _ in range(_MAX_PROBES):
            if (
                memory.get32h(slot) == hashed
                and memory.get8(slot + _KIND_AT) & _KIND_MASK == kind
                and memory.equal(slot + _KEY_AT, key, 0, octets)
                and memory.get8(slot + _STATE_AT) != _FREE
            ):
                return slot
            if memory.get8(slot + _STATE_AT) == _FREE:
                return -1
            slot += _SLOT
            if slot == self._end:
                slot = 0
        return -1

    def insert(self, key: Memory, kind: int, hashed: int, replica: int, state: int, now: int) -> int:
        """Track a flow that `find` did not find; its slot, or -1 when the table is full. When it is, a gone flow among
        those that the search meets makes room."""
        memory = self.memory
        full = self.count >= self.room
        slot = ((hashed * _SPREAD & _MASK32) * self.slots >> 32) * _SLOT
        for _ in range(_MAX_PROBES):
            old = memory.get8(slot + _STATE_AT)
            if old == _FREE:
                if full:
                    return -1
                self.count += 1
                break
            if full and old == _GONE:
                self.evicted += 1
                break
            slot += _SLOT
            if slot == self._end:
                slot = 0
        else:
            return -1
        memory.put32h(slot, hashed)
        memory.put8(slot + _KIND_AT, kind)
        memory.copy(slot + _KEY_AT, key, 0, 36 if kind == _TCP6 else 12)
        self.begin(slot, replica, state, now)
        return slot

    def begin(self, slot: int, replica: int, state: int, now: int) -> None:
        """Make this slot's flow a new one, of this replica."""
        memory = self.memory
        memory.put32h(slot + _SEEN_AT, now >> _TICK)
        memory.put16h(slot + _REPLICA_AT, replica)
        memory.put8(slot + _STATE_AT, state)
        memory.put8(slot + _KIND_AT, memory.get8(slot + _KIND_AT) & _KIND_MASK)

    def remove(self, slot: int) -> None:
        """Forget a flow: followers in its run move up into the hole."""
        memory = self.memory
        hole = slot
        while True:
            slot += _SLOT
            if slot == self._end:
                slot = 0
            if memory.get8(slot + _STATE_AT) == _FREE:
                break
            home = ((memory.get32h(slot) * _SPREAD & _MASK32) * self.slots >> 32) * _SLOT
            # It may not move in front of its home: hole < home <= slot, around the end of the table.
            if hole < home <= slot or slot < hole < home or home <= slot < hole:
                continue
            memory.copy(hole, memory, slot, _SLOT)
            hole = slot
        memory.put8(hole + _STATE_AT, _FREE)
        self.count -= 1

    def replica(self, slot: int) -> int:
        return self.memory.get16h(slot + _REPLICA_AT)

    def state(self, slot: int) -> int:
        return self.memory.get8(slot + _STATE_AT)

    def arrived(self, slot: int, flags: int, now: int) -> None:
        """A segment with these flags came in for the flow.

        An RST may be forged or stale, and the NIC cannot tell: a flow that it ended is live again when a segment
        follows it. The replica answers that with an RST of its own if the flow is over indeed.
        """
        memory = self.memory
        memory.put32h(slot + _SEEN_AT, now >> _TICK)
        state = memory.get8(slot + _STATE_AT)
        if flags & 7:
            self._end_segment(slot, flags, _FIN_IN)
        elif state == _NEW:
            memory.put8(slot + _STATE_AT, _ESTABLISHED)
        elif state == _GONE:
            fins = memory.get8(slot + _KIND_AT) & _BOTH_FINS
            if fins != _BOTH_FINS:
                memory.put8(slot + _STATE_AT, _CLOSING if fins else _ESTABLISHED)

    def left(self, slot: int, flags: int, now: int) -> None:
        """A segment with SYN, FIN or RST went out for the flow."""
        self.memory.put32h(slot + _SEEN_AT, now >> _TICK)
        self._end_segment(slot, flags, _FIN_OUT)

    def _end_segment(self, slot: int, flags: int, fin: int) -> None:
        memory = self.memory
        if flags & RST_FLAG:
            memory.put8(slot + _STATE_AT, _GONE)
        elif flags & FIN_FLAG:
            fins = memory.get8(slot + _KIND_AT) | fin
            memory.put8(slot + _KIND_AT, fins)
            if fins & _BOTH_FINS == _BOTH_FINS:
                memory.put8(slot + _STATE_AT, _GONE)
            elif memory.get8(slot + _STATE_AT) != _GONE:
                memory.put8(slot + _STATE_AT, _CLOSING)

    def reborn(self, replica: int, now: int) -> None:
        """All flows of this replica died with it; those that nobody asks for any more are kept for TIME-WAIT only."""
        self._born.store64(replica << 3, now >> _TICK << _TICK)

    def orphaned(self, slot: int, now: int) -> bool:
        """Whether the flow's replica was reborn since its last segment."""
        return now - self._idle(slot, now) < self._born.load64(self.memory.get16h(slot + _REPLICA_AT) << 3)

    def _idle(self, slot: int, now: int) -> int:
        """Microseconds since the last segment, within a tick."""
        return ((now >> _TICK) - self.memory.get32h(slot + _SEEN_AT) & _MASK32) << _TICK

    def expire(self, now: int, slots: int) -> int:
        """Look at the next so many slots and forget the flows whose time is over; how many were forgotten."""
        memory = self.memory
        forgotten = 0
        slot = self._cursor
        for _ in range(min(slots, self.slots)):
            state = memory.get8(slot + _STATE_AT)
            if state != _FREE and self._over(slot, state, now):
                self.remove(slot)
                forgotten += 1
                continue
            slot += _SLOT
            if slot == self._end:
                slot = 0
        self._cursor = slot
        self.expired += forgotten
        return forgotten

    def _over(self, slot: int, state: int, now: int) -> bool:
        """Whether the time of this flow is over."""
        if state == _GONE or self.orphaned(slot, now):
            limit_us = self._time_wait_us
        elif state == _NEW:
            limit_us = self._new_us
        else:
            limit_us = self._idle_us
        return self._idle(slot, now) >= limit_us + _TICK_US

    def find_live(self, key: Memory, kind: int, hashed: int, now: int) -> int:
        """As `find`, but a flow whose time is over is forgotten: for who does not call `expire` often."""
        slot = self.find(key, kind, hashed)
        if slot >= 0 and self._over(slot, self.state(slot), now):
            self.remove(slot)
            self.expired += 1
            return -1
        return slot

    def flows(self) -> list[tuple[bytes, int, str]]:
        """Key, replica and state of every flow, for people."""
        memory = self.memory
        found = []
        for slot in range(0, self._end, _SLOT):
            state = memory.get8(slot + _STATE_AT)
            if state != FREE:
                octets = 36 if memory.get8(slot + _KIND_AT) & _KIND_MASK == TCP6 else 12
                found.append((memory.bytes(slot + _KEY_AT, octets), self.replica(slot), STATE_NAMES[state]))
        return found
