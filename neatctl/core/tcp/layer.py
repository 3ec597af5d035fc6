"""The face of TCP in a replica: segments, socket records and the time go in; segments and socket records come out.

Segments and records are taken in as they come and mark connections; `transmit`, once per burst, sends for
those that were marked. The demultiplexer is one dictionary from the 12 or 36 octets of addresses and ports to the
connection. Pure: reads no clock and opens nothing; the queues that it writes to are given. RFC 9293 sections
3.9 and 3.10.
"""

from __future__ import annotations

from errno import ECONNREFUSED, EHOSTUNREACH, ENETUNREACH

from neatctl.core.channel.face import Producer
from neatctl.core.channel.socket_options import is_sound
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.output import IpOutput
from neatctl.core.local_end import parse_address
from neatctl.core.native import Memory
from neatctl.core.tcp.active_open import connect
from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.arrival import segment_arrives
from neatctl.core.tcp.calls import call
from neatctl.core.tcp.ending import abort, fail
from neatctl.core.tcp.opening import HalfOpen, arrive_closed, arrive_syn_sent, fold, unfold
from neatctl.core.tcp.path_mtu import too_big
from neatctl.core.tcp.reply import arrive_time_wait
from neatctl.core.tcp.states import CLOSED, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import Flow, Tcb
from neatctl.core.tcp.telling import tell_waiting
from neatctl.core.tcp.time_wait import TimeWait
from neatctl.core.tcp.timeout import on_deadline
from neatctl.core.tcp.transmit import send_due
from neatctl.core.wire.seq import unwrap
from neatctl.core.wire.tcp_header import BAD_FLAGS, SOUND, Segment, checksum_holds

_CLOSED, _SYN_RECEIVED, _SYN_SENT, _TIME_WAIT = CLOSED, SYN_RECEIVED, SYN_SENT, TIME_WAIT
_SOUND, _BAD_FLAGS = SOUND, BAD_FLAGS
_NO_FLOOR = -1
_HARD_CODES = (2, 3)
"""ICMP destination unreachable: protocol, port."""
_NETWORK_CODES = (0, 6, 9, 11)
"""All of a network (RFC 1122 section 3.2.2.1)."""


