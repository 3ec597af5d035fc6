"""Plays the scripts of a capture through a station: many connections at once, one clock, one wait.

With a speed, connections begin as they did in the capture; without, as soon as one of `at_once` places is free.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from neatctl.core.native import now_us
from neatctl.core.wire.tcp_header import ACK, RST, Segment
from neatctl.testbed.replay.stateful import options
from neatctl.testbed.replay.stateful.player import Player, Setting
from neatctl.testbed.replay.stateful.script import Endpoint, Script
from neatctl.testbed.replay.stateful.segment_octets import Speaker
from neatctl.testbed.replay.stateful.station import Station

LINGER_US = 1_000_000
"""How long an end is remembered, in case the last ACK was lost."""
LONGEST_WAIT_US = 100_000
FIRST_PORT = 1024
_MASK = 0xFFFFFFFF


class NoPlace(Exception):
    """Every address and port of the station was used."""


@dataclass
class Play:
    """A player at work."""

    player: Player
    source: Endpoint
    begun_us: int
    looked_at_us: int = 1 << 62
    """When it will be looked at, at the latest."""


class Runner:
    """`finished(play, seconds)` is called for each connection when it is over."""

    def __init__(
        self,
        station: Station,
        port: int,
        speed: float,
        at_once: int,
        timeout_us: int,
        limit_us: int,
        finished: Callable[[Play, float], None],
    ) -> None:
        self._station = station
        self._port = port
        """The live server's; 0: as captured."""
        self._speed = speed
        self._at_once = at_once
        self._timeout_us = timeout_us
        self._limit_us = limit_us
        self._finished = finished
        self._plays: dict[bytes, Play] = {}
        self._ended: dict[bytes, tuple[int, Play]] = {}
        self._deadlines: list[tuple[int, int, Play]] = []
        self._serial = 0
        self._used: set[Endpoint] = set()
        self._address_of: dict[bytes, int] = {}
        self._lossy = False

    def run(self, scripts: Sequence[Script], look: Callable[[], object]) -> None:
        """Play them all; `look` is called each 100 ms or more often. NoPlace, OSError (the link went away)."""
        waiting = deque(sorted(scripts, key=lambda script: script.begin_ns) if self._speed else scripts)
        begun = now_us()
        first_ns = waiting[0].begin_ns if waiting else 0
        while waiting or self._plays:
            now = now_us()
            next_us = now + LONGEST_WAIT_US
            while waiting:
                if self._speed:
                    start = begun + int((waiting[0].begin_ns - first_ns) / 1000 / self._speed)
                    if start > now:
                        next_us = min(next_us, start)
                        break
                elif len(self._plays) >= self._at_once:
                    break
                self._begin(waiting.popleft(), now)
            self._turn(next_us)
            look()
        end = now_us() + LINGER_US
        while self._lossy and self._ended and now_us() < end:
            self._turn(end)

    def stop(self) -> None:
        """Reset what is being played."""
        for play in list(self._plays.values()):
            play.player.stop()
            self._look_at(play, now_us())

    def _turn(self, until_us: int) -> None:
        """Wait for the server or the next deadline, and do what is due."""
        now = now_us()
        due = min(self._deadlines[0][0], until_us) if self._deadlines else until_us
        if due > now:
            self._station.wait(due - now)
        for key, segment in self._station.receive():
            self._arrive(key, segment, now_us())
        now = now_us()
        while self._deadlines and self._deadlines[0][0] <= now:
            at, _, play = heapq.heappop(self._deadlines)
            if at == play.looked_at_us:
                play.looked_at_us = 1 << 62
                if 0 <= play.player.deadline() <= now:
                    play.player.expire(now)
                self._look_at(play, now)
        while self._ended and (oldest := next(iter(self._ended.items())))[1][0] <= now:
            del self._ended[oldest[0]]

    def _begin(self, script: Script, now: int) -> None:
        source = self._source(script.client)
        port = (self._port or script.server[1]).to_bytes(2, "big")
        times = options.timestamps(script.segments[0].options)
        setting = Setting(
            pseudo=source[0] + self._station.server,
            ports=source[1].to_bytes(2, "big") + port,
            speed=self._speed,
            timeout_us=self._timeout_us,
            limit_us=self._limit_us,
            mtu=self._station.mtu,
            # As a clock: what the server remembers of an earlier play is always older (RFC 6528, RFC 6191).
            isn_shift=now >> 2 & _MASK,
            time_shift=(now // 1000 - times[0]) & _MASK if times is not None else 0,
        )
        play = Play(Player(script, setting), source, now)
        self._plays[source[0] + setting.ports[:2]] = play
        play.player.begin(now)
        self._look_at(play, now)

    def _source(self, client: Endpoint) -> Endpoint:
        """An address for this client, always the same one, and its port; others if that was used."""
        addresses = self._station.addresses
        first = self._address_of.setdefault(client[0], len(self._address_of) % len(addresses))
        for port in (client[1], *range(FIRST_PORT, 1 << 16)):
            for step in range(len(addresses)):
                found = addresses[(first + step) % len(addresses)], port
                if port and found not in self._used:
                    self._used.add(found)
                    return found
        raise NoPlace("all addresses and ports of the testbed's link were used: play fewer with --connections A-B")

    def _arrive(self, key: bytes, segment: Segment, now: int) -> None:
        play = self._plays.get(key)
        if play is not None:
            play.player.arrive(segment, now)
            self._look_at(play, now)
        elif key in self._ended:
            play = self._ended[key][1]
            play.player.arrive(segment, now)
            self._send(play)
        elif segment.flags & ACK and not segment.flags & RST:
            source, ports = key[:4], key[4:] + segment.memory.bytes(segment.at, 2)
            self._station.send(source, Speaker(source + self._station.server, ports, 0).reset(segment.ack))

    def _look_at(self, play: Play, now: int) -> None:
        """Send what a player says; see to its end or its next deadline."""
        self._send(play)
        player = play.player
        if player.over:
            key = play.source[0] + play.source[1].to_bytes(2, "big")
            if self._plays.pop(key, None) is not None:
                self._lossy = self._lossy or player.flight.retransmitted > 0
                self._ended[key] = (now + LINGER_US, play)
                self._finished(play, (now - play.begun_us) / 1e6)
            return
        due = player.deadline()
        if due < play.looked_at_us:
            play.looked_at_us = due
            self._serial += 1
            heapq.heappush(self._deadlines, (due, self._serial, play))

    def _send(self, play: Play) -> None:
        for segment in play.player.out:
            self._station.send(play.source[0], segment)
        play.player.out.clear()
