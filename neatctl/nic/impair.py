"""Impairment: a bad link between driver and device, seeded: loses, delays, reorders, repeats, damages frames.

A device around the device, there only while something is asked for. What is lost depends on the seed and on how many
frames went that way before, and on nothing else; so does every other decision. The generators are Marsaglia's xorshift
of 32 bits. A damaged frame asks for no offload any more: whoever gets it verifies its checksum. Knows no clock.
"""

from __future__ import annotations

from neatctl.core.channel.records import VNET_OCTETS
from neatctl.core.control.impairment import OneWay, parse_impairment
from neatctl.core.native import Memory
from neatctl.nic.checksums import complete
from neatctl.nic.counters import (
    DROP_IMPAIR_FULL_IN,
    DROP_IMPAIRED_IN,
    DROP_TX_REFUSED,
    IMPAIR_CORRUPTED_IN,
    IMPAIR_DELAYED_IN,
    IMPAIR_DUPLICATED_IN,
    IMPAIR_REORDERED_IN,
    Counters,
)
from neatctl.nic.delay_queue import DelayQueue
from neatctl.nic.devices.face import REFUSED, WOULD_BLOCK, Device

MASK32 = 0xFFFFFFFF
OVERTAKEN_BY = 8
"""Without a delay a reordered frame is overtaken by 1 to so many others."""
HELD_US = 5_000
"""How long it waits for them at most."""

_IN, _OUT = 0, 1
_VNET = VNET_OCTETS
_DAMAGED_FROM = VNET_OCTETS + 14
_MOST_RECORD = 1 << 17
_READ_BURST = 64
_WRITE_BURST = 256
_RETRY_US = 1_000
_BIT_NS = 8_000_000_000
_OVERTAKEN_BY, _HELD_US = OVERTAKEN_BY, HELD_US
# A held frame's record: its slot, how many must pass it yet, and when it goes all the same; all 64 bits.
_HELD_MOST = 16
_LEFT, _UNTIL, _HELD_OCTETS = 8, 16, 24


class Impairment:
    """What is asked for, both ways, and the seed. `text` as in `parse_impairment`."""

    def __init__(self, text: str = "", seed: int = 0) -> None:
        self.ways: tuple[OneWay, OneWay] = parse_impairment(text)
        self.seed = seed
        self.active = not (self.ways[0].nothing and self.ways[1].nothing)


class Chance:
    """Decisions of one kind and direction. `share` is from 0 to 1."""

    def __init__(self, seed: int, way: int, kind: int, share: float) -> None:
        self._limit = round(share * MASK32)
        # Consecutive seeds must not give related streams: the multiplier of Knuth's hash parts them.
        self._state = (2 * seed + 1 + way) * 0x9E3779B1 + kind * 0x85EBCA6B & MASK32 or 1
        for _ in range(8):
            self._advance()

    def happens(self) -> bool:
        """Whether it does this time."""
        if self._limit == 0:
            return False
        self._advance()
        return self._state <= self._limit

    def below(self, bound: int) -> int:
        """A number from 0 to less than this one (at most 2**31)."""
        self._advance()
        return self._state * bound >> 32

    def _advance(self) -> None:
        value = self._state
        value ^= value << 13 & MASK32
        value ^= value >> 17
        self._state = value ^ (value << 5 & MASK32)


