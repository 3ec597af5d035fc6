"""What the parts of a replica's TCP share: limits, connections, listeners, applications, the list of those to send.

Private to one replica and one thread, so there is no lock anywhere (paper section 3.1). The parts (arrival, transmit,
loss, opening, ending, calls) are functions over this and one Tcb. Knows which connections there are, not what they do.
"""

from __future__ import annotations

from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.output import IpOutput, Path
from neatctl.core.local_end import LocalEnds
from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.counters import TcpCounters
from neatctl.core.tcp.isn import Secrets
from neatctl.core.tcp.options import OptionSets
from neatctl.core.tcp.path_mtu import PathMtus
from neatctl.core.tcp.send_buffer import BufferPool
from neatctl.core.tcp.tcb import Flow, Tcb
from neatctl.core.tcp.time_wait import TimeWaits
from neatctl.core.tcp.wheel import NEVER, Wheel

_NEVER = NEVER
_SLOT_BITS = 17
_WHOLE_HANDSHAKES = 64
_SLOT_MASK = (1 << _SLOT_BITS) - 1
_ID_MASK = 0xFFFFFFFF
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_TCP_HEADER = 20
_KEY_IPV4 = 12


class Tables:
    """The shared part of one TcpLayer."""

    def __init__(self, config: ReplicaConfig, output: IpOutput) -> None:
        self.output = output
        self.counters = TcpCounters()
        self.secrets = Secrets(config.isn_key)
        self.timestamp_offset = self.secrets.timestamp_offset
        self._mss = config.mtu - _IPV4_HEADER - _TCP_HEADER
        self.gso_octets = config.gso_octets
        self.ecn = config.ecn
        """Active opens ask for ECN; who asks us always gets it, as with Linux."""
        self.receive_octets = config.receive_buffer_octets
        self.receive_most_octets = config.receive_buffer_most_octets
        self.send_most_octets = config.send_buffer_most_octets
        self.grown_most_octets = config.growth_octets
        self.grown_octets = 0
        """How much the buffers of all connections are larger than they began (calls.py, telling.py)."""
        self.send_octets = config.send_buffer_octets
        self.max_connections = min(config.max_connections, _SLOT_MASK)
        self.option_sets = OptionSets()
        self.path_mtus = PathMtus()
        self.cookies_until_us = -1
        """Until when the ACK of a cookie is believed; -1 before the first segment for no connection."""
        self.whole_handshakes = _WHOLE_HANDSHAKES
        """So many handshakes of a listener each keep a Tcb, since that is faster; more are folded (opening.py)."""
        self.kept = 0
        """What out-of-order octets of all connections take (reassembly.py)."""
        self.index = config.index
        self.birth = config.generation.to_bytes(4, "big")
        """Begins the ports of this incarnation elsewhere than those of the last, whose connections peers still have."""
        self.next_port = 0
        """Counts active opens (RFC 6056 section 3.3.3)."""

        self.flows: dict[bytes, Flow] = {}
        self.waits = TimeWaits(self.flows, self.counters, config.time_wait_us)
        self.live = 0
        """Connections in `flows` that are not in TIME-WAIT."""
        self.pool = BufferPool()
        self.wheel = Wheel()
        self.applications: dict[int, Application] = {}
        self.listeners: dict[int, Listener] = {}
        self.local_ends = LocalEnds(self.secrets)
        """The listeners by port."""
        self.pending = 0
        """Connections that were touched and have not been asked to send since."""
        self._touched: list[Tcb | None] = []
        """The first `pending` places, in the order of their touch; it never shrinks."""
        self.blocked = False
        """The NIC queue had no room in this transmit."""
        self._slots: list[Tcb | None] = [None]
        self._ids: list[int] = []

    def path(self, key: bytes, now: int) -> Path:
        """The way back to where a segment with this key came from."""
        if len(key) == _KEY_IPV4:
            return self.output.path(key[4:8], key[0:4], now)
        return self.output.path(key[16:32], key[0:16], now)

    def mss_for(self, key: bytes) -> int:
        """The largest segment that the link takes, options included: what we announce as MSS."""
        if len(key) == _KEY_IPV4:
            return self._mss
        discovery = self.output.discovery
        assert discovery is not None, "an IPv6 connection without IPv6"
        mtu: int = discovery.mtu
        return mtu - _IPV6_HEADER - _TCP_HEADER

    def scale_for(self, receive_octets: int) -> int:
        """The window scale that a receive buffer needs, as large as it may grow (RFC 7323 section 2.3)."""
        receive_octets = max(receive_octets, self.receive_most_octets)
        scale = 0
        while receive_octets >> scale > 0xFFFF:
            scale += 1
        return scale

    def listener_for(self, key: bytes) -> Listener | None:
        """The listener that a SYN with this key is for; the same for the ACK of a cookie."""
        return self.local_ends.find(key)  # type: ignore[return-value]

    def enter(self, tcb: Tcb) -> None:
        """A connection begins to exist."""
        self.flows[tcb.key] = tcb
        self.live += 1

    def leave(self, tcb: Tcb) -> None:
        """A connection ceases to exist; its key is free."""
        if self.flows.get(tcb.key) is tcb:
            del self.flows[tcb.key]
            self.live -= 1
        self.wheel.remove(tcb)
        tcb.buffer.clear()
        if tcb.reassembly is not None:
            self.kept -= tcb.reassembly.cost
            tcb.reassembly = None
        tcb.flight = None
        self.grown_octets -= tcb.grown_octets
        tcb.grown_octets = 0
        self.free_id(tcb)

    def number(self, tcb: Tcb) -> None:
        """Give a connection its id. A slot's next connection gets another one, so late records find nothing."""
        if self._ids:
            tcb.id = self._ids.pop()
        else:
            tcb.id = len(self._slots)
            self._slots.append(None)
        self._slots[tcb.id & _SLOT_MASK] = tcb

    def free_id(self, tcb: Tcb) -> None:
        """Records with this id are late from now on. The id stays in the Tcb for what is still to be told."""
        slot = tcb.id & _SLOT_MASK
        if tcb.id and self._slots[slot] is tcb:
            self._slots[slot] = None
            self._ids.append((tcb.id + _SLOT_MASK + 1) & _ID_MASK)

    def with_id(self, id: int) -> Tcb | None:
        """The connection with this id, if there is one still."""
        slot = id & _SLOT_MASK
        if slot >= len(self._slots):
            return None
        tcb = self._slots[slot]
        if tcb is None or tcb.id != id:
            return None
        return tcb

    def numbered(self) -> list[Tcb]:
        """All connections that have an id."""
        return [tcb for tcb in self._slots if tcb is not None]

    def touch(self, tcb: Tcb) -> None:
        """A connection may have something to send."""
        if not tcb.dirty:
            tcb.dirty = True
            if self.pending == len(self._touched):
                self._touched.append(tcb)
            else:
                self._touched[self.pending] = tcb
            self.pending += 1

    def touched(self, place: int) -> Tcb:
        """The connection in this place of those that are pending; it may be touched again."""
        tcb: Tcb = self._touched[place]  # type: ignore[assignment]
        tcb.dirty = False
        return tcb

    def forget_touched(self, count: int) -> None:
        """The first `count` of those that are pending were asked to send."""
        places = self._touched
        self.pending -= count
        for place in range(self.pending):
            places[place] = places[place + count]
        for place in range(self.pending, self.pending + count):
            places[place] = None

    def arm(self, tcb: Tcb, now: int) -> None:
        """Time the earliest of a connection's deadlines."""
        due = tcb.rtx_us
        due = min(due, tcb.rack_us)
        due = min(due, tcb.ack_us)
        due = min(due, tcb.slow_us)
        if due < _NEVER:
            self.wheel.arm(tcb, due, now)
        else:
            tcb.due_us = due

    def timestamp(self, now: int) -> int:
        """TSval at `now`: milliseconds from a secret start."""
        return self.timestamp_offset + now // 1000
