"""The loop: what it does before it sleeps, what wakes it, and that nothing is starved or spun for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from neatctl.core.channel.face import Consumer
from neatctl.core.native import now_us
from neatctl.core.process.loop import Loop, Work
from tests.core.channel.links import link

LIMIT_US = 2_000_000
"""A test that is not over by then has failed."""


class Script(Work):
    """Work that is told what to do, and notes what the loop did with it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.turn_at: list[int] = []
        self.does: Callable[[int], int] = lambda _: 0
        self.due = -1
        self.may_sleep: Callable[[], bool] = lambda: True

    def turn(self, now: int) -> int:
        self.calls.append("turn")
        self.turn_at.append(now)
        return self.does(now)

    def arm(self) -> bool:
        self.calls.append("arm")
        return self.may_sleep()

    def disarm(self) -> None:
        self.calls.append("disarm")

    def deadline(self) -> int:
        return self.due


@pytest.fixture
def work() -> Script:
    return Script()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def stop_after(loop: Loop, microseconds: int) -> None:
    """Stop by a timer."""

    def stop(now: int) -> int:
        loop.stop()
        return now + LIMIT_US

    loop.every(stop, now_us() + microseconds)


def run(loop: Loop) -> int:
    """Run until stopped, which must not take long; how long it took (us)."""
    began = now_us()
    stop_after(loop, LIMIT_US)
    loop.run()
    loop.close()
    took = now_us() - began
    assert took < LIMIT_US, "nothing stopped the loop"
    return took


def test_an_idle_loop_looks_so_often_then_arms_then_sleeps(work: Script) -> None:
    loop = Loop(work, spin=5)
    stop_after(loop, 50_000)
    run(loop)
    assert work.calls == ["turn"] * 5 + ["arm", "disarm"]
    assert (loop.turns, loop.busy_turns, loop.sleeps) == (5, 0, 1)


def test_work_makes_it_look_as_often_again(work: Script) -> None:
    loop = Loop(work, spin=4)
    work.does = lambda _: int(loop.turns == 3)
    stop_after(loop, 50_000)
    run(loop)
    assert work.calls == ["turn"] * 7 + ["arm", "disarm"]
    assert loop.busy_turns == 1


def test_what_came_while_it_armed_is_taken_without_sleep(work: Script) -> None:
    loop = Loop(work, spin=1)
    work.may_sleep = lambda: work.calls.count("arm") > 1
    stop_after(loop, 50_000)
    run(loop)
    assert work.calls == ["turn", "arm", "disarm"] * 2
    assert loop.sleeps == 1


def test_a_descriptor_wakes_a_sleeping_loop_and_is_answered_before_the_next_turn(
    work: Script, pipe: tuple[int, int]
) -> None:
    loop = Loop(work, spin=1)

    def last(_: int) -> int:
        loop.stop()
        return 1

    def answer() -> None:
        os.read(pipe[0], 1)
        work.calls.append("answer")
        work.does = last

    def write(now: int) -> int:
        os.write(pipe[1], b"x")
        return now + LIMIT_US

    loop.watch(pipe[0], answer)
    loop.every(write, now_us() + 5_000)
    run(loop)
    assert work.calls[-3:] == ["answer", "disarm", "turn"]
    assert len(work.calls) <= 9


def test_a_loop_that_is_always_busy_still_answers_descriptors_and_timers(work: Script, pipe: tuple[int, int]) -> None:
    loop = Loop(work)
    work.does = lambda _: 1
    ticks: list[int] = []
    os.write(pipe[1], b"12345")

    def answer() -> None:
        os.read(pipe[0], 1)
        work.calls.append("answer")

    def tick(now: int) -> int:
        ticks.append(now)
        return now + 5_000

    loop.watch(pipe[0], answer)
    loop.every(tick)
    stop_after(loop, 60_000)
    run(loop)
    assert work.calls.count("answer") == 5
    assert len(ticks) >= 5
    assert "arm" not in work.calls


def test_a_spinning_loop_answers_descriptors_too(work: Script, pipe: tuple[int, int]) -> None:
    loop = Loop(work, spin=1 << 40)
    os.write(pipe[1], b"x")
    loop.watch(pipe[0], loop.stop)
    assert run(loop) < 500_000


