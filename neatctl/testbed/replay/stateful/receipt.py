"""What a player has received of the live server, and what the server was told of it: RCV.NXT, the window, SACK, TSecr.

Numbers are relative to the server's ISN, times in microseconds. RFC 9293 section 3.8.6, RFC 2018, RFC 5681 section 4.2,
RFC 7323 section 4.3.
"""

from __future__ import annotations

from neatctl.core.wire.seq import before, unwrap
from neatctl.core.wire.tcp_header import FIN, Segment
from neatctl.testbed.replay.stateful.stream import Stream

SACK_BLOCKS = 3


class Receipt:
    """The receiving half of one player, from the SYN-ACK on."""

    def __init__(self) -> None:
        self.isn = -1
        """The server's, once it is known."""
        self.answers = Stream()
        self.fin = -1
        """The number of the server's FIN, or -1."""
        self.acked = 0
        """The highest number that was acknowledged."""
        self.window = 0
        """The one last captured that was sent, in octets."""
        self.field = -1
        """The window field last sent."""
        self.scale = 0
        self.sack = False
        self.times = False
        self.ts_recent = 0
        self._edge = 0

    @property
    def came(self) -> int:
        """RCV.NXT; 0 before the SYN-ACK."""
        if self.isn < 0:
            return 0
        return 1 + len(self.answers) + (1 if self.all_came else 0)

    @property
    def all_came(self) -> bool:
        """Whether the server's FIN came, and all before it."""
        return 0 <= self.fin <= len(self.answers) + 1

    def open(self, syn_ack: Segment, scale: int, times: bool) -> None:
        """The SYN-ACK; whether windows are shifted and both sides use timestamps."""
        self.isn = syn_ack.seq
        self.scale = scale
        self.times = times
        self.ts_recent = syn_ack.ts_val
        self.sack = syn_ack.sack_permitted
        self.field = -1
        self._edge = 1 + self.window

    def field_of(self, window: int) -> int:
        """The field that says so many octets."""
        return min(window >> self.scale, 0xFFFF)

    def tell(self, ack: int, field: int) -> None:
        """This acknowledgement and window go to the server."""
        self.acked = max(self.acked, ack)
        self.field = field
        self._edge = max(self._edge, ack + (field << self.scale))

    def number(self, seq: int) -> int:
        """A sequence number of the wire as a relative one."""
        return unwrap((seq - self.isn) & 0xFFFFFFFF, self.came)

    def resets(self, segment: Segment) -> bool:
        """Whether an RST lies in the window."""
        return self.came <= self.number(segment.seq) <= max(self._edge, self.came)

    def take(self, segment: Segment) -> bool:
        """The octets and FIN of a segment; whether it is to be acknowledged at once: it was old, out of order, outside
        the window, or filled a hole."""
        seq = self.number(segment.seq)
        if segment.has_timestamps and seq <= self.acked and not before(segment.ts_val, self.ts_recent):
            self.ts_recent = segment.ts_val
        came = self.came
        if not segment.length:
            return seq < came
        octets = min(segment.data_octets, max(self._edge - seq, 0))
        in_order = seq <= came and not self.answers.ranges()
        if octets:
            self.answers.add(seq - 1, segment.memory.bytes(segment.data_at, octets))
        if segment.flags & FIN and octets == segment.data_octets:
            self.fin = seq + octets
        return self.came == came or not in_order or octets < segment.data_octets

    def sack_blocks(self) -> bytes:
        """What came behind a hole, as SACK blocks."""
        if not self.sack:
            return b""
        edges = (edge for block in self.answers.ranges()[:SACK_BLOCKS] for edge in block)
        return b"".join(((self.isn + 1 + edge) & 0xFFFFFFFF).to_bytes(4, "big") for edge in edges)
