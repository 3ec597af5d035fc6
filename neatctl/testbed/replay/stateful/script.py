"""What one captured connection asks of a player: the client's segments with what each waited for, the server's octets.

Numbers are relative: the SYN is 0, the first octet 1, the FIN stands behind the last octet. What the client had of
the server when it sent a segment is its acknowledgement number; where it has none (a bare RST), what the capture had.
Knows one connection's segments in the capture's order, no frames and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neatctl.core.wire.seq import unwrap
from neatctl.core.wire.tcp_header import ACK, FIN, RST, SYN
from neatctl.testbed.replay.stateful import options
from neatctl.testbed.replay.stateful.captured import CapturedSegment
from neatctl.testbed.replay.stateful.stream import FARTHEST_OCTETS, Stream

Endpoint = tuple[bytes, int]
"""An IPv4 address of 4 octets, and a port."""
CUT = "cut"
"""The capture ends before the connection did."""
CLOSED = "closed"
"""FIN both ways."""
RESET_BY_CLIENT = "reset by client"
RESET_BY_SERVER = "reset by server"
REFUSED = "refused"
UNANSWERED = "unanswered"
"""No answer to the SYN."""


@dataclass(slots=True)
class ClientSegment:
    """One segment of the client. Its octets are in the script's `sent`."""

    time_us: int
    """Since the client's first SYN."""
    seq: int
    octets: int
    flags: int
    needs: int
    """Sent when the server's numbers up to here had come; 0: before the SYN-ACK."""
    window: int
    urgent: int
    options: bytes

    @property
    def end(self) -> int:
        """The number behind it: SYN and FIN count."""
        return self.seq + self.octets + (1 if self.flags & SYN else 0) + (1 if self.flags & FIN else 0)

    @property
    def is_bare_ack(self) -> bool:
        return not self.octets and not self.flags & (SYN | FIN | RST)


@dataclass
class Script:
    """One connection."""

    number: int
    """Its place among the connections of the capture, from 1 on."""
    client: Endpoint
    server: Endpoint
    begin_ns: int
    isn: int
    """The client's."""
    segments: list[ClientSegment] = field(default_factory=list)
    sent: Stream = field(default_factory=Stream)
    """The client's octets."""
    answers: Stream = field(default_factory=Stream)
    """The server's octets."""
    expected: int = 0
    """How many octets of the server a play is to bring: those before `cut_at`, if any are missing of the client's."""
    acknowledged: int = 0
    """How many of them the client had acknowledged."""
    fin: int = -1
    """The number of the server's FIN, or -1."""
    server_isn: int = -1
    server_scale: int = -1
    timestamps: bool = False
    """Both offered them."""
    ended: str = CUT
    cut_at: int = -1
    """The offset of the first octet of the client that the capture lacks, or -1."""
    repeated: int = 0
    """Frames that the capture has twice."""
    stray: int = 0
    """Segments whose numbers are too far off to be of this connection."""

    @property
    def scale(self) -> int:
        """What the client shifts its windows by; 0 without window scaling."""
        offered = options.scale(self.segments[0].options)
        return offered if offered >= 0 and self.server_scale >= 0 else 0

    @property
    def holes(self) -> list[tuple[int, int]]:
        """Which of the server's octets the capture lacks: from, to."""
        return self.answers.holes(self.expected)


