"""Hand-overs and round trips between two processes, for each kind of channel: `bench/channels.py [--json]`.

Both ends run the loop that every component runs, with its usual number of looks before it sleeps, and are driven from
Python: about 0.2 us of each record are the driver's, not the channel's. A hand-over is one record from one process to
the other; a burst is what one flush hands over. Round trips are of one record each way.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.native import now_us
from neatctl.core.process.loop import Loop, Work
from neatctl.core.spin import DEFAULT_SPIN

KINDS = ("ring", "zmq")
SIZES = (64, 1500, 60000)
BURSTS = (1, 32)
RUN_US = 250_000
RUNS = 3
END = b""
"""A record without octets ends a run; it is returned when all before it were taken."""


class Ends(Work):
    """A process's two ends of a pair of links."""

    def __init__(self, kind: str, directory: str, me: str, other: str) -> None:
        self.bell = Doorbell(f"{directory}/bell.{me}")
        while not Path(f"{directory}/bell.{other}").exists():
            pass
        bell = f"{directory}/bell.{other}"
        self.consumer = endpoint.open_consumer(kind, f"{directory}/to.{me}", 1, bell)
        self.producer = endpoint.open_producer(kind, f"{directory}/to.{other}", 1, bell)

    def loop(self, spin: int) -> Loop:
        """A loop over this work."""
        loop = Loop(self, spin)
        loop.watch(self.bell.fileno(), self.bell.clear)
        loop.watch_consumer(self.consumer)
        return loop

    def arm(self) -> bool:
        return self.consumer.arm()

    def disarm(self) -> None:
        self.consumer.disarm()

    def close(self) -> None:
        self.producer.close()
        self.consumer.close()
        self.bell.close()


class Taker(Ends):
    """Takes records and returns the last of a run, or each."""

    echo = False

    def turn(self, _: int) -> int:
        consumer, producer = self.consumer, self.producer
        taken = 0
        while taken < 64:
            octets = consumer.peek()
            if octets < 0:
                break
            if self.echo or octets == 0:
                producer.send(consumer.memory.bytes(consumer.at, octets))
            consumer.release()
            taken += 1
        if taken:
            consumer.flush()
            producer.flush()
        return taken


class Sender(Ends):
    """Sends bursts for a while, then waits for the end of the run to come back."""

    record = b""
    burst = 1
    sent = 0
    until = 0
    ended = False
    stop: Callable[[], None]

    def turn(self, now: int) -> int:
        producer = self.producer
        if self.ended:
            if self.consumer.receive() is None:
                producer.flush()
                return 0
            self.consumer.flush()
            self.stop()
            return 1
        if now >= self.until:
            self.ended = producer.send(END)
            producer.flush()
            return int(self.ended)
        send, record = producer.send, self.record
        for _ in range(self.burst):
            if not send(record):
                producer.want_room()
                producer.flush()
                return 0
            self.sent += 1
        producer.flush()
        return self.burst


class Asker(Ends):
    """Sends a record and waits until it is back, again and again."""

    record = b""
    rounds = 0
    until = 0
    waiting = False
    stop: Callable[[], None]

    def turn(self, now: int) -> int:
        if self.waiting:
            if self.consumer.peek() < 0:
                return 0
            self.consumer.release()
            self.consumer.flush()
            self.waiting = False
            self.rounds += 1
            if now >= self.until:
                self.stop()
                return 1
        self.producer.send(self.record)
        self.producer.flush()
        self.waiting = True
        return 1


def run(work: Sender | Asker, spin: int) -> float:
    """One run; how long it took in seconds."""
    loop = work.loop(spin)
    work.stop = loop.stop
    began = now_us()
    work.until = began + RUN_US
    loop.run()
    took = now_us() - began
    loop.close()
    return took / 1e6


def hand_overs(work: Sender, octets: int, burst: int) -> float:
    """Records a second."""
    work.record, work.burst, work.sent, work.ended = bytes(octets), burst, 0, False
    took = run(work, DEFAULT_SPIN)
    return work.sent / took


def round_trip_us(work: Asker, octets: int, spin: int) -> float:
    """Microseconds a round, on average."""
    work.record, work.rounds = bytes(octets), 0
    took = run(work, spin)
    return took * 1e6 / work.rounds


def median(measure: Callable[[], float]) -> float:
    return sorted(measure() for _ in range(RUNS))[RUNS // 2]


def figure(name: str, value: float, unit: str, note: str) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "note": f"median of {RUNS}; {note}"}


def with_taker(kind: str, echo: bool, spin: int, measure: Callable[[str], None]) -> None:
    """Make the links, start the other process, measure, and clear all away."""
    with tempfile.TemporaryDirectory(prefix="neat") as directory:
        for end in ("first", "second"):
            endpoint.create(kind, f"{directory}/to.{end}", 1)
        taker = subprocess.Popen(
            [sys.executable, __file__, "--taker", kind, directory, str(int(echo)), str(spin)], stdin=subprocess.PIPE
        )
        try:
            measure(directory)
        finally:
            taker.communicate()


def measure_kind(kind: str) -> list[dict[str, object]]:
    """All figures of one kind."""
    figures: list[dict[str, object]] = []

    def throughput(directory: str) -> None:
        work = Sender(kind, directory, "first", "second")
        for octets in SIZES:
            for burst in BURSTS:
                value = median(lambda octets=octets, burst=burst: hand_overs(work, octets, burst))  # type: ignore[misc]
                gigabits = value * octets * 8 / 1e9
                name = f"{kind}, {octets} octets, bursts of {burst}"
                figures.append(figure(name, value, "records/s", f"{gigabits:.2f} Gbit/s"))
        work.close()

    def awake(directory: str) -> None:
        work = Asker(kind, directory, "first", "second")
        for octets in SIZES:
            value = median(lambda octets=octets: round_trip_us(work, octets, DEFAULT_SPIN))  # type: ignore[misc]
            figures.append(figure(f"{kind}, {octets} octets, round trip", value, "us", f"{DEFAULT_SPIN} looks"))
        work.close()

    def asleep(directory: str) -> None:
        work = Asker(kind, directory, "first", "second")
        value = median(lambda: round_trip_us(work, SIZES[0], 0))
        figures.append(figure(f"{kind}, {SIZES[0]} octets, round trip", value, "us", "asleep at once"))
        work.close()

    with_taker(kind, False, DEFAULT_SPIN, throughput)
    with_taker(kind, True, DEFAULT_SPIN, awake)
    with_taker(kind, True, 0, asleep)
    return figures


def take(kind: str, directory: str, echo: str, spin: str) -> None:
    """The other process: until standard input ends."""
    work = Taker(kind, directory, "second", "first")
    work.echo = echo == "1"
    loop = work.loop(int(spin))
    loop.watch(0, loop.stop)
    loop.run()
    work.close()


def main() -> int:
    if sys.argv[1:2] == ["--taker"]:
        take(*sys.argv[2:])
        return 0
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one JSON array on standard output")
    options = made.parse_args()
    figures = [line for kind in KINDS for line in measure_kind(kind)]
    if options.json:
        print(json.dumps(figures))
        return 0
    width = max(len(str(line["name"])) for line in figures)
    for line in figures:
        print(f"{line['name']:{width}}  {line['value']:>12,.1f} {line['unit']:9}  {line['note']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
