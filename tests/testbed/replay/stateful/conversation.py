"""Captured conversations and a live server, for the tests: all in memory and in virtual time.

`Tape` writes a conversation down as a capture would have it. `Server` is a TCP server of few lines, on purpose not the
project's own; `Link` carries segments both ways, late, twice or not at all; `play` runs a player over them to its end.
"""

from __future__ import annotations

import heapq
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from neatctl.core.native import Memory
from neatctl.core.wire.tcp_header import ACK, FIN, PSH, RST, SYN, Segment
from neatctl.testbed.replay.stateful.captured import CapturedSegment
from neatctl.testbed.replay.stateful.player import Player, Setting
from neatctl.testbed.replay.stateful.script import Script, Writer

CLIENT, SERVER = (b"\x0a\x00\x00\x01", 40000), (b"\x0a\x00\x00\x02", 80)
SYN_OPTIONS = bytes.fromhex("020405b40402080a000003e80000000001030307")
TIMES = bytes.fromhex("0101080a000003e800000001")
PSEUDO = bytes.fromhex("0a4d00fe0a4d0002")
PORTS = bytes.fromhex("9c400050")


class Tape:
    """A conversation in the making; numbers are relative, and each segment is a millisecond after the one before."""

    def __init__(self, isn: int = 0xFFFFFF00, server_isn: int = 0xFFFFFFF0) -> None:
        self.segments: list[CapturedSegment] = []
        self.isn, self.server_isn = isn, server_isn
        self.seq, self.ack = 0, 0
        self.now_ns = 1_790_000_000_000_000_000
        self._ident = 0

    def client(
        self, flags: int = ACK, data: bytes = b"", window: int = 500, seq: int = -1, cut: int = 0
    ) -> CapturedSegment:
        """From the client, that acknowledges all that the server said; `cut` octets of its end are not captured."""
        at = self.seq if seq < 0 else seq
        options = SYN_OPTIONS if flags & SYN else TIMES
        made = self._segment(True, flags, at, self.ack, data, options, window, cut)
        self.seq = max(self.seq, at + len(data) + bool(flags & SYN) + bool(flags & FIN))
        return made

    def server(
        self, flags: int = ACK, data: bytes = b"", seq: int = -1, ack: int = -1, cut: int = 0
    ) -> CapturedSegment:
        """From the server."""
        at = self.ack if seq < 0 else seq
        options = SYN_OPTIONS if flags & SYN else TIMES
        made = self._segment(False, flags, at, self.seq if ack < 0 else ack, data, options, 500, cut)
        self.ack = max(self.ack, at + len(data) + bool(flags & SYN) + bool(flags & FIN))
        return made

    def open(self) -> Tape:
        self.client(SYN, window=64000)
        self.server(SYN | ACK)
        self.client()
        return self

    def ask(self, data: bytes, answer: bytes, mss: int = 1448) -> Tape:
        """A request, an answer in segments, an ACK for every two of them."""
        self.client(ACK | PSH, data)
        for at in range(0, len(answer), mss):
            self.server(ACK, answer[at : at + mss])
            if at // mss & 1:
                self.client()
        self.client()
        return self

    def close(self) -> Tape:
        """By the client."""
        self.client(ACK | FIN)
        self.server(ACK | FIN)
        self.client()
        return self

    def script(self) -> Script:
        writer = Writer(1, self.segments[0])
        for segment in self.segments[1:]:
            writer.add(segment)
        return writer.finish()

    def _segment(
        self, from_client: bool, flags: int, seq: int, ack: int, data: bytes, options: bytes, window: int, cut: int
    ) -> CapturedSegment:
        self._ident += 1
        self.now_ns += 1_000_000
        ends = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
        isns = (self.isn, self.server_isn) if from_client else (self.server_isn, self.isn)
        numbers = (isns[0] + seq) & 0xFFFFFFFF, (isns[1] + ack) & 0xFFFFFFFF if flags & ACK else 0
        kept = data[: len(data) - cut]
        made = CapturedSegment(self.now_ns, *ends, self._ident, *numbers, flags, window, 0, options, kept, len(data))
        self.segments.append(made)
        return made