class TcpLayer:
    """TCP of one replica. Times are microseconds of one monotonic clock."""

    def __init__(self, config: ReplicaConfig, output: IpOutput) -> None:
        self.tables = Tables(config, output)
        self.counters = self.tables.counters
        self._segment = Segment()
        self._apps: list[Application] = []
        self._last_app: Application | None = None

    @property
    def connections(self) -> int:
        """Connections in any state but TIME-WAIT, handshakes among them."""
        return self.tables.live

    def attach(self, app: int, events: Producer) -> None:
        """An application, by its number, and its channel. ValueError if it is attached already."""
        if app in self.tables.applications:
            raise ValueError(f"application {app} is attached already")
        self.tables.applications[app] = Application(app, events)
        self._apps = list(self.tables.applications.values())

    def detach(self, app: int, now: int) -> None:
        """An application is gone: its connections are reset, its listeners dropped."""
        application = self.tables.applications.pop(app, None)
        if application is None:
            return
        self._apps = list(self.tables.applications.values())
        application.gone = True
        self._last_app = None
        application.waiting = []
        for listener in list(self.tables.listeners.values()):
            if listener.app is application:
                self.unlisten(listener.number, now)
        for tcb in self.tables.numbered():
            if tcb.app is application:
                tcb.orphan = True
                abort(self.tables, tcb, 0, now)

    def listen(
        self, listener: int, app: int, address: str, port: int, backlog: int, options: dict[int, int] | None = None
    ) -> None:
        """A subsocket: `address` is one of either family, "0.0.0.0" or "::" for any of its family, or "" for any of
        both. One that is there already takes the new backlog and options.

        `options` (channel/socket_options.py) are what its connections begin with. KeyError if the application is not
        attached.
        """
        known = self.tables.listeners.get(listener)
        if known is not None:
            known.backlog = backlog
            self._set_listener(known, options)
            return
        given, family_octets = parse_address(address)
        added = Listener(listener, self.tables.applications[app], given, port, backlog, family_octets)
        self._set_listener(added, options)
        self.tables.listeners[listener] = added
        self.tables.local_ends.enter(added)

    def _set_listener(self, listener: Listener, options: dict[int, int] | None) -> None:
        sound = {option: value for option, value in (options or {}).items() if is_sound(option, value)}
        known = listener.options = self.tables.option_sets.of(sound)
        listener.defer_us = 0 if known is None else known.defer_us

    def unlisten(self, listener: int, now: int) -> None:
        """Close a subsocket; its handshakes under way are reset. Connections that were told of stay."""
        known = self.tables.listeners.pop(listener, None)
        if known is None:
            return
        self.tables.local_ends.leave(known)
        for flow in list(self.tables.flows.values()):
            if isinstance(flow, HalfOpen) and flow.listener is known:
                abort(self.tables, unfold(self.tables, flow, now), 0, now)
            elif isinstance(flow, Tcb) and flow.listener is known and flow.state == SYN_RECEIVED:
                abort(self.tables, flow, 0, now)

    def connect(
        self,
        app: int,
        local: bytes,
        local_port: int,
        remote: bytes,
        remote_port: int,
        now: int,
        options: dict[int, int] | None = None,
    ) -> int:
        """Open a connection actively, as a CONNECT record does; its id. The application is told ACCEPTED with listener
        0, or RESET. Port 0 chooses one (RFC 6056). KeyError if the application is not attached, OSError as
        active_open.py has it."""
        tables = self.tables
        return connect(tables, tables.applications[app], local, local_port, remote, remote_port, now, options or {}).id

    def arrive(self, memory: Memory, at: int, octets: int, key: bytes, checksum_known: bool, now: int) -> None:
        """A segment of `octets` (header and payload) at `at`. `key`: source and destination address, source and
        destination port, as on the wire; `checksum_known`: it was verified, or never left this machine."""
        tables = self.tables
        counters = self.counters
        segment = self._segment
        counters.segments_in += 1
        verdict = segment.parse(memory, at, octets)
        if verdict != _SOUND:
            if verdict == _BAD_FLAGS:
                counters.drop_flags += 1
            else:
                counters.drop_length += 1
            return
        if not checksum_known and not checksum_holds(memory, at, octets, key):
            counters.drop_checksum += 1
            return
        flow: Flow | None = tables.flows.get(key)
        if flow is None:
            opened: Tcb | None = arrive_closed(tables, segment, key, _NO_FLOOR, now)
            if opened is not None:
                segment_arrives(tables, opened, segment, now)
        elif flow.state == _TIME_WAIT:
            rest: TimeWait = flow  # type: ignore[assignment]
            if arrive_time_wait(tables, rest, segment, now):
                arrive_closed(tables, segment, key, rest.snd_nxt, now)
        elif flow.state != _CLOSED:
            if flow.state <= _SYN_RECEIVED:
                self._arrive_opening(flow, segment, now)
            else:
                tcb: Tcb = flow  # type: ignore[assignment]
                segment_arrives(tables, tcb, segment, now)

    def _arrive_opening(self, flow: Flow, segment: Segment, now: int) -> None:
        """A segment for a handshake."""
        tables = self.tables
        tcb: Tcb = unfold(tables, flow, now) if isinstance(flow, HalfOpen) else flow  # type: ignore[assignment]
        if tcb.state == _SYN_SENT:
            arrive_syn_sent(tables, tcb, segment, now)
            return
        segment_arrives(tables, tcb, segment, now)
        if tcb.state == _SYN_RECEIVED:
            fold(tables, tcb, now)

    def command(self, app: int, memory: Memory, at: int, octets: int, now: int) -> None:
        """A socket record of an attached application, of `octets` at `at`. PeerFault("record") if it is malformed."""
        application = self._last_app
        if application is None or application.number != app:
            application = self.tables.applications[app]
            self._last_app = application
        call(self.tables, application, memory, at, octets, now)

    def unreachable(self, key: bytes, code: int, seq: int, now: int) -> None:
        """ICMP destination unreachable for a segment of ours that began at `seq`; `key` as a segment of the peer would
        have it. It ends no connection that exists (RFC 5927 section 6); a SYN it may refuse."""
        tcb = self._in_flight(key, seq, now)
        if tcb is None:
            return
        if tcb.state == SYN_SENT and code in _HARD_CODES:
            fail(self.tables, tcb, ECONNREFUSED)
        else:
            tcb.soft_error = ENETUNREACH if code in _NETWORK_CODES else EHOSTUNREACH

    def too_big(self, key: bytes, seq: int, mtu: int, quoted_octets: int, now: int) -> None:
        """ICMP: a datagram of `quoted_octets` was too large for a link that takes `mtu` (0: it does not say)."""
        tcb = self._in_flight(key, seq, now)
        if tcb is not None:
            too_big(self.tables, tcb, mtu, quoted_octets, now)

    def _in_flight(self, key: bytes, seq: int, now: int) -> Tcb | None:
        """The connection that has this number in flight: who cannot see our segments cannot know it (RFC 5927, 4.1)."""
        flow = self.tables.flows.get(key)
        if isinstance(flow, HalfOpen) and unwrap(seq, flow.iss) == flow.iss:
            flow = unfold(self.tables, flow, now)
        if not isinstance(flow, Tcb) or flow.state == CLOSED:
            return None
        if not flow.snd_una <= unwrap(seq, flow.snd_una) < flow.snd_nxt:
            self.counters.drop_unreachable += 1
            return None
        self.counters.unreachables += 1
        return flow

    def transmit(self, now: int) -> int:
        """Send what is due for the connections that were touched, and hand over what applications were told.

        How many segments were sent. Afterwards `pending` says how many connections the NIC queue had no room for.
        """
        tables = self.tables
        for app in self._apps:
            tell_waiting(tables, app)
            app.events.flush()
        tables.blocked = False
        sent = 0
        done = 0
        count = tables.pending
        while done < count and not tables.blocked:
            tcb = tables.touched(done)
            sent += send_due(tables, tcb, now)
            if tcb.state == _SYN_RECEIVED:
                fold(tables, tcb, now)
            done += 1
        if done:
            tables.forget_touched(done)
        return sent

    @property
    def pending(self) -> int:
        """Connections that wait for room in the NIC queue, once `transmit` has returned."""
        return self.tables.pending

    def deadline(self) -> int:
        """When `expire` must be called, or -1."""
        due = self.tables.wheel.deadline()
        waits = self.tables.waits.deadline()
        if due < 0 or 0 <= waits < due:
            return waits
        return due

    def expire(self, now: int) -> None:
        """Time has come: retransmit, probe, acknowledge, forget. What is to be sent goes with the next `transmit`."""
        tables = self.tables
        tables.waits.expire(now)
        while True:
            due: Flow | None = tables.wheel.next_due(now)  # type: ignore[assignment]
            if due is None:
                return
            tcb: Tcb = unfold(tables, due, now) if isinstance(due, HalfOpen) else due  # type: ignore[assignment]
            on_deadline(tables, tcb, now)

    def flows(self) -> list[bytes]:
        """The keys of all connections but those in TIME-WAIT."""
        return [flow.key for flow in self.tables.flows.values() if flow.state not in {CLOSED, TIME_WAIT}]
