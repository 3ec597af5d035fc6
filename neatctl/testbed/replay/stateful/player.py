"""Plays one captured client against a live server, sans-IO: the server's segments and the time in, segments out.

A captured segment goes when what its sender had of the server has come from this server too, and its time is there.
What TCP asks of a client besides is done, too: an ACK where no captured one comes, and retransmission. Here is when;
how it is said is in voice.py, what was sent in flight.py, what came in receipt.py. RFC 9293. Times are in microseconds.
Knows no addresses beyond the pseudo-header, no sockets and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from neatctl.core.wire.seq import unwrap
from neatctl.core.wire.tcp_header import ACK, RST, SYN, Segment
from neatctl.testbed.replay.stateful import options
from neatctl.testbed.replay.stateful.flight import Flight
from neatctl.testbed.replay.stateful.receipt import Receipt
from neatctl.testbed.replay.stateful.script import (
    CLOSED,
    CUT,
    REFUSED,
    RESET_BY_CLIENT,
    RESET_BY_SERVER,
    UNANSWERED,
    ClientSegment,
    Script,
)
from neatctl.testbed.replay.stateful.segment_octets import Speaker
from neatctl.testbed.replay.stateful.voice import Voice

TIMED_OUT = "timeout"
ENDLESS = "endless"
"""The server went on for more than TOO_MANY_OCTETS behind what was captured."""
OVER_LIMIT = "limit"
"""It took longer than it may in all."""
UNFINISHED_ENDS = frozenset({TIMED_OUT, ENDLESS, OVER_LIMIT})
ACK_US = 5_000
"""What came is acknowledged after this time when no captured ACK is about to do it."""
SOON_US = 200_000
"""A captured segment due before this acknowledges in time: a server's shortest RTO."""
TOO_MANY_OCTETS = 1 << 20
DEFAULT_MSS = 536
IP_AND_TCP = 40
NO_PAUSE_US = 86_400_000_000
"""A longer pause in a capture is a clock that was set."""
_NEVER = 1 << 62


@dataclass(frozen=True)
class Setting:
    """How a connection is played."""

    pseudo: bytes
    """The addresses on the wire: source and destination, 4 octets each."""
    ports: bytes
    """Source and destination, 2 octets each."""
    speed: float = 0.0
    """Pauses are divided by it; 0: there are none."""
    timeout_us: int = 5_000_000
    """Without any progress for so long, a play is given up."""
    limit_us: int = 86_400_000_000
    """Of the play in all."""
    mtu: int = 1500
    isn_shift: int = 0
    time_shift: int = 0


