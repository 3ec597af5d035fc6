"""One end of a channel as a process of its own, for test_channels.py: sends or takes records in a Loop.

    python -m tests.system.channel_end sender|taker|player DOORBELL SEED

Commands come over standard input as JSON, one a line: attach to a link and watch the process at its other end. What
happened goes to standard output, one JSON object a line. There is no timer anywhere: a lost wake-up is a standstill.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.process.loop import Loop, Work
from neatctl.core.spin import Pace

_KINDS = 4096
"""Records repeat themselves so often."""
_NUMBERED = 64
"""Each so many-th has its number in front, so that no repetition hides a loss."""


def contents() -> list[bytes]:
    """One record of each kind, of random sizes, some long, most short: the same in all processes."""
    chance = random.Random(1)
    records = [chance.randbytes(chance.randint(0, chance.choice((0, 60, 200, 600)))) for _ in range(_KINDS)]
    for place in range(0, _KINDS, 256):
        records[place] = chance.randbytes(chance.randint(1000, 4000))
    return records


class End(Work):
    """What both ends have: pauses at random, a link, and a process to watch."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.records = contents()
        self.number = 0
        self.total = 0
        self.pauses = 0.0

    def pause(self) -> None:
        if self.chance.random() < self.pauses:
            time.sleep(self.chance.random() * 0.002)

    def attach(self, loop: Loop, command: dict[str, Any]) -> None:
        self.number = 0
        self.total = command["total"]
        self.pauses = command["pauses"]

    def detach(self, loop: Loop) -> None:
        raise NotImplementedError

    def finished(self) -> None:
        tell("finished", records=self.number)

    def state(self) -> dict[str, int]:
        return {"records": self.number}


class Sender(End):
    """Sends records in bursts of a random length."""

    producer: Producer | None = None

    def attach(self, loop: Loop, command: dict[str, Any]) -> None:
        super().attach(loop, command)
        self.producer = endpoint.open_producer(*link_of(command))

    def detach(self, loop: Loop) -> None:
        if self.producer is not None:
            self.producer.close()
        self.producer = None

    def turn(self, now: int) -> int:
        producer = self.producer
        if producer is None:
            return 0
        if self.number == self.total:
            producer.flush()
            return 0
        send = producer.send
        first = number = self.number
        kind = first % _KINDS
        for record in self.records[kind : kind + min(self.chance.randint(1, 64), self.total - first)]:
            if not send(record if number % _NUMBERED else number.to_bytes(8, "big") + record):
                producer.want_room()
                break
            number += 1
        self.number = number
        producer.flush()
        self.pause()
        if number == self.total and number != first:
            self.finished()
        return number - first

    def state(self) -> dict[str, int]:
        return {**super().state(), "full": self.producer.full if self.producer is not None else 0}


class Taker(End):
    """Takes records and holds each to what must come next."""

    consumer: Consumer | None = None

    def attach(self, loop: Loop, command: dict[str, Any]) -> None:
        super().attach(loop, command)
        self.consumer = endpoint.open_consumer(*link_of(command))
        loop.watch_consumer(self.consumer)

    def detach(self, loop: Loop) -> None:
        if self.consumer is not None:
            while self.turn(0):
                pass
            loop.forget_consumer(self.consumer)
            self.consumer.close()
        self.consumer = None

    def turn(self, now: int) -> int:
        consumer = self.consumer
        if consumer is None:
            return 0
        receive = consumer.receive
        first = number = self.number
        kind = first % _KINDS
        for due in self.records[kind : kind + 64]:
            record = receive()
            if record is None:
                break
            if record != (due if number % _NUMBERED else number.to_bytes(8, "big") + due):
                raise AssertionError(f"{len(record)} octets, {record[:16]!r}, where record {number} was due")
            number += 1
        self.number = number
        consumer.flush()
        self.pause()
        if number == self.total and number != first:
            self.finished()
        return number - first

    def arm(self) -> bool:
        return self.consumer is None or self.consumer.arm()

    def disarm(self) -> None:
        if self.consumer is not None:
            self.consumer.disarm()


class Player(Taker):
    """Serves a number or returns it, and soon sleeps until the next comes: a wake-up that is lost is the last."""

    producer: Producer | None = None
    loop: Loop

    def attach(self, loop: Loop, command: dict[str, Any]) -> None:
        super().attach(loop, command)
        self.loop = loop
        self.producer = endpoint.open_producer(command["kind"], command["back"], command["generation"], command["bell"])
        self.serves = command["serves"]
        if self.serves:
            self.play()

    def detach(self, loop: Loop) -> None:
        super().detach(loop)
        if self.producer is not None:
            self.producer.close()
        self.producer = None

    def play(self) -> None:
        assert self.producer is not None
        for _ in range(self.chance.randint(0, 40)):
            pass
        assert self.producer.send(self.number.to_bytes(8, "big"))
        self.producer.flush()
        self.loop.spin.set(Pace(self.chance.randint(0, 6)))

    def turn(self, now: int) -> int:
        record = self.consumer.receive() if self.consumer is not None else None
        if self.consumer is None or record is None:
            return 0
        if record != self.number.to_bytes(8, "big"):
            raise AssertionError(f"{record!r} where {self.number} was due")
        self.consumer.flush()
        if not self.serves:
            self.play()
        self.number += 1
        if self.number == self.total:
            self.finished()
        elif self.serves:
            self.play()
        return 1


def link_of(command: dict[str, Any]) -> tuple[str, str, int, str]:
    return command["kind"], command["path"], command["generation"], command["bell"]


def tell(what: str, **facts: object) -> None:
    print(json.dumps({"what": what, **facts}), flush=True)


def main() -> None:
    role, bell_path, seed = sys.argv[1:]
    end: End = {"sender": Sender, "taker": Taker, "player": Player}[role](int(seed))
    bell = Doorbell(bell_path)
    loop = Loop(end)
    loop.watch(bell.fileno(), bell.clear)
    unread = b""

    def watch_peer(pid: int) -> None:
        peer = os.pidfd_open(pid)

        def gone() -> None:
            loop.forget(peer)
            os.close(peer)
            state = end.state()
            end.detach(loop)
            tell("gone", **{**state, "records": end.number})

        loop.watch(peer, gone)

    def obey(command: dict[str, Any]) -> None:
        if command["do"] == "attach":
            try:
                end.attach(loop, command)
            except PeerFault as fault:
                tell("refused", reason=fault.reason)
                return
            watch_peer(command["pid"])
            tell("attached")
        else:
            tell("state", **end.state(), sleeps=loop.sleeps, turns=loop.turns)

    def commanded() -> None:
        nonlocal unread
        octets = os.read(0, 65536)
        if not octets:
            loop.stop()
        *lines, unread = (unread + octets).split(b"\n")
        for line in lines:
            obey(json.loads(line))

    loop.watch(0, commanded)
    tell("ready")
    loop.run()
    end.detach(loop)
    bell.close()


if __name__ == "__main__":
    main()
