"""Channels between two real processes: nothing lost, reordered or torn, no wake-up lost, and a death is noticed."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neatctl.core.channel import endpoint
from neatctl.core.native import COMPILED

ROOT = Path(__file__).parent.parent.parent
STANDSTILL_S = 100
CAPACITY = 1 << 16

pytestmark = pytest.mark.system


class End:
    """A process at one end of a link."""

    def __init__(self, role: str, directory: Path, number: int) -> None:
        self.bell = str(directory / f"bell.{role}.{number}")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.channel_end", role, self.bell, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        self.heard("ready")

    def tell(self, **command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def heard(self, what: str) -> dict[str, Any]:
        """The next thing that it says, which must be this."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], STANDSTILL_S)
        assert ready, f"at a standstill, without {what}"
        line = self.process.stdout.readline()
        assert line, f"it died with {self.process.wait()}"
        facts: dict[str, Any] = json.loads(line)
        assert facts["what"] == what
        return facts

    def attach(
        self, kind: str, path: str, generation: int, other: End, total: int, pauses: float = 0.0, **more: object
    ) -> None:
        link = {"kind": kind, "path": path, "generation": generation, "bell": other.bell, "pid": other.process.pid}
        self.tell(do="attach", total=total, pauses=pauses, **link, **more)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """Let it end in order; its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


class Pair:
    """The broker of links between a sender and a taker."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started = 0
        self.ends: list[End] = []

    def start(self, role: str) -> End:
        self.started += 1
        end = End(role, self.directory, self.started)
        self.ends.append(end)
        return end

    def connect(self, sender: End, taker: End, kind: str, generation: int, total: int, pauses: float = 0.0) -> str:
        path = str(self.directory / f"link.{generation}")
        endpoint.create(kind, path, generation, CAPACITY)
        for end, other in ((taker, sender), (sender, taker)):
            end.attach(kind, path, generation, other, total, pauses)
            end.heard("attached")
        return path


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    for end in made.ends:
        if end.process.poll() is None:
            end.kill()
        for stream in (end.process.stdin, end.process.stdout):
            if stream is not None:
                stream.close()


RECORDS = {"ring": 10_000_000, "zmq": 1_000_000} if COMPILED else {"ring": 200_000, "zmq": 400_000}


@pytest.mark.parametrize("kind", ["ring", "zmq"])
def test_millions_of_records_arrive_once_in_order_and_whole(pair: Pair, kind: str) -> None:
    sender, taker = pair.start("sender"), pair.start("taker")
    total = RECORDS[kind]
    pair.connect(sender, taker, kind, 1, total, pauses=40_000 / total if COMPILED else 0.02)
    sender.heard("finished")
    assert taker.heard("finished")["records"] == total
    for end in (sender, taker):
        end.tell(do="state")
    sent, taken = sender.heard("state"), taker.heard("state")
    assert (sent["records"], taken["records"]) == (total, total)
    assert sent["full"] > 10, "the channel never pushed back: this test shows nothing"
    assert sent["sleeps"] + taken["sleeps"] > 10, "neither ever slept: this test shows nothing"
    # Each notices the other's end, which it was told to watch.
    assert sender.end() == 0
    taker.heard("gone")
    assert taker.end() == 0


@pytest.mark.parametrize(("kind", "rounds"), [("ring", 60_000 if COMPILED else 20_000), ("zmq", 5_000)])
def test_two_that_wait_for_each_other_are_always_woken(pair: Pair, kind: str, rounds: int) -> None:
    players = [pair.start("player"), pair.start("player")]
    paths = [str(pair.directory / name) for name in ("there", "back")]
    for path in paths:
        endpoint.create(kind, path, 1, CAPACITY)
    for serves, (player, other) in enumerate((players, players[::-1])):
        back = paths[1 - serves]
        player.attach(kind, paths[serves], 1, other, rounds, back=back, serves=bool(serves))
        player.heard("attached")
    for player in players:
        assert player.heard("finished")["records"] == rounds
    for player in players:
        player.tell(do="state")
        assert player.heard("state")["sleeps"] > rounds // 100, "it never slept: this test shows nothing"
    for path in paths:
        endpoint.remove(kind, path)


@pytest.mark.parametrize("kind", ["ring", "zmq"])
@pytest.mark.parametrize("victim", ["sender", "taker"])
def test_who_outlives_a_killed_peer_notices_and_goes_on_with_the_next(pair: Pair, kind: str, victim: str) -> None:
    chance = random.Random(f"{kind}{victim}")
    endless = 1 << 60
    ends = {"sender": pair.start("sender"), "taker": pair.start("taker")}
    survivor = "taker" if victim == "sender" else "sender"
    path = pair.connect(ends["sender"], ends["taker"], kind, 1, endless, pauses=0.05)
    for generation in range(2, 8):
        # A random point: the delay decides it, to the microsecond.
        select.select([], [], [], chance.uniform(0.001, 0.05))
        ends[victim].kill()
        seen = ends[survivor].heard("gone")
        assert seen["records"] >= 0
        ends[victim] = pair.start(victim)
        if kind == "ring":
            for end, other in ((ends[survivor], ends[victim]), (ends[victim], ends[survivor])):
                end.attach(kind, path, generation, other, endless)
                assert end.heard("refused")["reason"] == "generation"
        endpoint.remove(kind, path)
        path = pair.connect(ends["sender"], ends["taker"], kind, generation, endless, pauses=0.05)
    counted = 0
    while counted < 1000:
        ends["taker"].tell(do="state")
        counted = ends["taker"].heard("state")["records"]
    endpoint.remove(kind, path)


def test_a_taker_that_stands_still_stops_its_sender_which_goes_on_after_it(pair: Pair) -> None:
    sender, taker = pair.start("sender"), pair.start("taker")
    os.kill(taker.process.pid, signal.SIGSTOP)
    path = str(pair.directory / "link")
    endpoint.create("ring", path, 1, CAPACITY)
    sender.attach("ring", path, 1, taker, 20_000)
    sender.heard("attached")
    states: list[int] = []
    while len(states) < 2 or states[-1] != states[-2]:
        select.select([], [], [], 0.05)
        sender.tell(do="state")
        states.append(sender.heard("state")["records"])
    assert 0 < states[-1] < 20_000, "a full ring did not push back"
    sender.tell(do="state")
    state = sender.heard("state")
    assert state["full"] > 0
    select.select([], [], [], 0.2)
    sender.tell(do="state")
    assert sender.heard("state")["turns"] - state["turns"] < 200, "it did not sleep while the ring was full"
    os.kill(taker.process.pid, signal.SIGCONT)
    taker.attach("ring", path, 1, sender, 20_000)
    taker.heard("attached")
    assert taker.heard("finished")["records"] == 20_000
    sender.heard("finished")