class Player:
    """One connection: `begin`, then `arrive` and, at each `deadline`, `expire`, until it is `over`."""

    def __init__(self, script: Script, setting: Setting) -> None:
        self.script = script
        self.over = False
        self.ended = ""
        """How, when it is over: as a script's `ended`, or TIMED_OUT or ENDLESS."""
        self.played = 0
        """Captured segments that were sent, ..."""
        self.merged = 0
        """... and bare ACKs that had nothing left to say: it had been acknowledged."""
        self.unexpected = 0
        """Segments that cannot be of this connection."""
        self.flight = Flight()
        self.receipt = Receipt()
        self._setting = setting
        self._speaker = Speaker(setting.pseudo, setting.ports, (script.isn + setting.isn_shift) & 0xFFFFFFFF)
        self._voice = Voice(script, self._speaker, self.flight, self.receipt, setting.time_shift)
        self.out = self._voice.out
        """Segments to send, in order; whoever sends them empties it."""
        self._next = 0
        self._piece = 0
        """Octets of the next segment that went: it may be too large for one of ours."""
        self._waited = False
        """The next segment waited for the server, not for its time."""
        self._begun_us = 0
        self._sent_us = 0
        self._due_us = -1
        self._progress_us = 0
        self._ack_us = -1
        self._needed = 0
        self._server_scale = 0
        self._rst_sent = False

    # ---- input ----
    def begin(self, now: int) -> None:
        """Start: the SYN goes."""
        self._begun_us = self._sent_us = self._progress_us = now
        self._advance(now)

    def arrive(self, segment: Segment, now: int) -> None:
        """A segment of the server."""
        if self.over:
            self._answer_late(segment)
            return
        if self.receipt.isn < 0:
            self._open(segment, now)
        elif segment.flags & RST:
            if self.receipt.resets(segment):
                self._end(RESET_BY_SERVER)
            else:
                self.unexpected += 1
        elif segment.flags & SYN or not segment.flags & ACK:
            self._voice.acknowledge()
        elif self._take_ack(segment, now):
            came = self.receipt.came
            at_once = self.receipt.take(segment)
            if self.receipt.came > came:
                self._progress_us = now
                # What comes later in the same burst is acknowledged with it.
                self._ack_us = now + ACK_US
            if at_once:
                self._voice.acknowledge()
        if not self.over:
            self._advance(now)

    def expire(self, now: int) -> None:
        """The deadline has come."""
        if self.over:
            return
        if 0 <= self._ack_us <= now:
            self._ack_us = -1
            if self.receipt.acked < self.receipt.came and not self._soon_acknowledged(now):
                self._voice.acknowledge()
        if 0 <= self.flight.due_us <= now:
            if self.flight.expired(now):
                self._voice.retransmit(self._room)
            else:
                self._voice.ask_for_window()
        self._advance(now)
        if not self.over and self._stalls_at() <= now:
            self._give_up(now)

    def stop(self) -> None:
        """End at once, and tell the server."""
        if not self.over:
            self._abort(CUT)

    def deadline(self) -> int:
        """When `expire` is to be called, or -1."""
        if self.over:
            return -1
        return min(time for time in (self._due_us, self._ack_us, self.flight.due_us, self._stalls_at()) if time >= 0)

    @property
    def own_acks(self) -> int:
        return self._voice.own_acks

    @property
    def unplayed(self) -> int:
        """Captured segments that never went."""
        return len(self.script.segments) - self._next

    # ---- what the captured client does next ----
    def _advance(self, now: int) -> None:
        """Play all segments that may go now."""
        segments = self.script.segments
        self._due_us = -1
        while self._next < len(segments):
            segment = segments[self._next]
            if not self._ready(segment):
                self._waited = True
                break
            due = self._due(segment)
            if due > now:
                self._due_us = due
                break
            if not self._play(segment, now):
                self._waited = True
                break
            # A timer that is a little late moves nothing that follows.
            self._sent_us = now if self._waited else due
            self._waited = False
            self._next += 1
            self._piece = 0
        self._settle()
        if self.receipt.acked >= self.receipt.came:
            self._ack_us = -1
        elif self._ack_us < 0:
            self._ack_us = now + ACK_US

    def _ready(self, segment: ClientSegment) -> bool:
        """Whether what its sender had of the server has come."""
        receipt = self.receipt
        if segment.needs <= 0:
            return True
        return receipt.isn >= 0 and (receipt.came >= self._translated(segment.needs) or receipt.all_came)

    def _translated(self, needs: int) -> int:
        """A number of the captured server as this one's: its FIN may stand elsewhere."""
        if 0 <= self.script.fin < needs:
            return self.receipt.fin + 1 if self.receipt.fin >= 0 else _NEVER
        return needs

    def _due(self, segment: ClientSegment) -> int:
        if not self._setting.speed or self._next == 0:
            return self._sent_us
        pause = segment.time_us - self.script.segments[self._next - 1].time_us
        return self._sent_us + (int(pause / self._setting.speed) if 0 < pause < NO_PAUSE_US else 0)

    def _play(self, segment: ClientSegment, now: int) -> bool:
        """Send it, in as many pieces as it takes; False while the rest must wait for room."""
        ack = self._ack_of(segment)
        if segment.is_bare_ack and self._says_nothing(segment, ack):
            self.merged += 1
            return True
        self._needed = max(self._needed, segment.needs)
        kept = self._voice.options_of(segment)
        most = max(self._room - len(kept), 1)
        last = False
        while not last:
            at = segment.seq + self._piece
            size = self._room_for(at, min(segment.octets - self._piece, most), most, now)
            if size < 0:
                return False
            last = self._piece + size == segment.octets
            end = self._voice.say(segment, at, size, ack, kept)
            if end > at:
                self.flight.sent(end, now)
            self._progress_us = now
            self._piece += size
        self.played += 1
        self._rst_sent = bool(segment.flags & RST)
        return True

    def _room_for(self, at: int, size: int, most: int, now: int) -> int:
        """How many of these octets may go, or -1 for none now. What went before always may."""
        flight = self.flight
        new = at + size - max(flight.end, at)
        room = flight.room()
        if new <= max(room, 0):
            return size
        if room > 0 and (room >= most or flight.una == flight.end):
            return size - new + room
        if flight.una == flight.end:
            flight.want_window(now)
        return -1

    def _ack_of(self, segment: ClientSegment) -> int:
        """What it acknowledges: what the captured one did, and never less than was acknowledged before."""
        if segment.needs <= 0:
            return 0
        return max(min(self._translated(segment.needs), self.receipt.came), self.receipt.acked)

    def _says_nothing(self, segment: ClientSegment, ack: int) -> bool:
        """Whether a bare ACK would be a duplicate, which tells of a loss that there was not."""
        if segment.seq < self.flight.end or ack > self.receipt.acked:
            return False
        return segment.needs < self._needed or self._voice.window_of(segment) == self.receipt.field

    def _soon_acknowledged(self, now: int) -> bool:
        """Whether a captured segment is about to acknowledge what came."""
        if self._next == len(self.script.segments):
            return False
        segment = self.script.segments[self._next]
        acknowledges = segment.needs > self.receipt.acked and self._ready(segment)
        return acknowledges and now < self._due(segment) <= now + SOON_US

    def _settle(self) -> None:
        """Whether the play is over."""
        script, receipt = self.script, self.receipt
        if self._next < len(script.segments) or self.over:
            return
        if self._rst_sent:
            self._end(RESET_BY_CLIENT)
        elif receipt.isn < 0 or self.flight.una < self.flight.end:
            return
        elif receipt.all_came:
            if receipt.acked < receipt.came:
                self._voice.acknowledge()
            if self._voice.fin_sent:
                self._end(CLOSED)
            else:
                self._abort(CUT)
        elif len(receipt.answers) > script.expected + TOO_MANY_OCTETS:
            self._abort(ENDLESS)
        elif script.fin < 0 and script.ended != RESET_BY_SERVER and len(receipt.answers) >= script.expected:
            self._abort(CUT)

    # ---- what the server says ----
    def _open(self, segment: Segment, now: int) -> None:
        """An answer to the SYN."""
        acknowledged = (segment.ack - self._speaker.isn) & 0xFFFFFFFF
        answers = segment.flags & ACK and 1 <= acknowledged <= self.flight.end
        if answers and segment.flags & RST:
            self._end(REFUSED)
        elif answers and segment.flags & SYN:
            offered = self.script.segments[0].options
            scale = options.scale(offered)
            if segment.scale >= 0 and scale >= 0:
                self._server_scale = segment.scale
            times = segment.has_timestamps and options.timestamps(offered) is not None
            self.receipt.open(segment, scale if segment.scale >= 0 and scale >= 0 else 0, times)
            self._speaker.server_isn = segment.seq
            self.flight.opened(segment.mss or DEFAULT_MSS, acknowledged, segment.window, now)
            self._progress_us = now
        else:
            self.unexpected += 1

    def _take_ack(self, segment: Segment, now: int) -> bool:
        """What it acknowledges; False if it cannot be of this connection."""
        flight = self.flight
        number = unwrap((segment.ack - self._speaker.isn) & 0xFFFFFFFF, flight.end)
        if number > flight.end:
            self.unexpected += 1
            return False
        if number > flight.una:
            self._progress_us = now
        if flight.acknowledge(number, segment.window << self._server_scale, not segment.length, now):
            self._voice.retransmit(self._room)
        return True

    def _answer_late(self, segment: Segment) -> None:
        """A segment after the end (RFC 9293 section 3.10.7.1, and TIME-WAIT)."""
        if segment.flags & RST:
            return
        if self.ended == CLOSED:
            if segment.length:
                self._voice.acknowledge()
        elif segment.flags & ACK:
            self._voice.reset_at(segment.ack)

    @property
    def _room(self) -> int:
        """Octets of a segment behind its header of 20."""
        return min(self.flight.mss, self._setting.mtu - IP_AND_TCP)

    # ---- the end ----
    def _stalls_at(self) -> int:
        """When nothing has moved for too long (a pause of the captured client is none), or it took too long in all."""
        stalls = max(self._progress_us, self._due_us) + self._setting.timeout_us
        return min(stalls, self._begun_us + self._setting.limit_us)

    def _give_up(self, now: int) -> None:
        if self.receipt.isn < 0:
            self._end(UNANSWERED)
        else:
            self._abort(OVER_LIMIT if now >= self._begun_us + self._setting.limit_us else TIMED_OUT)

    def _abort(self, ended: str) -> None:
        """Reset the connection, so that the server keeps nothing of it."""
        if self.receipt.isn >= 0:
            self._voice.reset()
        self._end(ended)

    def _end(self, ended: str) -> None:
        self.over = True
        self.ended = ended
