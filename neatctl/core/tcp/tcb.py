"""The transmission control block (RFC 9293 section 3.3.1): the state of one connection, and no behaviour.

Sequence numbers are unwrapped (wire/seq.py): they compare as integers and are cut when sent. Times
are microseconds, NEVER for none. `on` is the one writer of `state`. Knows no output and no other connection.
"""

from __future__ import annotations

from neatctl.core.ip.output import Path
from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.congestion import Congestion, Cubic
from neatctl.core.tcp.flight import Flight, Repair
from neatctl.core.tcp.options import Options, Rare
from neatctl.core.tcp.reassembly import Reassembly
from neatctl.core.tcp.send_buffer import BufferPool, SendBuffer
from neatctl.core.tcp.states import CLOSED, following
from neatctl.core.tcp.wheel import NEVER, Timed
from neatctl.core.wire.tcp_header import answering_ports

OPEN = 0
"""`recovery`: no loss is being repaired."""
FAST = 1
"""Fast recovery (RFC 6582, RFC 6675)."""
LOSS = 2
"""After a retransmission timeout, until all that was in flight then is acknowledged."""

CORKED = 1
UNCORKED = 2

_CLOSED = CLOSED
_NEVER = NEVER
_INITIAL_RTO_US = 1_000_000
"""RFC 6298 section 2.1."""
_LONG_US = 1 << 40


class Flow(Timed):
    """What the demultiplexer finds for a key: a connection, or the rest of one in TIME-WAIT."""

    key: bytes
    """12 or 36 octets as on the wire of an arriving segment: source, destination, source port, destination port."""
    state: int


