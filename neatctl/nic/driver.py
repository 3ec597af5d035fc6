"""The driver of one NIC: bursts of frames from the device to the replicas' queues, and from those to the device.

A frame is read behind a descriptor, steered, and copied once into the queue of its replica; what a replica sends
is written to the device from the queue's memory. Each turn rings a replica at most once, however many frames
it gets. Nobody's queue is trusted (paper section 3.2): one that breaks the rules is closed and reported.
Knows neither clock nor files nor processes: `turn` gets the time, channels and device are given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.channel.records import (
    FLOW,
    FLOWS_TOLD,
    FRAME,
    FRAME_AT,
    GSO_NONE,
    GSO_TCPV4,
    GSO_TCPV6,
    HASH_AT,
    KIND_AT,
    MAX_FRAME,
    NEEDS_CSUM,
    NIC_AT,
    VNET_AT,
    VNET_CSUM_OFFSET_AT,
    VNET_CSUM_START_AT,
    VNET_FLAGS_AT,
    VNET_GSO_TYPE_AT,
    VNET_OCTETS,
)
from neatctl.core.channel.ring import RingProducer
from neatctl.core.control.messages import Mirror, Queue
from neatctl.core.native import Memory
from neatctl.core.process.loop import Work
from neatctl.nic.counters import (
    DROP_TX_REFUSED,
    FLOWS_EVICTED,
    FLOWS_EXPIRED,
    PEER_FAULTS,
    QUEUE_FULL,
    RX_FRAMES,
    RX_OCTETS,
    TX_FRAMES,
    TX_OCTETS,
    TX_RETRY,
    Counters,
)
from neatctl.nic.devices.face import REFUSED, WOULD_BLOCK, Device
from neatctl.nic.driver_events import Events
from neatctl.nic.impair import ImpairedDevice, Impairment
from neatctl.nic.mirror import EVERY, RECEIVED, SENT, Mirrors
from neatctl.nic.queue_pair import QueuePair
from neatctl.nic.steering import ALL, CLOSED, DRAINING, OPEN, Steering
from neatctl.nic.tracking import MAX_REPLICA

RX_BURST = 64
"""Frames read from the device in one turn."""
TX_BURST = 64
"""Records taken from each replica in one turn."""
FLOWS_WAIT_US = 200_000
"""How long the device is left unread at the start while replicas tell their flows."""

_RETRY_US = 1_000
"""How long a full device is left alone before it is tried again."""
_EXPIRE_EVERY_US = 10_000
_EXPIRE_PARTS = 500
"""The table is looked through in so many parts, one each 10 ms."""
_ETHERNET_HEADER = 14
_STATES = {"open": OPEN, "draining": DRAINING, "closed": CLOSED}
_ALL = ALL
_SENT = SENT
_RECEIVED = RECEIVED
_EVERY = EVERY
_RX_BURST = RX_BURST
_TX_BURST = TX_BURST


def _no_mirror(mirror: Mirror) -> RingProducer:
    raise FileNotFoundError(mirror.path)


class Driver(Work):
    """The work of a driver process. `open_pair` opens the channels of a queue: OSError if they are not there (tried
    again with the next `set_queues`), PeerFault if they are bad."""

    def __init__(
        self,
        device: Device,
        steering: Steering,
        open_pair: Callable[[Queue], tuple[Producer, Consumer]],
        impairment: Impairment | None = None,
        nic: int = 0,
        events: Events | None = None,
        open_mirror: Callable[[Mirror], RingProducer] = _no_mirror,
    ) -> None:
        self.device = device
        self.steering = steering
        self.counters: Counters = steering.counters
        self._impaired: ImpairedDevice | None = None
        self.impair(impairment or Impairment())
        self.reading = False
        """The device is read: the first replicas told their flows."""
        self.inject = ""
        """`exception` or `spin`: fail that way in the next turn."""
        self._open_pair = open_pair
        self._events = events or Events()
        self._mirrors = Mirrors(self.counters, open_mirror, self._events.mirror_ended)
        self._mirroring = 0
        self._staging = Memory(bytearray(FRAME_AT + MAX_FRAME))
        self._staging.put8(KIND_AT, FRAME)
        self._staging.put8(NIC_AT, nic)
        self._pairs: list[QueuePair] = []
        self._by_replica: list[QueuePair | None] = [None] * (MAX_REPLICA + 1)
        self._unopened: set[int] = set()
        self._earlier: dict[str, int] = {}
        self._current: QueuePair | None = None
        self._now = 0
        self._waiting = False
        self._read_at = -1
        self._retry_at = -1
        self._expire_at = 0
        self._expire_slots = steering.tracking.slots // _EXPIRE_PARTS + 64
        self._turn_pair = 0
        self._rx_frames = self._rx_octets = self._tx_frames = self._tx_octets = 0

    # ---- the loop ----
    def turn(self, now: int) -> int:
        self._now = now
        done = 0
        if self.inject:
            self._fail()
        if self._impaired is not None:
            done = self._carry(self._impaired, now)
        if self.reading:
            try:
                done += self._receive(now)
            except PeerFault as fault:
                self._close_faulted(self._current, fault.reason)
                done = 1
            for pair in self._pairs:
                pair.producer.flush()
        elif self._waiting:
            self._wait_for_flows(now)
        self._retry_at = -1
        if self._pairs:
            done += self._transmit(now)
        if self._rx_frames or self._tx_frames:
            self._count()
        if self._mirroring:
            self._mirrors.flush()
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY_US
            if self.steering.tracking.count:
                self.steering.tracking.expire(now, self._expire_slots)
        return done

    def _count(self) -> None:
        """What this turn read and wrote, once a turn."""
        counters = self.counters
        counters.add(RX_FRAMES, self._rx_frames)
        counters.add(RX_OCTETS, self._rx_octets)
        counters.add(TX_FRAMES, self._tx_frames)
        counters.add(TX_OCTETS, self._tx_octets)
        self._rx_frames = self._rx_octets = self._tx_frames = self._tx_octets = 0

    def arm(self) -> bool:
        idle = True
        for pair in self._pairs:
            if not pair.retrying and not pair.consumer.arm():
                idle = False
        return idle

    def disarm(self) -> None:
        for pair in self._pairs:
            pair.consumer.disarm()

    def deadline(self) -> int:
        due = self._read_at if self._waiting else self._retry_at
        carry_at = -1 if self._impaired is None else self._impaired.deadline()
        return carry_at if due < 0 or 0 <= carry_at < due else due

    def _fail(self) -> None:
        if self.inject == "spin":
            while True:
                pass
        self._events.fail(self.inject)

    # ---- from the device ----
    def _receive(self, now: int) -> int:
        """Read, steer and queue a burst; how many frames were read."""
        staging = self._staging
        steering = self.steering
        frames = 0
        while frames < _RX_BURST:
            octets = self.device.read(staging, VNET_AT)
            if octets < 0:
                break
            frames += 1
            octets = max(octets - VNET_OCTETS, 0)
            self._rx_frames += 1
            self._rx_octets += octets
            replica = steering.inbound(staging, FRAME_AT, octets, now)
            if self._mirroring:
                self._mirror(staging, VNET_AT, octets, _EVERY if replica == _ALL else replica, _RECEIVED)
            if replica == 0:
                continue
            staging.put32(HASH_AT, steering.hash)
            if replica == _ALL:
                for pair in self._pairs:
                    if pair.told and pair.wanted != CLOSED:
                        self._enqueue(pair, octets + FRAME_AT)
            else:
                self._enqueue(self._by_replica[replica], octets + FRAME_AT)
        return frames

    def _enqueue(self, pair: QueuePair | None, octets: int) -> None:
        """Copy the record in the staging memory into a replica's queue."""
        assert pair is not None
        self._current = pair
        producer = pair.producer
        at = producer.reserve(octets)
        if at < 0:
            self.counters.add(QUEUE_FULL, 1)
            return
        producer.memory.copy(at, self._staging, 0, octets)
        producer.commit(octets)
        pair.frames_to += 1

    # ---- from the replicas ----
    def _transmit(self, now: int) -> int:
        """A burst from every replica, another one first each turn; how many records."""
        pairs = self._pairs
        count = len(pairs)
        done = 0
        self._turn_pair = (self._turn_pair + 1) % count
        for i in range(count):
            pair = pairs[(self._turn_pair + i) % count]
            try:
                done += self._transmit_pair(pair, now)
            except PeerFault as fault:
                self._close_faulted(pair, fault.reason)
        return done

    def _transmit_pair(self, pair: QueuePair, now: int) -> int:
        consumer = pair.consumer
        records = 0
        while records < _TX_BURST:
            octets = consumer.peek()
            if octets < 0:
                break
            memory = consumer.memory
            at = consumer.at
            if octets < FRAME_AT:
                raise PeerFault("record", f"{octets} octets")
            kind = memory.get8(at + KIND_AT)
            if kind == FRAME:
                if not self._send(pair, memory, at, octets, now):
                    break
            else:
                self._told(pair, memory, at, octets, kind)
            records += 1
            consumer.release()
        consumer.flush()
        return records

    def _send(self, pair: QueuePair, memory: Memory, at: int, octets: int, now: int) -> bool:
        """Send a replica's frame; False if the device has no room now."""
        frame_octets = octets - FRAME_AT
        if not pair.retrying:
            self._check_frame(memory, at, frame_octets)
            if not self.steering.outbound(memory, at + FRAME_AT, frame_octets, pair.replica, now):
                return True
        written = self.device.write(memory, at + VNET_AT, frame_octets + VNET_OCTETS)
        if written == WOULD_BLOCK:
            if not pair.retrying:
                self.counters.add(TX_RETRY, 1)
            pair.retrying = True
            self._retry_at = now + _RETRY_US
            return False
        pair.retrying = False
        if written == REFUSED:
            self.counters.add(DROP_TX_REFUSED, 1)
            return True
        pair.frames_from += 1
        self._tx_frames += 1
        self._tx_octets += frame_octets
        if self._mirroring:
            self._mirror(memory, at + VNET_AT, frame_octets, pair.replica, _SENT)
        return True

    def _check_frame(self, memory: Memory, at: int, octets: int) -> None:
        """PeerFault unless length and offload request of this record make sense."""
        if octets < _ETHERNET_HEADER or octets > MAX_FRAME:
            raise PeerFault("record", f"a frame of {octets} octets")
        if memory.get8(at + VNET_FLAGS_AT) & NEEDS_CSUM:
            start = memory.get16h(at + VNET_CSUM_START_AT)
            if start + memory.get16h(at + VNET_CSUM_OFFSET_AT) + 2 > octets:
                raise PeerFault("record", "a checksum outside of its frame")
        gso = memory.get8(at + VNET_GSO_TYPE_AT)
        if gso not in (GSO_NONE, GSO_TCPV4, GSO_TCPV6):
            raise PeerFault("record", f"segmentation of type {gso}")

    def _told(self, pair: QueuePair, memory: Memory, at: int, octets: int, kind: int) -> None:
        """A replica's FLOW or FLOWS_TOLD."""
        if kind == FLOW:
            if not self.steering.told(memory, at + FRAME_AT, octets - FRAME_AT, pair.replica, self._now):
                raise PeerFault("record", f"a flow key of {octets - FRAME_AT} octets")
        elif kind == FLOWS_TOLD:
            pair.told = True
            self._apply()
            if self._waiting:
                self._wait_for_flows(self._now)
        else:
            raise PeerFault("record", f"kind {kind}")

    # ---- impairment ----
    def impair(self, impairment: Impairment) -> None:
        """Do this to frames from now on: a bad link in front of the device, as long as there is any need for one."""
        if self._impaired is None and impairment.active:
            self.device = self._impaired = ImpairedDevice(self.device, self.counters)
        if self._impaired is not None:
            self._impaired.become(impairment)

    def _carry(self, link: ImpairedDevice, now: int) -> int:
        """Open the turn of the bad link, and take it away once it is over; how many frames moved."""
        moved = link.carry(now)
        if link.over:
            self.device = link.device
            self._impaired = None
        return moved

    # ---- mirrors ----
    def set_mirrors(self, mirrors: Sequence[Mirror]) -> None:
        """Make these the mirrors that get copies of frames."""
        self._mirrors.set(mirrors)
        self._mirroring = self._mirrors.which

    def _mirror(self, memory: Memory, at: int, octets: int, replica: int, direction: int) -> None:
        if self._mirroring & direction:
            self._mirrors.copy(memory, at, octets, replica, direction)
            self._mirroring = self._mirrors.which

    # ---- queues ----
    def set_queues(self, queues: Sequence[Queue]) -> None:
        """Make these the queues: open what is new, close what is not there any more, take over states."""
        wanted = {queue.replica: queue for queue in queues}
        if any(not 0 < replica <= MAX_REPLICA for replica in wanted):
            raise ValueError(f"replicas are numbered from 1 to {MAX_REPLICA}, not {sorted(wanted)}")
        for replica, pair in enumerate(self._by_replica):
            if pair is None:
                continue
            queue = wanted.get(replica)
            if queue is None or queue.generation != pair.generation:
                self._close(pair)
        self._unopened.clear()
        for queue in wanted.values():
            held = self._by_replica[queue.replica] or self._open(queue)
            if held is not None:
                held.wanted = _STATES[queue.state]
        self._apply()
        if wanted and not self.reading and not self._waiting:
            self._waiting = True
            self._read_at = -1

    def close(self) -> None:
        """Let all channels and the device go; the loop has ended."""
        for pair in self._by_replica:
            if pair is not None:
                pair.close()
        self._pairs = []
        self._by_replica = []
        self._mirrors.close()
        self.device.close()

    def _open(self, queue: Queue) -> QueuePair | None:
        self.steering.tracking.reborn(queue.replica, self._now)
        try:
            producer, consumer = self._open_pair(queue)
        except OSError:
            # The replica may be gone again: the next Queues will say so.
            self._unopened.add(queue.replica)
            return None
        except PeerFault as fault:
            self._unopened.add(queue.replica)
            self._report(queue.replica, queue.generation, fault.reason)
            return None
        pair = QueuePair(queue.replica, queue.generation, producer, consumer)
        self._by_replica[queue.replica] = pair
        self._events.opened(consumer)
        return pair

    def _close(self, pair: QueuePair) -> None:
        self._by_replica[pair.replica] = None
        if self._current is pair:
            self._current = None
        for name, frames in pair.frames().items():
            self._earlier[name] = self._earlier.get(name, 0) + frames
        self._events.closing(pair.consumer)
        pair.close()

    def _close_faulted(self, pair: QueuePair | None, reason: str) -> None:
        """Believe nothing more of this incarnation of a replica."""
        assert pair is not None
        pair.faulted = True
        self._apply()
        self._report(pair.replica, pair.generation, reason)

    def _report(self, replica: int, generation: int, reason: str) -> None:
        self.counters.add(PEER_FAULTS, 1)
        self._events.faulted(replica, generation, reason)

    def _apply(self) -> None:
        """Put the states of all queues in force."""
        held = [pair for pair in self._by_replica if pair is not None]
        self._pairs = [pair for pair in held if not pair.faulted]
        states = {pair.replica: pair.state() for pair in held}
        states.update((replica, CLOSED) for replica in self._unopened)
        self.steering.set_states(states, self._now)

    def _wait_for_flows(self, now: int) -> None:
        """Begin to read the device once all replicas told their flows, or some had long enough."""
        if self._read_at < 0:
            self._read_at = now + FLOWS_WAIT_US
        if now >= self._read_at or (not self._unopened and all(pair.told for pair in self._pairs)):
            self._waiting = False
            self.reading = True
            self._events.reading()

    # ---- what is counted ----
    def read_counters(self) -> dict[str, int]:
        """Totals by name: those of nic/counters.py, and frames `to_replica_N` and `from_replica_N`."""
        tracking = self.steering.tracking
        self.counters.put(FLOWS_EXPIRED, tracking.expired)
        self.counters.put(FLOWS_EVICTED, tracking.evicted)
        total = self.counters.read() | self._earlier
        for pair in self._by_replica:
            if pair is not None:
                for name, frames in pair.frames().items():
                    total[name] = self._earlier.get(name, 0) + frames
        return total

    def read_gauges(self) -> dict[str, int]:
        """What is now: `flows` tracked, `queues_open` of all queues."""
        return {
            "flows": self.steering.tracking.count,
            "queues_open": sum(pair.state() == OPEN for pair in self._pairs),
        }
