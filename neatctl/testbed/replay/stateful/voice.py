"""What a player says: captured segments with the live server's numbers, and those that TCP asks for besides.

Captured flags, octets, options and windows stay; acknowledgements, SACK blocks, TSecr and the window's scale are what
this server's segments (receipt.py) make them, TSval is shifted by a constant. Knows nothing of when. RFC 7323, 2018.
"""

from __future__ import annotations

from neatctl.core.wire.seq import before
from neatctl.core.wire.tcp_header import ACK, FIN, PSH, RST, SYN
from neatctl.testbed.replay.stateful import options
from neatctl.testbed.replay.stateful.flight import Flight
from neatctl.testbed.replay.stateful.receipt import Receipt
from neatctl.testbed.replay.stateful.script import ClientSegment, Script
from neatctl.testbed.replay.stateful.segment_octets import Speaker

TIMESTAMPS_OCTETS = 12


class Voice:
    """The segments of one player, put into `out` in order; whoever sends them empties it."""

    def __init__(self, script: Script, speaker: Speaker, flight: Flight, receipt: Receipt, time_shift: int) -> None:
        self.out: list[bytes] = []
        self.own_acks = 0
        self._script = script
        self._speaker = speaker
        self._flight = flight
        self._receipt = receipt
        self._time_shift = time_shift
        times = options.timestamps(script.segments[0].options)
        self._ts_val = 0 if times is None else (times[0] + time_shift) & 0xFFFFFFFF

    def options_of(self, segment: ClientSegment) -> bytes:
        """The options of a captured segment, as they are said to this server now."""
        times = options.timestamps(segment.options)
        val = self._ts_val
        if times is not None:
            val = (times[0] + self._time_shift) & 0xFFFFFFFF
            if not before(val, self._ts_val):
                self._ts_val = val
        if segment.flags & SYN:
            return options.rewritten(segment.options, (val, 0), may_grow=False)
        if not self._receipt.times:
            return options.rewritten(segment.options, None)
        return options.rewritten(segment.options, (val, self._receipt.ts_recent), may_grow=not segment.flags & RST)

    def window_of(self, segment: ClientSegment) -> int:
        """The captured window as this server reads it; it is ours until the next."""
        self._receipt.window = segment.window if segment.flags & SYN else segment.window << self._script.scale
        return segment.window if segment.flags & SYN else self._receipt.field_of(self._receipt.window)

    def say(self, segment: ClientSegment, at: int, size: int, ack: int, kept: bytes) -> int:
        """A captured segment, or so many octets of it, with these options; the number behind it."""
        last = at + size == segment.seq + segment.octets
        flags = segment.flags if last else segment.flags & ~(FIN | PSH)
        field = self.window_of(segment)
        if flags & ACK:
            self._receipt.tell(ack, field)
        data = self._script.sent.octets(at - 1, at - 1 + size) if size else b""
        self.out.append(self._speaker.say(flags, at, ack, field, kept, data, segment.urgent))
        return at + size + (1 if flags & SYN else 0) + (1 if flags & FIN else 0)

    def acknowledge(self) -> None:
        """An ACK of our own."""
        self.own_acks += 1
        self._emit(ACK, self._flight.end, self._receipt.sack_blocks(), b"")

    def ask_for_window(self) -> None:
        """A zero-window probe without octets (as Linux has it): an old number, which is answered by an ACK."""
        self._emit(ACK, self._flight.una - 1, b"", b"")

    def retransmit(self, mtu_room: int) -> None:
        """What stands at SND.UNA, once more: so many octets with options at most."""
        script, flight = self._script, self._flight
        flight.retransmitted += 1
        if flight.una == 0:
            syn = script.segments[0]
            kept = options.rewritten(syn.options, (self._ts_val, 0), may_grow=False)
            self.out.append(self._speaker.say(syn.flags, 0, 0, syn.window, kept, b"", 0))
            return
        room = mtu_room - (TIMESTAMPS_OCTETS if self._receipt.times else 0)
        end = min(flight.end, flight.una + max(room, 1))
        data = script.sent.octets(flight.una - 1, min(end - 1, len(script.sent)))
        tail = PSH if data and end == flight.end else 0
        self._emit(ACK | tail | (FIN if self.fin_sent and end == flight.end else 0), flight.una, b"", data)

    def reset(self) -> None:
        """Bare RSTs with the numbers that the server may expect."""
        for seq in sorted({self._flight.una, self._flight.end}):
            self.reset_at((self._speaker.isn + seq) & 0xFFFFFFFF)

    def reset_at(self, seq: int) -> None:
        """A bare RST with this sequence number of the wire."""
        self.out.append(self._speaker.reset(seq))

    @property
    def fin_sent(self) -> bool:
        return self._flight.end > len(self._script.sent) + 1

    def _emit(self, flags: int, seq: int, sack: bytes, data: bytes) -> None:
        """A segment that was not captured; it acknowledges all that came."""
        receipt = self._receipt
        kept = options.rewritten(b"", (self._ts_val, receipt.ts_recent) if receipt.times else None, sack)
        field = receipt.field_of(receipt.window)
        receipt.tell(receipt.came, field)
        self.out.append(self._speaker.say(flags, seq, receipt.came, field, kept, data, 0))