@dataclass
class Server:
    """Answers `answers[i]` when `asks[i]` octets in all have come; then FIN as soon as the client's came, or with the
    last answer. Sends what was not acknowledged again each `rto_us`."""

    asks: list[int]
    answers: list[bytes]
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    closes_first: bool = False
    window: int = 60000
    mss: int = 1000
    rto_us: int = 50_000
    isn: int = 0xFFFFFFFB
    got: dict[int, int] = field(default_factory=dict)
    """Octets of the client by number."""
    rcv_nxt: int = 0
    fin_at: int = -1
    said: bytes = b""
    una: int = 0
    nxt: int = 0
    peer_window: int = 0
    reset: bool = False
    client_isn: int = -1
    ts_recent: int = 0
    ts_now: int = 7000
    most: int = 1
    """Behind all that was ever sent."""

    def arrive(self, octets: bytes) -> list[bytes]:
        """A segment of the client; what is answered."""
        segment = Segment()
        memory = Memory(octets)
        segment.parse(memory, 0, len(octets))
        total = memory.sum(0, len(octets), Memory(PSEUDO).sum(0, 8, 6 + len(octets)))
        assert total == 0xFFFF, "a wrong checksum"
        if segment.flags & RST:
            self.reset = True
            return []
        if segment.flags & SYN:
            self.client_isn, self.rcv_nxt, self.nxt, self.peer_window = segment.seq, 1, 1, segment.window
            self.ts_recent = segment.ts_val
            return [self._say(0, b"", SYN | ACK)]
        assert segment.has_timestamps
        assert segment.ts_ecr <= self.ts_now, "TSecr of another server"
        number = (segment.ack - self.isn) & 0xFFFFFFFF
        assert number <= self.most, "acknowledges what was never sent"
        if number >= self.una:
            self.una, self.peer_window = number, segment.window << 7
            self.nxt = max(self.nxt, number)
        return self._take(segment) + self.send()

    def _take(self, segment: Segment) -> list[bytes]:
        seq = (segment.seq - self.client_isn) & 0xFFFFFFFF
        if not segment.length:
            return []
        self.ts_recent = max(self.ts_recent, segment.ts_val)
        assert seq + segment.length <= self.rcv_nxt + self.window + 2, "beyond the window"
        for i, octet in enumerate(segment.memory.bytes(segment.data_at, segment.data_octets)):
            assert self.got.setdefault(seq + i, octet) == octet
        if segment.flags & FIN:
            self.fin_at = seq + segment.data_octets
        while self.rcv_nxt in self.got:
            self.rcv_nxt += 1
        if self.rcv_nxt == self.fin_at:
            self.rcv_nxt += 1
        while self.asks and self.rcv_nxt - 1 >= self.asks[0]:
            self.said += self.answers[0]
            del self.asks[0], self.answers[0]
        return [self._say(self.nxt, b"", ACK)]

    def send(self, again: bool = False) -> list[bytes]:
        """What the window has room for; all that was not acknowledged when `again`."""
        out: list[bytes] = []
        if again:
            self.nxt = max(self.una, 1 if self.client_isn >= 0 and self.una else 0)
            if not self.una:
                return [self._say(0, b"", SYN | ACK)] if self.client_isn >= 0 else []
        end = len(self.said) + 1
        while self.una and self.nxt < end:
            room = self.una + max(self.peer_window, 1) - self.nxt
            size = min(self.rng.randint(1, self.mss), end - self.nxt, room)
            if size <= 0:
                break
            out.append(self._say(self.nxt, self.said[self.nxt - 1 : self.nxt - 1 + size], ACK))
            self.nxt += size
        ends = not self.asks and (self.closes_first or self.rcv_nxt == self.fin_at + 1 > 0)
        if self.una and self.nxt == end and ends:
            out.append(self._say(self.nxt, b"", ACK | FIN))
            self.nxt += 1
        return out

    @property
    def octets(self) -> bytes:
        return bytes(self.got[number] for number in sorted(self.got))

    def _say(self, seq: int, data: bytes, flags: int) -> bytes:
        self.ts_now += 1
        self.most = max(self.most, seq + len(data) + bool(flags & (SYN | FIN)))
        options = b"\x01\x01\x08\x0a" + struct.pack(">II", self.ts_now, self.ts_recent)
        if flags & SYN:
            options = struct.pack(">BBH", 2, 4, self.mss) + b"\x04\x02\x01\x01" + options + b"\x01\x03\x03\x07"
        window = self.window if flags & SYN else self.window >> 7
        head = struct.pack(
            ">HHIIBBHHH", 80, 40000, (self.isn + seq) & 0xFFFFFFFF, (self.client_isn + self.rcv_nxt) & 0xFFFFFFFF,
            (20 + len(options)) // 4 << 4, flags, window, 0, 0,
        )  # fmt: skip
        return head + options + data


@dataclass
class Link:
    """What becomes of a segment: a delay in microseconds for each copy that arrives."""

    fate: Callable[[int, bytes], list[int]] = lambda _index, _octets: [100]
    carried: int = 0

    def delays(self, octets: bytes) -> list[int]:
        self.carried += 1
        return self.fate(self.carried, octets)


@dataclass
class Played:
    """A play that ended, or did not until the end of time."""

    player: Player
    server: Server
    now_us: int
    sent: list[tuple[int, bytes]]
    """The player's segments by time."""


def play(
    script: Script, server: Server, link: Link | None = None, until_us: int = 600_000_000, **setting: float
) -> Played:
    """The player over the link, until it is over and nothing is under way."""
    link = link or Link()
    player = Player(script, Setting(pseudo=PSEUDO, ports=PORTS, isn_shift=12345, time_shift=77, **setting))  # type: ignore[arg-type]
    events: list[tuple[int, int, bool, bytes]] = []
    sent: list[tuple[int, bytes]] = []
    serial = 0
    now, again_us = 0, server.rto_us
    player.begin(now)
    answers: list[bytes] = []
    while now < until_us:
        for to_server, octets in [(True, each) for each in player.out] + [(False, each) for each in answers]:
            if to_server:
                sent.append((now, octets))
            for delay in link.delays(octets):
                serial += 1
                heapq.heappush(events, (now + delay, serial, to_server, octets))
        player.out.clear()
        answers = []
        if player.over and not events:
            break
        due = player.deadline()
        assert due != 0 or now == 0
        now = max(min([time for time in (due, again_us, events[0][0] if events else -1) if time >= 0]), now)
        if now >= again_us:
            again_us = now + server.rto_us
            if not server.reset and not player.over:
                answers += server.send(again=True)
        while events and events[0][0] <= now:
            _, _, to_server, octets = heapq.heappop(events)
            if to_server:
                answers += server.arrive(octets)
            else:
                segment = Segment()
                segment.parse(Memory(octets), 0, len(octets))
                player.arrive(segment, now)
        if 0 <= player.deadline() <= now:
            player.expire(now)
    return Played(player, server, now, sent)
