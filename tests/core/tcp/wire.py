"""Two of our machines and a wire between them that loses, repeats, delays and reorders, in virtual time.

The wire cuts super-frames into segments as a device does. Each machine runs one program that sends what it has, reads
with pauses, and closes; what it received is in `got`. Same seed, same run.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from neatctl.core.channel.records import (
    ACCEPTED,
    CLOSE,
    CONSUMED,
    DATA,
    END,
    RESET,
    ROOM,
    SEND,
    SHUT,
    TAKEN,
    THEN_CLOSE,
    THEN_SHUT,
)
from tests.core.tcp.host import APP, CLIENT, LISTENER, MS, PORT, SERVER, Host, Segment, build

LIMIT_US = 3_600_000_000


@dataclass
class Weather:
    """What the wire does to each segment: probabilities from 0 to 1, times in microseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    delay_us: int = 50
    jitter_us: int = 0
    reorder: float = 0.0
    """How likely a segment is held back for a while."""
    reorder_us: int = 2_000


class Program:
    """What an application does with its one connection."""

    def __init__(self, host: Host, data: bytes, rng: random.Random, chunk: int, lazy: float, polite: bool) -> None:
        self.host = host
        self.left = data
        self.rng = rng
        self.chunk = chunk
        self.lazy = lazy
        """How likely it is not to read when it could."""
        self.polite = polite
        """It shuts, waits for the peer's END and then closes; else it closes with its last octets."""
        self.id = 0
        self.room = 0
        self.unread = 0
        self.got = bytearray()
        self.ended = False
        self.shut = False
        self.closed = False
        self.error = 0

    @property
    def done(self) -> bool:
        return self.closed or self.error != 0

    def run(self) -> bool:
        """Read what came and write what may be written; whether anything happened."""
        host = self.host
        busy = False
        for told in host.told():
            busy = True
            if told.kind == ACCEPTED:
                self.id, self.room = told.id, told.second
                if told.value == LISTENER:
                    host.say(TAKEN, LISTENER, 1)
            elif told.kind == DATA:
                assert not self.ended
                self.got += told.payload
                self.unread += len(told.payload)
            elif told.kind == ROOM:
                self.room += told.value
            elif told.kind == END:
                assert not self.ended
                self.ended = True
            elif told.kind == RESET:
                self.error = told.value
        if not self.id or self.done:
            return busy
        if self.unread and self.rng.random() >= self.lazy:
            octets = self.rng.randint(1, self.unread)
            self.unread -= octets
            host.say(CONSUMED, self.id, octets)
            busy = True
        if self.left and self.room:
            octets = min(self.rng.randint(1, self.chunk), self.room, len(self.left))
            last = octets == len(self.left)
            flags = (THEN_SHUT if self.polite else THEN_CLOSE) if last and self.rng.random() < 0.5 else 0
            host.say(SEND, self.id, payload=self.left[:octets], flags=flags)
            self.left = self.left[octets:]
            self.room -= octets
            self.shut = bool(flags & THEN_SHUT)
            self.closed = bool(flags & THEN_CLOSE)
            return True
        if not self.left and not self.shut and not self.closed:
            if self.polite:
                host.say(SHUT, self.id)
                self.shut = True
                return True
            if self.ended:
                host.say(CLOSE, self.id)
                self.closed = True
                return True
        if self.shut and self.ended and not self.closed:
            host.say(CLOSE, self.id)
            self.closed = True
            return True
        return busy


def cut(segment: Segment) -> list[bytes]:
    """A super-frame as the segments that a device makes of it."""
    size = segment.gso_size
    if not size:
        return [segment.octets]
    options = segment.octets[20 : len(segment.octets) - len(segment.data)]
    key = segment.key[4:8] + segment.key[0:4] + segment.key[10:12] + segment.key[8:10]
    pieces = []
    for at in range(0, len(segment.data), size):
        data = segment.data[at : at + size]
        flags = segment.flags if at + size >= len(segment.data) else segment.flags.replace("F", "").replace("P", "")
        pieces.append(build(key, flags, segment.seq + at, segment.ack, segment.window, data, options))
    return pieces


class Wire:
    """A client and a server, and the time between them."""

    def __init__(self, seed: int, there: Weather, back: Weather, **changes: object) -> None:
        self.rng = random.Random(seed)
        self.server = Host(**changes)  # type: ignore[arg-type]
        self.client = Host(address="10.77.0.1", **changes)  # type: ignore[arg-type]
        self.weather = {id(self.client): there, id(self.server): back}
        self.now = self.server.now
        self.flying: list[tuple[int, int, bytes, bytes, Host]] = []
        self.carried = 0
        self.programs: list[Program] = []

    def connect(self, port: int) -> int:
        return self.client.tcp.connect(APP, CLIENT, port, SERVER, PORT, self.now)

    def run(self) -> None:
        """Let both programs and all timers run to their end, TIME-WAIT included; fails if there is none."""
        quiet = 0
        while True:
            moved = [self._turn(host) for host in (self.client, self.server)]
            moved += [program.run() for program in self.programs]
            if any(moved):
                quiet = 0
                self._set_time(self.now + 20)
                continue
            quiet += 1
            if quiet <= 1:
                continue
            due = [host.tcp.deadline() for host in (self.client, self.server) if host.tcp.deadline() >= 0]
            due += [self.flying[0][0]] if self.flying else []
            if any(program.unread and not program.done for program in self.programs):
                due.append(self.now + 5 * MS)
            if not due:
                return
            self._set_time(max(min(due), self.now + 1))
            assert self.now - self.server.config.generation < self.start + LIMIT_US, "no end"

    @property
    def start(self) -> int:
        return 1_000_000_000_000

    def _set_time(self, now: int) -> None:
        self.now = self.client.now = self.server.now = now

    def _turn(self, host: Host) -> bool:
        """Deliver what has arrived, let timers run out, put what is sent on the wire."""
        busy = False
        while self.flying and self.flying[0][0] <= self.now:
            _, _, key, octets, target = heapq.heappop(self.flying)
            target.arrive(key, octets)
            busy = True
        host.tcp.expire(self.now)
        other = self.server if host is self.client else self.client
        for segment in host.sent():
            busy = True
            key = segment.key[4:8] + segment.key[0:4] + segment.key[10:12] + segment.key[8:10]
            for octets in cut(segment):
                self._fly(self.weather[id(host)], key, octets, other)
        return busy

    def _fly(self, weather: Weather, key: bytes, octets: bytes, other: Host) -> None:
        copies = 2 if self.rng.random() < weather.duplicate else 1
        for _ in range(copies):
            if self.rng.random() < weather.loss:
                continue
            at = self.now + weather.delay_us + (self.rng.randint(0, weather.jitter_us) if weather.jitter_us else 0)
            if self.rng.random() < weather.reorder:
                at += self.rng.randint(1, weather.reorder_us)
            self.carried += 1
            heapq.heappush(self.flying, (at, self.carried, key, octets, other))