class Tcb(Flow):
    """One connection."""

    path: Path
    ports: int
    """The first word of our header: our port, the peer's."""
    app: Application
    listener: Listener | None
    """Who this connection came from, if passively opened."""
    id: int
    """Its number towards the application, 0 before there is one."""

    iss: int
    snd_una: int
    snd_nxt: int
    """The next to be sent for the first time."""
    snd_wnd: int
    snd_wl1: int
    snd_wl2: int
    max_wnd: int
    """The largest window that the peer offered (section 3.8.6.2.1)."""
    snd_scale: int
    mss: int
    """Eff.snd.MSS: payload octets of a full segment, options taken off."""
    buffer: SendBuffer
    buffer_seq: int
    """The sequence number of the first octet in `buffer`."""
    fin_queued: bool
    fin_seq: int
    """The sequence number of our FIN, once sent."""
    small_end: int
    """The end of the last segment sent that was not full (Minshall's form of Nagle's algorithm)."""
    nodelay: bool
    room: int
    """How many octets the application may still give."""
    room_owed: int
    """Octets acknowledged for which the application did not get new room yet."""

    irs: int
    rcv_nxt: int
    rcv_adv: int
    """The right edge of the receive window as last advertised; RCV.WND is rcv_adv - rcv_nxt."""
    rcv_scale: int
    unread: int
    """Octets that the application was given and did not report as consumed."""
    unacked: int
    """Octets received since the last ACK was sent."""
    last_ack: int
    """Last.ACK.sent (RFC 7323)."""
    reassembly: Reassembly | None
    peer_fin: int
    """The sequence number of the peer's FIN, when it is known and not in order yet."""
    held: list[bytes] | None
    """In-order octets for which the application's channel has no room."""
    held_octets: int

    ts_ok: bool
    ts_recent: int
    ts_recent_us: int
    sack_ok: bool
    scale_ok: bool
    ecn_ok: bool
    """Both ends agreed on RFC 3168."""
    echo_owed: bool
    """A router marked something: each ACK says so (ECE) until the peer has reduced its cwnd (CWR)."""
    cwr_owed: bool
    """Our cwnd was reduced: the next new octets say so."""
    twice_owed: bool
    """`rare` has a range that came twice, to be reported with the next ACK (RFC 2883)."""

    srtt_us: int
    rttvar_us: int
    min_rtt_us: int
    rto_us: int
    rtt_seq: int
    """The acknowledgment of this number ends the measurement begun at `rtt_us`; -1 for none (Karn)."""
    rtt_us: int
    backoff: int
    """How often the timeout was doubled since the last progress."""
    unanswered: int
    """Timeouts since the peer was last heard from in answer to them."""
    cc: Congestion
    cwnd_limited: bool
    dup_acks: int
    recovery: int
    recover: int
    """Recovery ends when this number is acknowledged (RFC 6582)."""
    flight: Flight | None
    """What is in flight in detail; None while all of it was sent at `sent_us` and nothing is known to be amiss."""
    repair: Repair | None
    """Of a connection that lost something."""
    sent_us: int
    """When data was last sent."""

    rtx_us: int
    """When the retransmission timer, or the persist timer, runs out."""
    persist: bool
    """The peer's window is closed: `rtx_us` is for a probe."""
    rack_us: int
    """When what was overtaken is lost, or the tail in flight is probed (RFC 8985: reordering timer, PTO)."""
    tail_end: int
    """TLP.end_seq: SND.NXT after such a probe that is not settled yet, or -1."""
    tail_again: bool
    """TLP.is_retrans: that probe repeated what had been sent."""
    ack_us: int
    """When a delayed ACK must go."""
    slow_us: int
    """When slow_timer.py has something to do: keep-alive, a user timeout, the end of an orphan in FIN-WAIT-2."""
    heard_us: int
    """When the last segment arrived."""
    challenge_us: int
    """No challenge ACK before this time."""

    dirty: bool
    """In the list of connections that may have something to send."""
    syn_owed: bool
    ack_now: bool
    dups_owed: int
    """Duplicate ACKs owed to a peer without SACK, one for each segment out of order."""
    probe_owed: bool
    tail_owed: bool
    reset_owed: bool
    """The connection is over but for our RST."""

    orphan: bool
    """The application closed it: nothing is told any more."""
    waiting: bool
    """In its application's list of those with something to tell."""
    owes_accepted: bool
    owes_end: bool
    error: int
    """An errno that the application is owed."""
    soft_error: int
    """An errno that ICMP hinted at: told if the connection times out (RFC 9293 section 3.9.2.2)."""

    receive_octets: int
    """The receive buffer."""
    taken: int
    """Octets that the program read since `taken_us`."""
    taken_before: int
    """What it read in the round trip before that."""
    taken_us: int
    grown_octets: int
    """How much the receive buffer (calls.py) and the send buffer (telling.py) have grown by themselves."""
    room_lump: int
    """ROOM is told when so many octets are owed: a quarter of the send buffer."""
    cork: int
    """0; CORKED; or UNCORKED while what was kept back for too long leaves."""
    quickack: bool
    options: Options | None
    """What the application set, shared with all connections that have the same; None if nothing."""
    rare: Rare | None
    """What few connections ever need; None until it is needed."""

    def __init__(self, key: bytes, path: Path, app: Application, pool: BufferPool) -> None:
        self.due_us = _NEVER
        self.tick = -1
        self.place = 0
        self.key = key
        self.state = _CLOSED
        self.path = path
        self.ports = answering_ports(key)
        self.app = app
        self.listener = None
        self.buffer = SendBuffer(pool)
        self.fin_seq = -1
        self.reassembly = None
        self.peer_fin = -1
        self.held = None
        self.rto_us = _INITIAL_RTO_US
        self.rtt_seq = -1
        self.cc = Cubic(0)
        self.recovery = OPEN
        self.flight = None
        self.repair = None
        self.min_rtt_us = _LONG_US
        self.tail_end = -1
        self.rtx_us = self.rack_us = self.ack_us = self.slow_us = _NEVER
        self.id = self.iss = self.snd_una = self.snd_nxt = self.snd_wnd = self.snd_wl1 = 0
        self.snd_wl2 = self.max_wnd = self.snd_scale = self.mss = self.buffer_seq = self.small_end = 0
        self.room = self.room_owed = self.irs = self.rcv_nxt = self.rcv_adv = self.rcv_scale = self.unread = 0
        self.unacked = self.last_ack = self.held_octets = self.ts_recent = self.ts_recent_us = self.srtt_us = 0
        self.rttvar_us = self.rtt_us = self.backoff = self.unanswered = self.dup_acks = 0
        self.recover = self.sent_us = self.challenge_us = self.dups_owed = 0
        self.error = self.soft_error = 0
        self.heard_us = self.receive_octets = self.room_lump = self.cork = 0
        self.taken = self.taken_before = self.taken_us = self.grown_octets = 0
        self.quickack = False
        self.options = self.rare = None
        self.fin_queued = self.nodelay = self.ts_ok = self.sack_ok = self.scale_ok = self.cwnd_limited = False
        self.persist = self.tail_again = self.dirty = self.syn_owed = self.ack_now = False
        self.ecn_ok = self.echo_owed = self.cwr_owed = self.twice_owed = False
        self.probe_owed = self.tail_owed = self.reset_owed = self.orphan = self.waiting = False
        self.owes_accepted = self.owes_end = False

    def in_flight(self) -> Flight:
        """What is in flight in detail, made now if there is none. There is something in flight."""
        if self.flight is None:
            self.flight = Flight(self.snd_una, self.snd_nxt, self.sent_us)
        return self.flight

    def rarely(self) -> Rare:
        """What is rarely needed, made now if it is not there."""
        if self.rare is None:
            self.rare = Rare()
        return self.rare

    def on(self, event: int) -> None:
        """Move to the state that follows; ValueError if the table has none."""
        self.state = following(self.state, event)

    def data_end(self) -> int:
        """The sequence number after the last octet that the application gave."""
        return self.buffer_seq + self.buffer.octets

    def unsent(self) -> bool:
        """Whether there is data or a FIN at or after SND.NXT."""
        end = self.buffer_seq + self.buffer.octets
        return self.snd_nxt < end or (self.fin_queued and self.snd_nxt == end)
