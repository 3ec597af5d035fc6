"""Mirrors of what goes through the driver: copies of frames for whoever asked, with replica, direction and time.

A mirror is a ring whose reader is a client of the testbed, outside of the packet path, and is trusted least of all: a
full ring loses copies (`mirror_full`), a bad one is closed, and no frame waits for either. The reader looks by
itself, nobody is woken. A record (the time in nanoseconds since 1970, in host order):

    0 time (64)   8 replica (16)   10 direction   14 virtio_net_hdr (10 octets)   24 frame
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import MAX_FRAME, VNET_OCTETS
from neatctl.core.channel.ring import RingProducer
from neatctl.core.control.messages import Mirror
from neatctl.core.native import Memory
from neatctl.nic.clock import wall_ns
from neatctl.nic.counters import MIRROR_FULL, Counters

TIME_AT = 0
REPLICA_AT = 8
DIRECTION_AT = 10
MIRRORED_VNET_AT = 14
MIRRORED_FRAME_AT = 24

SENT = 1
"""A replica sent it, and it was written to the device."""
RECEIVED = 2
"""It was read from the device. The replica is the one that it was steered to: EVERY for all, NOBODY for none."""
NOBODY = 0
EVERY = 0xFFFF
WHICH = {"sent": SENT, "received": RECEIVED, "both": SENT | RECEIVED}

_MOST = MIRRORED_FRAME_AT + MAX_FRAME
_VNET = VNET_OCTETS
_VNET_AT = MIRRORED_VNET_AT
_FRAME_AT = MIRRORED_FRAME_AT
_REPLICA_AT = REPLICA_AT
_DIRECTION_AT = DIRECTION_AT


class OpenMirror:
    """One mirror and its ring's sending end."""

    def __init__(self, mirror: Mirror, producer: RingProducer) -> None:
        self.mirror = mirror
        self.which = WHICH[mirror.which]
        self.producer = producer


class Mirrors:
    """All mirrors of a driver. `open_ring` opens the sending end of one (OSError, PeerFault), `ended` is told the path
    and why when one was given up."""

    def __init__(
        self,
        counters: Counters,
        open_ring: Callable[[Mirror], RingProducer],
        ended: Callable[[str, str], None],
    ) -> None:
        self.which = 0
        """What anybody wants to see: 0, SENT, RECEIVED or both."""
        self._counters = counters
        self._open_ring = open_ring
        self._ended = ended
        self._open: list[OpenMirror] = []
        self._given_up: set[str] = set()

    def set(self, wanted: Sequence[Mirror]) -> None:
        """Have these mirrors: open what is new, close what is not there any more."""
        paths = {mirror.path for mirror in wanted}
        for held in [held for held in self._open if held.mirror not in wanted]:
            held.producer.close()
            self._open.remove(held)
        self._given_up &= paths
        there = {held.mirror.path for held in self._open} | self._given_up
        for mirror in wanted:
            if mirror.path in there:
                continue
            try:
                opened = self._open_ring(mirror)
                if opened.longest() < _MOST:
                    opened.close()
                    raise PeerFault("length", f"a ring for records of {opened.longest()} octets")
                self._open.append(OpenMirror(mirror, opened))
            except (OSError, PeerFault) as error:
                self._give_up(mirror, str(error))
        self._look()

    def copy(self, memory: Memory, at: int, octets: int, replica: int, direction: int) -> None:
        """Copy a frame of so many octets, whose virtio_net_hdr is at `at` and which follows it."""
        faulted: OpenMirror | None = None
        for held in self._open:
            if not held.which & direction:
                continue
            try:
                self._put(held.producer, memory, at, octets, replica, direction)
            except PeerFault as fault:
                self._give_up(held.mirror, str(fault))
                faulted = held
        if faulted is not None:
            faulted.producer.close()
            self._open.remove(faulted)
            self._look()

    def _put(self, producer: RingProducer, memory: Memory, at: int, octets: int, replica: int, direction: int) -> None:
        place = producer.reserve(octets + _FRAME_AT)
        if place < 0:
            self._counters.add(MIRROR_FULL, 1)
            return
        record = producer.memory
        record.store64(place, wall_ns())
        record.put16(place + _REPLICA_AT, replica)
        record.put32(place + _DIRECTION_AT, direction << 24)
        record.copy(place + _VNET_AT, memory, at, octets + _VNET)
        producer.commit(octets + _FRAME_AT)

    def flush(self) -> None:
        """Show the readers what was copied in this turn."""
        for held in self._open:
            held.producer.flush()

    def close(self) -> None:
        """Let all rings go."""
        for held in self._open:
            held.producer.close()
        self._open = []
        self._look()

    def _give_up(self, mirror: Mirror, why: str) -> None:
        self._given_up.add(mirror.path)
        self._ended(mirror.path, why)

    def _look(self) -> None:
        self.which = 0
        for held in self._open:
            self.which |= held.which
