"""The transmission control block (RFC 9293 section 3.3.1): the state of one connection, and no behaviour.

Sequence numbers are unwrapped (wire/seq.py): they compare as integers and are cut when sent. Times
are microseconds, NEVER for none. `on` is the one writer of `state`. Knows no output and no other connection.
"""

from __future__ import annotations

from neatctl.core.ip.output import Path
from neatctl.core.tcp.application import Application, Listener
from neatctl.core.tcp.congestion import Congestion, NewReno
from neatctl.core.tcp.reassembly import Reassembly
from neatctl.core.tcp.scoreboard import Scoreboard
from neatctl.core.tcp.send_buffer import BufferPool, SendBuffer
from neatctl.core.tcp.states import CLOSED, following
from neatctl.core.tcp.wheel import NEVER, Timed

OPEN = 0
"""`recovery`: no loss is being repaired."""
FAST = 1
"""Fast recovery (RFC 6582, RFC 6675)."""
LOSS = 2
"""After a retransmission timeout, until all that was in flight then is acknowledged."""

_CLOSED = CLOSED
_NEVER = NEVER
_INITIAL_RTO_US = 1_000_000
"""RFC 6298 section 2.1."""


class Flow(Timed):
    """What the demultiplexer finds for a key: a connection, or the rest of one in TIME-WAIT."""

    key: bytes
    """12 octets as on the wire of an arriving segment: source, destination, source port, destination port."""
    state: int


class Tcb(Flow):
    """One connection."""

    def __init__(self, key: bytes, path: Path, app: Application, pool: BufferPool) -> None:
        self.due_us = _NEVER
        self.tick = -1
        self.place = 0
        self.key = key
        self.state = _CLOSED
        self.path = path
        self.ports = key[10] << 24 | key[11] << 16 | key[8] << 8 | key[9]
        """The first word of our header: our port, the peer's."""
        self.app = app
        self.listener: Listener | None = None
        """Who this connection came from, if passively opened."""
        self.id = 0
        """Its number towards the application, 0 before there is one."""

        self.iss = 0
        self.snd_una = 0
        self.snd_nxt = 0
        """The next to be sent; falls back to SND.UNA after a retransmission timeout."""
        self.snd_max = 0
        """After the highest that was ever sent."""
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.max_wnd = 0
        """The largest window that the peer offered (section 3.8.6.2.1)."""
        self.snd_scale = 0
        self.mss = 0
        """Eff.snd.MSS: payload octets of a full segment, options taken off."""
        self.buffer = SendBuffer(pool)
        self.buffer_seq = 0
        """The sequence number of the first octet in `buffer`."""
        self.fin_queued = False
        self.fin_seq = -1
        """The sequence number of our FIN, once sent."""
        self.small_end = 0
        """The end of the last segment sent that was not full (Minshall's form of Nagle's algorithm)."""
        self.nodelay = False
        self.room = 0
        """How many octets the application may still give."""
        self.room_owed = 0
        """Octets acknowledged for which the application did not get new room yet."""

        self.irs = 0
        self.rcv_nxt = 0
        self.rcv_adv = 0
        """The right edge of the receive window as last advertised; RCV.WND is rcv_adv - rcv_nxt."""
        self.rcv_scale = 0
        self.unread = 0
        """Octets that the application was given and did not report as consumed."""
        self.unacked = 0
        """Octets received since the last ACK was sent."""
        self.last_ack = 0
        """Last.ACK.sent (RFC 7323)."""
        self.reassembly: Reassembly | None = None
        self.peer_fin = -1
        """The sequence number of the peer's FIN, when it is known and not in order yet."""
        self.held: list[bytes] | None = None
        """In-order octets for which the application's channel has no room."""
        self.held_octets = 0

        self.ts_ok = False
        self.ts_recent = 0
        self.ts_recent_us = 0
        self.sack_ok = False
        self.scale_ok = False

        self.srtt_us = 0
        self.rttvar_us = 0
        self.rto_us = _INITIAL_RTO_US
        self.rtt_seq = -1
        """The acknowledgment of this number ends the measurement begun at `rtt_us`; -1 for none (Karn)."""
        self.rtt_us = 0
        self.backoff = 0
        """How often the timeout was doubled since the last progress."""
        self.unanswered = 0
        """Timeouts since the peer was last heard from in answer to them."""
        self.cc: Congestion = NewReno(0)
        self.cwnd_limited = False
        self.dup_acks = 0
        self.inflation = 0
        """What duplicate ACKs add to cwnd without SACK: segments that have left the network."""
        self.recovery = OPEN
        self.recover = 0
        """Recovery ends when this number is acknowledged (RFC 6582)."""
        self.high_rxt = 0
        """HighRxt of RFC 6675: what is below was sent again in this recovery."""
        self.lost_below = 0
        """Holes below this number are lost, whatever is reported above them: a later tail probe arrived."""
        self.scoreboard: Scoreboard | None = None
        self.sent_us = 0
        """When data was last sent."""

        self.rtx_us = _NEVER
        """When the retransmission timer, or the persist timer, runs out."""
        self.persist = False
        """The peer's window is closed: `rtx_us` is for a probe."""
        self.tail_us = _NEVER
        """When a probe of the last segments in flight goes out, well before the retransmission timeout (RFC 8985)."""
        self.tail_end = -1
        """TLP.end_seq: SND.MAX after such a probe that is not settled yet, or -1."""
        self.tail_again = False
        """TLP.is_retrans: that probe repeated what had been sent."""
        self.ack_us = _NEVER
        """When a delayed ACK must go."""
        self.linger_us = _NEVER
        """When a connection that nobody owns any more is forgotten in FIN-WAIT-2."""
        self.challenge_us = 0
        """No challenge ACK before this time."""

        self.dirty = False
        """In the list of connections that may have something to send."""
        self.syn_owed = False
        self.ack_now = False
        self.dups_owed = 0
        """Duplicate ACKs owed to a peer without SACK, one for each segment out of order."""
        self.rtx_owed = False
        """The segment at SND.UNA is to be sent again."""
        self.probe_owed = False
        self.tail_owed = False
        self.reset_owed = False
        """The connection is over but for our RST."""

        self.orphan = False
        """The application closed it: nothing is told any more."""
        self.waiting = False
        """In its application's list of those with something to tell."""
        self.owes_accepted = False
        self.owes_end = False
        self.error = 0
        """An errno that the application is owed."""
        self.soft_error = 0
        """An errno that ICMP hinted at: told if the connection times out (RFC 9293 section 3.9.2.2)."""

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
