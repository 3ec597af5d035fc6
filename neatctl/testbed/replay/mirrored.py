"""Reads the ring of a mirror: frames are counted by kind, completed, chosen, and put into a capture.

The frames of the stack may lack checksums and may be super-frames of up to 64 KiB (nic/devices/tap.py): a checksum is
completed as the device would have, a super-frame stays one packet. Knows the records of nic/mirror.py, and neither
supervisor nor files.
"""

from __future__ import annotations

from collections.abc import Callable

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.ring import RingConsumer
from neatctl.core.native import Memory
from neatctl.nic.checksums import complete
from neatctl.nic.frame_kind import KINDS, frame_kind
from neatctl.nic.mirror import DIRECTION_AT, EVERY, MIRRORED_FRAME_AT, MIRRORED_VNET_AT, NOBODY, REPLICA_AT, SENT
from neatctl.nic.tracking import MAX_REPLICA
from neatctl.testbed.replay.pcapng import INBOUND, OUTBOUND, PcapngWriter, packet_options

_FRAME_AT = MIRRORED_FRAME_AT
_VNET_AT = MIRRORED_VNET_AT
_REPLICA_AT = REPLICA_AT
_DIRECTION_AT = DIRECTION_AT
_SENT = SENT
_LONGEST = 1 << 17
_EVERY = EVERY
_EVERYBODY = MAX_REPLICA + 1
"""The place of what went to every replica."""
_PLACES = _EVERYBODY + 1
_KINDS = 32
"""Room for kinds, as a power of two."""


class MirrorReader:
    """What was read of a mirror: counts, and a capture if there is a `writer`.

    `choose` sees the octets of a frame and says whether it counts (a BPF expression); `replica` counts its frames and
    those for every replica alone, -1 for all; after `limit` frames no more are read, -1 for no limit.
    """

    def __init__(
        self,
        writer: PcapngWriter | None = None,
        choose: Callable[[bytes], bool] | None = None,
        replica: int = -1,
        limit: int = -1,
    ) -> None:
        self.frames = 0
        self.octets = 0
        self.passed_over = 0
        """Frames that were not chosen."""
        self.first_ns = -1
        self.last_ns = -1
        self._writer = writer
        self._choose = choose
        self._replica = replica
        self._limit = limit
        self._scratch = Memory(bytearray(_LONGEST))
        self._tally = Memory(bytearray(8 * _PLACES * 2 * _KINDS))
        self._interfaces = [-1] * _PLACES
        self._options: list[Memory | None] = [None] * (2 * _PLACES)

    def read(self, ring: RingConsumer) -> int:
        """Take what is there, until the limit or a full writer; how many records. PeerFault if the ring is bad."""
        records = 0
        while self.frames != self._limit:
            length = ring.peek()
            if length < 0:
                break
            if length < _FRAME_AT or length > _LONGEST:
                raise PeerFault("record", f"{length} octets")
            if not self._take(ring.memory, ring.at, length - _FRAME_AT):
                break
            ring.release()
            records += 1
        ring.flush()
        return records

    def full(self) -> bool:
        """The limit is reached."""
        return self.frames == self._limit

    def _take(self, memory: Memory, at: int, octets: int) -> bool:
        """One record; False when the writer has no room for it."""
        replica = memory.get16(at + _REPLICA_AT)
        if replica > MAX_REPLICA:
            replica = _EVERYBODY
        sent = memory.get8(at + _DIRECTION_AT) == _SENT
        scratch = self._scratch
        scratch.copy(0, memory, at + _FRAME_AT, octets)
        complete(memory, at + _VNET_AT, scratch, 0, octets)
        if self._replica >= 0 and replica != self._replica and replica != _EVERYBODY:
            self.passed_over += 1
            return True
        if self._choose is not None and not self._choose(scratch.bytes(0, octets)):
            self.passed_over += 1
            return True
        time_ns = memory.load64(at)
        if self._writer is not None:
            interface = self._interfaces[replica]
            if interface < 0:
                interface = self._describe(replica)
            options: Memory = self._options[2 * replica + (1 if sent else 0)]  # type: ignore[assignment]
            if not self._writer.packet(interface, time_ns, scratch, 0, octets, options):
                return False
        if self.first_ns < 0:
            self.first_ns = time_ns
        self.last_ns = time_ns
        self.frames += 1
        self.octets += octets
        place = ((2 * replica + (1 if sent else 0)) * _KINDS + frame_kind(scratch, 0, octets)) << 3
        self._tally.store64(place, self._tally.load64(place) + 1)
        return True

    def _describe(self, replica: int) -> int:
        """Make the interface and the comments of a queue."""
        writer = self._writer
        assert writer is not None
        who = "every replica" if replica == _EVERYBODY else "no replica" if replica == NOBODY else f"replica {replica}"
        received = "dropped by the NIC" if replica == NOBODY else f"for {who}"
        self._options[2 * replica] = packet_options(received, INBOUND)
        self._options[2 * replica + 1] = packet_options(f"sent by {who}", OUTBOUND)
        self._interfaces[replica] = writer.interface(who)
        return self._interfaces[replica]

    def kinds(self, sent: bool) -> dict[int, dict[str, int]]:
        """Frames by replica (0 for nobody, EVERY for all) and kind, of those that the stack sent or received."""
        found: dict[int, dict[str, int]] = {}
        for replica in range(_PLACES):
            begin = (2 * replica + (1 if sent else 0)) * _KINDS
            counted = {name: self._tally.load64(begin + kind << 3) for kind, name in enumerate(KINDS)}
            if any(counted.values()):
                number = _EVERY if replica == _EVERYBODY else replica
                found[number] = {name: count for name, count in counted.items() if count}
        return found