class Writer:
    """Writes the script of one connection from its segments, in the order of the capture."""

    def __init__(self, number: int, syn: CapturedSegment) -> None:
        self.script = Script(number, syn.source, syn.destination, syn.time_ns, syn.seq)
        self.octets = 0
        """Of both directions, as far as they are kept."""
        self.fins = 0
        self._fin_sent = -1
        self._sent_end = 1
        self._acked = 0
        """The highest number of the client that the server has acknowledged."""
        self._steps: list[tuple[int, int]] = []
        """What the server had seen of the client, and the offset at which its octets went on then."""
        self._last: list[CapturedSegment | None] = [None, None]
        self._answers_end = 0
        self._over = False
        self.add(syn)

    def is_of_this(self, syn: CapturedSegment) -> bool:
        """Whether a SYN of the same addresses and ports is this connection's, sent again."""
        return syn.seq == self.script.isn

    def add(self, segment: CapturedSegment) -> None:
        """The next segment of either side."""
        from_client = segment.source == self.script.client
        if self._is_copy(segment, from_client):
            self.script.repeated += 1
        elif from_client:
            self._add_client(segment)
        else:
            self._add_server(segment)

    def finish(self) -> Script:
        """The script, when no more segments come."""
        script = self.script
        # A client's acknowledgements never go back: this is the order in which it sent, whatever the capture's is.
        script.segments.sort(key=lambda segment: segment.needs)
        script.expected = max(self._answers_end, self._acked_by_client() - 1, script.fin - 1)
        if script.fin < 0 and self._answers_end < script.expected:
            # The last number that the client acknowledged may have been a FIN that the capture lacks.
            script.expected -= 1
        self._cut_at_hole()
        script.acknowledged = min(max(self._acked_by_client() - 1, 0), script.expected)
        script.ended = self._end()
        return script

    def _is_copy(self, segment: CapturedSegment, from_client: bool) -> bool:
        """The same packet, captured on two interfaces: a retransmission has an identification of its own."""
        last = self._last[from_client]
        self._last[from_client] = segment
        return (
            last is not None
            and segment.ident != 0
            and (last.ident, last.seq, last.ack, last.flags, last.window, last.octets, last.options)
            == (segment.ident, segment.seq, segment.ack, segment.flags, segment.window, segment.octets, segment.options)
        )  # fmt: skip

    def _add_client(self, segment: CapturedSegment) -> None:
        script = self.script
        seq = unwrap((segment.seq - script.isn) & 0xFFFFFFFF, self._sent_end)
        begin = seq + 1 if segment.flags & SYN else seq
        # The octet before the first is a keep-alive's.
        if (
            begin < 0
            or self._is_behind_fin(begin + segment.octets, segment)
            or not script.sent.add(begin - 1, segment.data)
        ):
            script.stray += 1
            return
        needs = self._needs(segment)
        self.octets += len(segment.data)
        flags, octets = segment.flags, segment.octets
        time_us = (segment.time_ns - script.begin_ns) // 1000
        if flags & SYN:
            self._append(time_us, seq, 0, flags, needs, segment)
            if not octets:
                return
            # Octets on a SYN (RFC 7413) go when the server has answered.
            seq, flags, needs = begin, flags & ~SYN | ACK, 1
        if octets and not seq:
            seq, octets = 1, octets - 1
        self._append(time_us, seq, octets, flags, needs, segment)
        if flags & FIN:
            self._fin_sent = seq + octets
            self.fins |= 1
        if flags & RST:
            self._over = True
            script.ended = RESET_BY_CLIENT

    def _is_behind_fin(self, end: int, segment: CapturedSegment) -> bool:
        """Octets behind the client's FIN, or a FIN before octets: nobody's."""
        if segment.flags & FIN and end <= self.script.sent.end:
            return True
        return segment.octets > 0 and 0 <= self._fin_sent < end

    def _append(self, time_us: int, seq: int, octets: int, flags: int, needs: int, segment: CapturedSegment) -> None:
        kept = segment.options if flags & SYN or not segment.flags & SYN else b""
        made = ClientSegment(time_us, seq, octets, flags, needs, segment.window, segment.urgent, kept)
        self.script.segments.append(made)
        self._sent_end = max(self._sent_end, made.end)

    def _needs(self, segment: CapturedSegment) -> int:
        """Which numbers of the server had come when the client sent this."""
        script = self.script
        seen = script.answers.end + 1 if script.server_isn >= 0 else 0
        if not segment.flags & ACK:
            return 0 if segment.flags & SYN else seen
        if script.server_isn < 0:
            if segment.flags & RST:
                return 0
            self._assume_server((segment.ack - 1) & 0xFFFFFFFF)
            seen = 1
        needs = unwrap((segment.ack - script.server_isn) & 0xFFFFFFFF, seen)
        if not 0 <= needs <= seen + 1 + FARTHEST_OCTETS:
            script.stray += 1
            return seen
        return max(needs, 1)

    def _add_server(self, segment: CapturedSegment) -> None:
        script = self.script
        syn = segment.flags & SYN
        if syn and script.server_isn < 0:
            script.server_isn = segment.seq
            script.server_scale = options.scale(segment.options)
            script.timestamps = (
                options.timestamps(segment.options) is not None
                and options.timestamps(script.segments[0].options) is not None
            )
        if segment.flags & RST:
            self._over = True
            script.ended = RESET_BY_SERVER if script.server_isn >= 0 else REFUSED
            return
        if script.server_isn < 0:
            self._assume_server((segment.seq - 1) & 0xFFFFFFFF)
        seq = unwrap((segment.seq - script.server_isn) & 0xFFFFFFFF, script.answers.end + 1)
        begin = seq if syn else seq - 1
        if begin < -1 or not script.answers.add(begin, segment.data):
            script.stray += 1
            return
        self.octets += len(segment.data)
        self._answers_end = max(self._answers_end, begin + segment.octets)
        acked = unwrap((segment.ack - script.isn) & 0xFFFFFFFF, self._sent_end) if segment.flags & ACK else 0
        if segment.octets and (not self._steps or acked > self._steps[-1][0]):
            self._steps.append((acked, begin))
        self._acked = max(self._acked, acked)
        if segment.flags & FIN:
            script.fin = seq + segment.octets + (1 if syn else 0)
            self.fins |= 2

    def _assume_server(self, isn: int) -> None:
        """The SYN-ACK is not in the capture: take it that the server agreed to what the client offered."""
        script = self.script
        script.server_isn = isn
        script.server_scale = 0
        script.timestamps = options.timestamps(script.segments[0].options) is not None

    def _acked_by_client(self) -> int:
        most = max((segment.needs for segment in self.script.segments), default=0)
        return min(most, self.script.fin) if self.script.fin >= 0 else most

    def _cut_at_hole(self) -> None:
        """Nothing can be played from the first octet on that the capture lacks of the client's, and what the server
        said after it had seen that octet is not to be expected."""
        script = self.script
        end = max(self._sent_end - 1, self._acked - 1)
        if self._fin_sent >= 0:
            end = min(end, self._fin_sent - 1)
        elif end == script.sent.end + 1:
            end -= 1  # that number is a FIN which the capture lacks
        if len(script.sent) >= end:
            return
        script.cut_at = len(script.sent)
        beyond = (i for i, each in enumerate(script.segments) if _last_data(each) > script.cut_at + 1)
        del script.segments[next(beyond, len(script.segments)) :]
        script.sent.cut(script.cut_at)
        had = max(each.needs for each in script.segments) - 1
        after = next((begin for acked, begin in self._steps if acked > script.cut_at + 1), script.expected)
        script.expected = min(script.expected, max(after, had, 0))
        script.answers.cut(script.expected)
        script.fin = -1
        self._over = False
        self.fins = 0
        script.ended = CUT

    def _end(self) -> str:
        script = self.script
        if self._over:
            return script.ended
        if script.server_isn < 0:
            return UNANSWERED
        return CLOSED if self.fins == 3 else CUT


def _last_data(segment: ClientSegment) -> int:
    """The number behind its last octet."""
    return segment.seq + segment.octets + (1 if segment.flags & SYN else 0)
