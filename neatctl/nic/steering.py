"""Which replica gets a frame (paper section 4): the tracked flow's, else one of those that accept new flows, by RSS.

    tracked flow -> exact filter -> RSS over the open queues

A tracked flow stays with its replica whatever happens to the others; a flow begins at a SYN, in or out.
Every frame goes to one replica, to all (ALL), or is dropped under one counter. Pure: frames and the time go
in, replica numbers come out. Knows states of queues, not queues; who opens and closes them is the driver.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.counters import (
    DROP_FRAGMENT,
    DROP_NO_QUEUE,
    DROP_QUEUE_CLOSED,
    FILTERED,
    FLOW_CONFLICT,
    FLOW_MOVED,
    FLOW_UNKNOWN,
    FLOWS_FULL,
    FLOWS_NEW,
    FLOWS_TOLD_BY_REPLICA,
    Counters,
)
from neatctl.nic.filters import Filters
from neatctl.nic.flow_key import ACK_FLAG, LATER_FRAGMENT, REPLY, REQUEST, RST_FLAG, SYN_FLAG, TCP, FlowKey
from neatctl.nic.flow_key import BROADCAST as BROADCAST_SORT
from neatctl.nic.fragments import Fragments
from neatctl.nic.rss import Rss
from neatctl.nic.tracking import ESTABLISHED, GONE, MAX_REPLICA, NEW, TCP4, TCP6, Tracking

ALL = -1
"""Steered to every replica."""
DROPPED = 0

# States of a queue.
ABSENT = 0
OPEN = 1
"""Takes new flows."""
DRAINING = 2
"""Takes tracked flows only."""
CLOSED = 3
"""Takes nothing: its replica is dead or not yet ready."""

_ABSENT, _OPEN, _DRAINING, _CLOSED = range(4)
_ALL = ALL
_TCP_PROTOCOL, _UDP_PROTOCOL = 6, 17
_FLAGS_OF_A_START = SYN_FLAG | ACK_FLAG | RST_FLAG


class Steering:
    """Decides for one NIC. `hash` is the RSS hash of the frame steered last, 0 for ARP and fragments without ports."""

    def __init__(self, rss: Rss, tracking: Tracking, counters: Counters, mac: bytes = b"") -> None:
        self.rss = rss
        self.tracking = tracking
        self.counters = counters
        self.hash = 0
        self._key = FlowKey(mac)
        self._out_key = FlowKey()
        self._fragments = Fragments()
        self._states = Memory(bytearray(MAX_REPLICA + 1))
        self._first = 0
        self.expires_late = False
        """Nobody forgets flows in time: each is looked at when a segment asks for it."""
        self._tracks = True
        self._filters: Filters | None = None

    # ---- what software sets ----
    def set_filters(self, filters: Filters | None) -> None:
        """Ask these exact filters about new flows; None for none."""
        self._filters = filters

    def stop_tracking(self) -> None:
        """Every segment goes where filters and RSS say, as on a NIC that tracks nothing (for comparisons)."""
        self._tracks = False

    # ---- queues ----
    def set_states(self, states: dict[int, int], now: int) -> None:
        """These replicas have queues in these states; all others have none. Flows of replicas that went are dead."""
        if not all(0 < replica <= MAX_REPLICA for replica in states):
            raise ValueError(f"replicas are numbered from 1 to {MAX_REPLICA}, not {sorted(states)}")
        for replica in range(1, MAX_REPLICA + 1):
            if self._states.get8(replica) != ABSENT and replica not in states:
                self.tracking.reborn(replica, now)
            self._states.put8(replica, states.get(replica, ABSENT))
        accepting = sorted(replica for replica, state in states.items() if state == OPEN)
        self.rss.spread(accepting)
        draining = sorted(replica for replica, state in states.items() if state == DRAINING)
        self._first = (accepting or draining or [0])[0]

    def state(self, replica: int) -> int:
        """The state of this replica's queue."""
        return self._states.get8(replica)

    # ---- frames from the device ----
    def inbound(self, memory: Memory, at: int, octets: int, now: int) -> int:
        """Steer an Ethernet frame: the replica's number, ALL, or DROPPED (counted)."""
        key = self._key
        self.hash = 0
        reason = key.parse(memory, at, octets)
        if reason:
            self.counters.add(reason, 1)
            return 0
        sort = key.sort
        if sort == TCP and self._tracks:
            self.hash = self.rss.hash(key.memory, 0, key.octets)
            replica = self._tcp(key, self.hash, now)
        elif sort == REPLY:
            return _ALL
        elif sort in (REQUEST, BROADCAST_SORT):
            replica = self._first
        elif sort == LATER_FRAGMENT:
            return self._later_fragment(key, now)
        else:
            self.hash = self.rss.hash(key.memory, 0, key.octets)
            replica = self._new_flow(key, self.hash)
        if replica <= 0:
            self.counters.add(DROP_QUEUE_CLOSED if replica else DROP_NO_QUEUE, 1)
            return 0
        if key.first_fragment:
            self._first_fragment(key, replica, now)
        return replica

    def _new_flow(self, key: FlowKey, hashed: int) -> int:
        """The replica for what belongs to no tracked flow, 0 if none accepts it."""
        replica = self._by_filter(key, hashed)
        if replica:
            self.counters.add(FILTERED, 1)
            return replica
        return self.rss.replica(hashed)

    def _by_filter(self, key: FlowKey, hashed: int) -> int:
        """The replica that an exact filter names, or 0; one for a replica that takes no new flows is passed over."""
        if self._filters is None:
            return 0
        replica = self._filters.replica(key.memory, key.octets, key.protocol, hashed)
        return replica if self._states.get8(replica) == _OPEN else 0

    def _tcp(self, key: FlowKey, hashed: int, now: int) -> int:
        """The replica for a TCP segment or an ICMP error about one; 0 if there is none, -1 if its queue is closed."""
        tracking = self.tracking
        kind = TCP6 if key.octets == 36 else TCP4
        starts = key.flags & _FLAGS_OF_A_START == SYN_FLAG
        slot = self._find(key, kind, hashed, now)
        if slot >= 0:
            replica = tracking.replica(slot)
            state = self._states.get8(replica)
            if starts and self._over(slot, state, now):
                replica = self._new_flow(key, hashed)
                if replica:
                    self.counters.add(FLOW_MOVED, 1)
                    tracking.begin(slot, replica, NEW, now)
                return replica
            if state in (_OPEN, _DRAINING):
                if not key.quoted:
                    tracking.arrived(slot, key.flags, now)
                return replica
            if state == _CLOSED:
                return -1
            tracking.remove(slot)
        replica = self._new_flow(key, hashed)
        if replica == 0:
            return 0
        if starts:
            self._track(key.memory, kind, hashed, replica, NEW, now)
        elif not key.quoted:
            self.counters.add(FLOW_UNKNOWN, 1)
        return replica

    def _find(self, key: FlowKey, kind: int, hashed: int, now: int) -> int:
        """The slot of this key's flow, or -1."""
        if self.expires_late:
            return self.tracking.find_live(key.memory, kind, hashed, now)
        return self.tracking.find(key.memory, kind, hashed)

    def _over(self, slot: int, state: int, now: int) -> bool:
        """Whether a SYN for this tracked flow begins a new one. One for a flow that lives, even half closed, does not:
        its replica answers it with a challenge ACK (RFC 5961 section 4)."""
        if state not in (_OPEN, _DRAINING):
            return True
        flow_state = self.tracking.state(slot)
        if flow_state == NEW and state == _DRAINING:
            return True
        return flow_state == GONE or self.tracking.orphaned(slot, now)

    def _track(self, key: Memory, kind: int, hashed: int, replica: int, state: int, now: int) -> bool:
        """Track a new flow; False when the table is full."""
        tracked = self.tracking.insert(key, kind, hashed, replica, state, now) >= 0
        self.counters.add(FLOWS_NEW if tracked else FLOWS_FULL, 1)
        return tracked

    def _addresses(self, key: FlowKey) -> int:
        """How many octets of the key are addresses."""
        return 32 if key.octets >= 32 else 8

    def _first_fragment(self, key: FlowKey, replica: int, now: int) -> None:
        addresses = self._addresses(key)
        self._fragments.remember(key, addresses, self.rss.hash(key.memory, 0, addresses), replica, now)

    def _later_fragment(self, key: FlowKey, now: int) -> int:
        hashed = self.rss.hash(key.memory, 0, key.octets)
        replica = self._fragments.find(key, hashed, now)
        if replica == 0 and key.protocol not in (_TCP_PROTOCOL, _UDP_PROTOCOL):
            # Its first fragment, still to come, will be steered by the addresses too.
            replica = self._new_flow(key, hashed)
        if replica == 0:
            self.counters.add(DROP_FRAGMENT, 1)
            return 0
        state = self._states.get8(replica)
        if state not in (_OPEN, _DRAINING):
            self.counters.add(DROP_QUEUE_CLOSED, 1)
            return 0
        return replica

    # ---- frames and records from replicas ----
    def outbound(self, memory: Memory, at: int, octets: int, replica: int, now: int) -> bool:
        """Take note of a frame that this replica sends: SYN begins a flow, FIN and RST end it. False if it must not
        leave: a SYN whose answer this replica would not get, since the flow is another's, or cannot be tracked."""
        key = self._out_key
        if not key.parse_outbound(memory, at, octets) or not self._tracks:
            return True
        hashed = self.rss.hash(key.memory, 0, key.octets)
        kind = TCP6 if key.octets == 36 else TCP4
        slot = self._find(key, kind, hashed, now)
        starts = key.flags & SYN_FLAG and not key.flags & RST_FLAG
        if slot < 0:
            if starts and not self._track(key.memory, kind, hashed, replica, NEW, now):
                return bool(key.flags & ACK_FLAG) or self.rss.replica(hashed) == replica
        elif starts and not key.flags & ACK_FLAG and self._may_take(slot, replica):
            self.tracking.begin(slot, replica, NEW, now)
        elif self.tracking.replica(slot) == replica:
            self.tracking.left(slot, key.flags, now)
        elif starts:
            self.counters.add(FLOW_CONFLICT, 1)
            return bool(key.flags & ACK_FLAG)
        return True

    def _may_take(self, slot: int, replica: int) -> bool:
        """Whether this flow is over or orphaned, so that a replica may begin it anew."""
        state = self._states.get8(self.tracking.replica(slot))
        return (
            self.tracking.state(slot) == GONE
            or state == _ABSENT
            or (state == _CLOSED and self.tracking.replica(slot) != replica)
        )

    def told(self, memory: Memory, at: int, octets: int, replica: int, now: int) -> bool:
        """A FLOW record's key: this replica has this live flow. False if it is no key (12 or 36 octets)."""
        if octets not in {12, 36}:
            return False
        key = self._out_key.memory
        key.copy(0, memory, at, octets)
        hashed = self.rss.hash(key, 0, octets)
        kind = TCP6 if octets == 36 else TCP4
        slot = self.tracking.find(key, kind, hashed)
        if slot >= 0 and self.tracking.replica(slot) != replica and not self._may_take(slot, replica):
            self.counters.add(FLOW_CONFLICT, 1)
            return True
        if slot >= 0:
            self.tracking.begin(slot, replica, ESTABLISHED, now)
        elif self.tracking.insert(key, kind, hashed, replica, ESTABLISHED, now) < 0:
            self.counters.add(FLOWS_FULL, 1)
        self.counters.add(FLOWS_TOLD_BY_REPLICA, 1)
        return True

    def owner(self, memory: Memory, at: int, octets: int) -> int:
        """The replica that a segment which begins or ends a flow, seen leaving, must have come from: the flow's, else
        the one that gets its answers; 0 for other frames."""
        key = self._out_key
        if not key.parse_outbound(memory, at, octets):
            return 0
        hashed = self.rss.hash(key.memory, 0, key.octets)
        slot = self.tracking.find(key.memory, TCP6 if key.octets == 36 else TCP4, hashed)
        return self.tracking.replica(slot) if slot >= 0 else self._by_filter(key, hashed) or self.rss.replica(hashed)