def test_a_deadline_ends_the_sleep_in_time(work: Script) -> None:
    loop = Loop(work, spin=3)
    work.due = now_us() + 15_000

    def does(now: int) -> int:
        if now >= work.due:
            loop.stop()
        return 0

    work.does = does
    run(loop)
    assert 0 <= work.turn_at[-1] - work.due < 100_000
    assert len(work.turn_at) < 10


def test_a_deadline_stuck_in_the_past_is_no_busy_loop(work: Script) -> None:
    loop = Loop(work, spin=3)
    work.due = 1
    stop_after(loop, 50_000)
    run(loop)
    assert 5 < len(work.turn_at) < 60


def test_a_timer_stuck_in_the_past_is_no_busy_loop(work: Script) -> None:
    loop = Loop(work, spin=3)
    ticks: list[int] = []

    def tick(now: int) -> int:
        ticks.append(now)
        return now - 1_000_000

    loop.every(tick)
    stop_after(loop, 50_000)
    run(loop)
    assert 5 < len(ticks) < 60
    assert len(work.turn_at) < 120


def test_a_heartbeat_does_not_make_an_idle_loop_look_again(work: Script) -> None:
    loop = Loop(work, spin=500)
    beats: list[int] = []

    def beat(now: int) -> int:
        beats.append(now)
        return now + 5_000

    loop.every(beat)
    stop_after(loop, 60_000)
    run(loop)
    assert len(beats) >= 5
    assert len(work.turn_at) <= 500 + len(beats) + 3


def test_a_stop_from_the_work_itself_does_not_sleep_first(work: Script) -> None:
    for spin in (0, 1, 50):
        loop = Loop(work, spin=spin)

        def stop(_: int, loop: Loop = loop) -> int:
            loop.stop()
            return 0

        work.does = stop
        assert run(loop) < 500_000
        assert "arm" not in work.calls


def test_a_forgotten_descriptor_is_not_answered_even_if_it_was_ready(work: Script, pipe: tuple[int, int]) -> None:
    other, writing = os.pipe()
    loop = Loop(work, spin=1)
    answered: list[int] = []

    def answer(fd: int, rival: int) -> None:
        answered.append(fd)
        loop.forget(rival)
        os.read(fd, 1)

    os.write(pipe[1], b"x")
    os.write(writing, b"x")
    loop.watch(pipe[0], lambda: answer(pipe[0], other))
    loop.watch(other, lambda: answer(other, pipe[0]))
    stop_after(loop, 50_000)
    run(loop)
    os.close(other)
    os.close(writing)
    assert len(answered) == 1


class Receiver(Script):
    """Work that takes records."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__()
        self.consumer = consumer
        self.received: list[bytes] = []

    def turn(self, now: int) -> int:
        super().turn(now)
        record = self.consumer.receive()
        if record is None:
            return 0
        self.received.append(record)
        return 1

    def arm(self) -> bool:
        super().arm()
        return self.consumer.arm()

    def disarm(self) -> None:
        self.consumer.disarm()


@pytest.mark.parametrize("kind", ["ring", "zmq", "zmq-inproc"])
def test_records_of_every_kind_of_channel_wake_the_loop(kind: str) -> None:
    with link(kind) as made:
        receiver = Receiver(made.consumer)
        loop = Loop(receiver, spin=2)
        loop.watch(made.consumer_bell.fileno(), made.consumer_bell.clear)
        loop.watch_consumer(made.consumer)
        sent: list[bytes] = []

        def send(now: int) -> int:
            if len(receiver.received) == 20:
                loop.stop()
            elif len(sent) == len(receiver.received):
                for _ in range(2):
                    sent.append(bytes([len(sent)]))
                    assert made.producer.send(sent[-1])
                made.producer.flush()
            return now + 1_000

        loop.every(send)
        run(loop)
        assert receiver.received == sent
        assert loop.sleeps >= 10
        assert len(receiver.turn_at) < 400
        loop_free = Loop(receiver)
        loop_free.watch_consumer(made.consumer)
        loop_free.forget_consumer(made.consumer)
        loop_free.close()