class Way:
    """One direction: what becomes of each frame, and those that wait. `queue` goes on from an earlier one."""

    def __init__(self, asked: OneWay, seed: int, way: int, counters: Counters, queue: DelayQueue) -> None:
        self.queue = queue
        self._counters = counters
        self._way = way
        self._loss = Chance(seed, way, 0, asked.loss)
        self._begins = Chance(seed, way, 1, asked.burst[0])
        self._ends = Chance(seed, way, 2, asked.burst[1])
        self._bursting = False
        self._duplicate = Chance(seed, way, 3, asked.duplicate)
        self._corrupt = Chance(seed, way, 4, asked.corrupt)
        self._which_bit = Chance(seed, way, 5, 0.0)
        self._reorder = Chance(seed, way, 6, asked.reorder)
        self._how_many = Chance(seed, way, 7, 0.0)
        self._shake = Chance(seed, way, 8, 0.0)
        self._delay_us = asked.delay
        self._jitter_us = asked.jitter
        self._rate = asked.rate
        self._most = asked.limit
        self._line_free_ns = 0
        """When the line of the given rate has sent all that it was given."""
        self._held = 0
        self._holding = Memory(bytearray(_HELD_MOST * _HELD_OCTETS))

    def arrive(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """A frame of so many octets, virtio_net_hdr and all, enters the link."""
        if self._bursting:
            self._bursting = not self._ends.happens()
        else:
            self._bursting = self._begins.happens()
        if self._loss.happens() or self._bursting:
            self._count(DROP_IMPAIRED_IN)
            return
        self._enter(memory, at, octets, now)
        if self._duplicate.happens():
            self._count(IMPAIR_DUPLICATED_IN)
            self._enter(memory, at, octets, now)

    def due(self) -> int:
        """When a frame leaves next at the latest: 0 for at once, -1 if there is none."""
        due = self.queue.due()
        for i in range(self._held):
            until = self._holding.load64(i * _HELD_OCTETS + _UNTIL)
            if due < 0 or until < due:
                due = until
        return due

    def release(self, now: int, patience_us: int) -> None:
        """Let those go that would wait for others for no longer than this."""
        self._let_go(now + patience_us, 0, now)

    def _enter(self, memory: Memory, at: int, octets: int, now: int) -> None:
        queue = self.queue
        slot = queue.put(memory, at, octets, self._most)
        if slot < 0:
            self._count(DROP_IMPAIR_FULL_IN)
            return
        if self._corrupt.happens() and octets > _DAMAGED_FROM:
            self._damage(queue.memory, queue.place(slot), octets)
        if self._reorder.happens():
            if self._delay_us:
                self._count(IMPAIR_REORDERED_IN)
                queue.hasten(slot)
                return
            if self._held < _HELD_MOST:
                self._count(IMPAIR_REORDERED_IN)
                self._hold(slot, now)
                return
        due = now + self._delay_us
        if self._rate:
            if self._line_free_ns < now * 1000:
                self._line_free_ns = now * 1000
            self._line_free_ns += (octets - _VNET) * _BIT_NS // self._rate
            due = self._line_free_ns // 1000 + self._delay_us
        if self._jitter_us:
            due += self._shake.below(2 * self._jitter_us + 1) - self._jitter_us
        if due > now:
            self._count(IMPAIR_DELAYED_IN)
        queue.schedule(slot, due)
        if self._held:
            self._let_go(now, 1, due)

    def _damage(self, memory: Memory, at: int, octets: int) -> None:
        """Turn one bit behind the Ethernet header; no offload may hide it."""
        complete(memory, at, memory, at + _VNET, octets - _VNET)
        memory.fill(at, _VNET, 0)
        bit = self._which_bit.below((octets - _DAMAGED_FROM) * 8)
        place = at + _DAMAGED_FROM + (bit >> 3)
        memory.put8(place, memory.get8(place) ^ (1 << (bit & 7)))
        self._count(IMPAIR_CORRUPTED_IN)

    def _hold(self, slot: int, now: int) -> None:
        record = self._held * _HELD_OCTETS
        self._holding.store64(record, slot)
        self._holding.store64(record + _LEFT, 1 + self._how_many.below(_OVERTAKEN_BY))
        self._holding.store64(record + _UNTIL, now + _HELD_US)
        self._held += 1

    def _let_go(self, now: int, passed: int, due: int) -> None:
        """So many frames passed those held: schedule who was overtaken, or waited long enough, for `due`."""
        kept = 0
        holding = self._holding
        for i in range(self._held):
            record = i * _HELD_OCTETS
            left = holding.load64(record + _LEFT) - passed
            if left <= 0 or holding.load64(record + _UNTIL) <= now:
                self.queue.schedule(holding.load64(record), due)
                continue
            holding.copy(kept * _HELD_OCTETS, holding, record, _HELD_OCTETS)
            holding.store64(kept * _HELD_OCTETS + _LEFT, left)
            kept += 1
        self._held = kept

    def _count(self, counter: int) -> None:
        self._counters.add(counter + self._way, 1)


class ImpairedDevice(Device):
    """A device behind a bad link. `carry` opens each turn of the driver; frames move then, and in reads and writes."""

    def __init__(self, device: Device, counters: Counters) -> None:
        self.device = device
        self.over = False
        """Nothing is asked for any more, and all frames have left."""
        # What is lost or damaged is then one packet, as on a wire.
        device.set_segmentation(False)
        self._counters = counters
        self._asked = False
        self._staging = Memory(bytearray(_MOST_RECORD))
        self._in = Way(OneWay(), 0, _IN, counters, DelayQueue())
        self._out = Way(OneWay(), 0, _OUT, counters, DelayQueue())
        self._now = 0
        self._to_read = self._to_write = self._moved = 0
        self._blocked = False
        self._retry_at = 0

    def become(self, impairment: Impairment) -> None:
        """Do this from now on; frames on their way keep their times."""
        inward, outward = impairment.ways
        for way in (self._in, self._out):
            way.release(self._now, _HELD_US)
        self._in = Way(inward, impairment.seed, _IN, self._counters, self._in.queue)
        self._out = Way(outward, impairment.seed, _OUT, self._counters, self._out.queue)
        self._asked = impairment.active
        self.over = False

    def carry(self, now: int) -> int:
        """A turn begins: how many frames moved since the last one."""
        self._now = now
        self._to_read = _READ_BURST
        self._to_write = _WRITE_BURST
        self._in.release(now, 0)
        self._out.release(now, 0)
        self._write_due()
        moved = self._moved
        self._moved = 0
        if not self._asked and not self.over and self._in.queue.count == 0 and self._out.queue.count == 0:
            self.device.set_segmentation(True)
            self.over = True
        return moved

    def read(self, memory: Memory, at: int) -> int:
        queue = self._in.queue
        while True:
            slot = queue.peek(self._now)
            if slot >= 0:
                octets = queue.octets(slot)
                memory.copy(at, queue.memory, queue.place(slot), octets)
                queue.take()
                return octets
            if self._to_read == 0:
                return WOULD_BLOCK
            octets = self.device.read(self._staging, 0)
            if octets < 0:
                return octets
            self._to_read -= 1
            self._moved += 1
            self._in.arrive(self._staging, 0, octets, self._now)

    def write(self, memory: Memory, at: int, octets: int) -> int:
        """Give a frame to the link; WOULD_BLOCK while the device has no room for what left it."""
        if self._blocked:
            return WOULD_BLOCK
        self._out.arrive(memory, at, octets, self._now)
        self._write_due()
        return octets

    def deadline(self) -> int:
        """When `carry` must be called at the latest, or -1."""
        due = self._in.due()
        leaving = self._retry_at if self._blocked else self._out.due()
        return leaving if due < 0 or 0 <= leaving < due else due

    def fileno(self) -> int:
        return self.device.fileno()

    def close(self) -> None:
        self.device.close()

    def _write_due(self) -> None:
        """Write the frames whose time has come, so many a turn."""
        queue = self._out.queue
        self._blocked = False
        while self._to_write:
            slot = queue.peek(self._now)
            if slot < 0:
                return
            written = self.device.write(queue.memory, queue.place(slot), queue.octets(slot))
            if written == WOULD_BLOCK:
                self._blocked = True
                self._retry_at = self._now + _RETRY_US
                return
            if written == REFUSED:
                self._counters.add(DROP_TX_REFUSED, 1)
            queue.take()
            self._to_write -= 1
            self._moved += 1
