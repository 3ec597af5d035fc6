"""A ring trusts nothing that it finds in its memory, and loses no wake-up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.ring import RingConsumer, RingProducer, create_ring_file, format_ring, map_ring_file
from neatctl.core.native import Memory
from tests.core.channel.links import GENERATION, Link, link, ring_memory, rung

CAPACITY = 1024
TAIL, HEAD, ASLEEP, WANTS_ROOM, RECORDS = 64, 128, 192, 256, 512
FILLER = 0xFFFFFFFF


def ends(memory: Memory) -> tuple[RingProducer, RingConsumer]:
    return RingProducer(memory, GENERATION, Ringer("")), RingConsumer(memory, GENERATION, Ringer(""))


def reason_of(consumer: RingConsumer) -> str:
    with pytest.raises(PeerFault) as caught:
        consumer.peek()
    assert caught.value.channel is consumer
    return caught.value.reason


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 0, "record"),
        (8, 0, "length"),
        (8, 1000, "length"),
        (8, 512, "length"),
        (8, 2048, "length"),
        (8, -1024, "length"),
        (8, 1 << 62, "length"),
        (16, GENERATION + 1, "generation"),
        (TAIL, -8, "index"),
        (TAIL, 4, "index"),
        (TAIL, 1 << 62, "index"),
        (TAIL, CAPACITY + 8, "index"),
        (HEAD, -8, "index"),
        (HEAD, 12, "index"),
        (HEAD, 8, "index"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_the_producer(at: int, value: int, reason: str) -> None:
    memory = ring_memory(CAPACITY)
    memory.store64(at, value)
    with pytest.raises(PeerFault) as caught:
        RingProducer(memory, GENERATION, Ringer(""))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 0, "record"),
        (8, 2048, "length"),
        (16, GENERATION - 1, "generation"),
        (HEAD, -8, "index"),
        (HEAD, 12, "index"),
        (HEAD, 1 << 62, "index"),
    ],
)
def test_a_header_that_cannot_be_is_refused_by_the_consumer(at: int, value: int, reason: str) -> None:
    memory = ring_memory(CAPACITY)
    memory.store64(at, value)
    with pytest.raises(PeerFault) as caught:
        RingConsumer(memory, GENERATION, Ringer(""))
    assert caught.value.reason == reason


@pytest.mark.parametrize("tail", [-1, -(1 << 63), 0, 4, 24 + 1, 16 + CAPACITY, (1 << 63) - 8, 8])
def test_a_tail_that_cannot_be_is_a_fault(tail: int) -> None:
    memory = ring_memory(CAPACITY)
    producer, consumer = ends(memory)
    assert producer.send(b"12345678")
    producer.flush()
    assert consumer.receive() == b"12345678"
    memory.store64(TAIL, tail)
    assert reason_of(consumer) == "index"
    memory.store64(TAIL, 16)
    assert consumer.peek() == -1


@pytest.mark.parametrize("head", [-8, 1 << 62, 16 * 64 + 8, 12])
def test_a_head_that_cannot_be_is_a_fault(head: int) -> None:
    memory = ring_memory(CAPACITY)
    producer, _ = ends(memory)
    while producer.send(b"12345678"):
        producer.flush()
    memory.store64(HEAD, head)
    with pytest.raises(PeerFault) as caught:
        producer.reserve(8)
    assert caught.value.reason == "index"
    assert caught.value.channel is producer


def test_a_head_that_goes_back_is_a_fault() -> None:
    memory = ring_memory(CAPACITY)
    producer, consumer = ends(memory)
    while producer.send(bytes(56)):
        producer.flush()
    for _ in range(4):
        consumer.receive()
    consumer.flush()
    while producer.send(bytes(56)):
        producer.flush()
    memory.store64(HEAD, 64)
    with pytest.raises(PeerFault, match="index"):
        producer.reserve(56)


def test_filler_after_filler_is_a_fault_and_no_endless_search() -> None:
    memory = ring_memory(CAPACITY)
    _, consumer = ends(memory)
    memory.store64(RECORDS, GENERATION << 32 | FILLER)
    memory.store64(TAIL, CAPACITY)
    assert reason_of(consumer) == "length"


def test_filler_beyond_the_tail_is_a_fault() -> None:
    memory = ring_memory(CAPACITY)
    producer, consumer = ends(memory)
    assert producer.send(b"12345678")
    producer.flush()
    assert consumer.receive() == b"12345678"
    memory.store64(RECORDS + 16, GENERATION << 32 | FILLER)
    memory.store64(TAIL, 32)
    assert reason_of(consumer) == "length"


def test_a_record_across_the_end_of_the_ring_is_a_fault() -> None:
    memory = ring_memory(CAPACITY)
    producer, consumer = ends(memory)
    for octets in (504, 480):
        assert producer.send(bytes(octets))
        producer.flush()
        assert consumer.receive() == bytes(octets)
        consumer.flush()
    memory.store64(RECORDS + 1000, GENERATION << 32 | 64)
    memory.store64(TAIL, 1000 + 72)
    assert reason_of(consumer) == "length"


corruptions = st.one_of(
    st.tuples(st.just("octet"), st.integers(0, RECORDS + CAPACITY - 1), st.integers(0, 255)),
    st.tuples(st.just("flip"), st.integers(0, 8 * (RECORDS + CAPACITY) - 1), st.just(0)),
    st.tuples(
        st.just("word"),
        st.sampled_from([0, 8, 16, TAIL, HEAD, ASLEEP, WANTS_ROOM])
        | st.integers(0, CAPACITY // 8 - 1).map(lambda word: RECORDS + 8 * word),
        st.sampled_from([0, -1, 8, CAPACITY, 1 << 62, -(1 << 63), (1 << 63) - 8])
        | st.integers(0, 4 * CAPACITY)
        | st.sampled_from([FILLER, FILLER - 1, 0, 8, 500, 1 << 31]).map(lambda length: GENERATION << 32 | length),
    ),
)
hostile_steps = st.lists(
    st.one_of(
        corruptions,
        st.tuples(st.just("send"), st.integers(0, 504), st.just(0)),
        st.tuples(st.just("send"), st.integers(0, 504), st.just(1)),
        st.tuples(st.just("receive"), st.integers(1, 8), st.integers(0, 1)),
        st.tuples(st.just("sleep"), st.just(0), st.just(0)),
    ),
    max_size=50,
)


@settings(deadline=None, max_examples=400)
@given(plan=hostile_steps)
def test_whatever_befalls_the_memory_it_is_a_fault_or_a_record_within_the_ring(
    plan: list[tuple[str, int, int]],
) -> None:
    octets = bytearray(RECORDS + CAPACITY + 64)
    octets[RECORDS + CAPACITY :] = b"\xa5" * 64
    memory = format_ring(Memory(memoryview(octets)[: RECORDS + CAPACITY]), CAPACITY, GENERATION)
    producer, consumer = ends(memory)
    for step, first, second in plan:
        try:
            if step == "octet":
                memory.put8(first, second)
            elif step == "flip":
                memory.put8(first >> 3, memory.get8(first >> 3) ^ 1 << (first & 7))
            elif step == "word":
                memory.store64(first, second)
            elif step == "send":
                if not producer.send(bytes(first)):
                    producer.want_room()
                if second:
                    producer.flush()
            elif step == "receive":
                for _ in range(first):
                    record = consumer.receive()
                    assert record is None or len(record) <= CAPACITY - 8
                if second:
                    consumer.flush()
            else:
                consumer.arm()
                consumer.disarm()
            if step in {"octet", "flip", "word"}:
                ends(memory)  # what an end that opens it now makes of it
        except PeerFault:
            continue
    assert octets[RECORDS + CAPACITY :] == b"\xa5" * 64


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 255), place=st.integers(0, 15))
def test_other_words_of_the_header_do_not_matter(seed: int, place: int) -> None:
    """Octets of the header that no index, flag or check lives in may hold anything."""
    memory = ring_memory(CAPACITY)
    producer, consumer = ends(memory)
    for base in (24, 72, 136, 200, 264, 320):
        memory.put8(base + place, seed)
    assert producer.send(b"as it was")
    producer.flush()
    assert consumer.receive() == b"as it was"


def test_a_busy_consumer_is_not_rung_and_a_sleeping_one_once() -> None:
    with link("ring") as made:
        for _ in range(3):
            assert made.producer.send(b"busy")
            made.producer.flush()
        assert not rung(made.consumer_bell)
        while made.consumer.receive() is not None:
            pass
        assert made.consumer.arm()
        assert made.producer.send(b"a")
        made.producer.flush()
        assert rung(made.consumer_bell)
        assert made.producer.send(b"b")
        made.producer.flush()
        assert not rung(made.consumer_bell)


def test_a_flush_of_nothing_rings_nobody() -> None:
    with link("ring") as made:
        assert made.consumer.arm()
        made.producer.flush()
        made.consumer.flush()
        assert not rung(made.consumer_bell)
        assert not rung(made.producer_bell)


def test_room_is_told_once_and_only_to_who_asked() -> None:
    with link("ring", 1024) as made:
        while made.producer.send(bytes(100)):
            made.producer.flush()
        made.consumer.receive()
        made.consumer.flush()
        assert not rung(made.producer_bell)
        made.producer.want_room()
        made.consumer.receive()
        made.consumer.flush()
        assert rung(made.producer_bell)
        made.consumer.receive()
        made.consumer.flush()
        assert not rung(made.producer_bell)


def test_room_made_between_the_failed_reserve_and_the_wish_is_told() -> None:
    with link("ring", 1024) as made:
        while made.producer.send(bytes(100)):
            made.producer.flush()
        while made.consumer.receive() is not None:
            pass
        made.consumer.flush()
        assert made.consumer.arm()
        made.producer.want_room()
        assert rung(made.consumer_bell)
        made.consumer.disarm()
        assert made.consumer.peek() == -1
        assert made.consumer.arm()
        assert rung(made.producer_bell)
        assert made.producer.send(bytes(100))


def test_two_that_wait_for_each_other_do_not_ring_for_ever() -> None:
    with link("ring", 1024) as made:
        for _ in range(10):
            made.producer.want_room()
            made.consumer.disarm()
            assert made.consumer.arm()
            assert not rung(made.producer_bell), "there is no more room than it knows"


class Exchange:
    """Two processes over one link, each a little machine whose steps can be interleaved call by call."""

    def __init__(self, made: Link, octets: int, total: int) -> None:
        self.made = made
        self.record = bytes(octets)
        self.total = total
        self.sent = 0
        self.received = 0
        self.producing = self._producer()
        self.consuming = self._consumer()

    def produce(self, steps: int) -> None:
        for _ in range(steps):
            next(self.producing)

    def consume(self, steps: int) -> None:
        for _ in range(steps):
            next(self.consuming)

    def _producer(self) -> Iterator[None]:
        producer = self.made.producer
        while True:
            yield
            if self.sent == self.total:
                continue
            if producer.send(self.record):
                self.sent += 1
                yield
                producer.flush()
                continue
            yield
            producer.want_room()
            while not rung(self.made.producer_bell):
                yield

    def _consumer(self) -> Iterator[None]:
        consumer = self.made.consumer
        while True:
            yield
            if consumer.receive() is not None:
                self.received += 1
                yield
                if self.received % 3:
                    consumer.flush()
                continue
            yield
            if consumer.arm():
                while not rung(self.made.consumer_bell):
                    yield
            consumer.disarm()


@settings(deadline=None, max_examples=150)
@given(schedule=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=120), octets=st.integers(1, 400))
def test_no_order_of_calls_leaves_both_asleep_over_work(schedule: list[tuple[bool, int]], octets: int) -> None:
    """Producer and consumer take turns as the schedule says; then both go on until they sleep: all must be there."""
    total = 15
    with link("memory", 1024) as made:
        run = Exchange(made, octets, total)
        for producing, step in schedule:
            if producing:
                run.produce(step)
            else:
                run.consume(step)
        for _ in range(10 * total):
            run.produce(1)
            run.consume(1)
        assert run.received == total


def test_a_ring_file_is_private_new_and_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "ring")
    create_ring_file(path, CAPACITY, GENERATION)
    state = os.stat(path)
    assert state.st_mode & 0o777 == 0o600
    assert state.st_blocks * 512 >= RECORDS + CAPACITY, "a full file system would show as SIGBUS"
    with pytest.raises(FileExistsError):
        create_ring_file(path, CAPACITY, GENERATION)


@pytest.mark.parametrize("capacity", [0, 1000, 512, 1025, -1024])
def test_a_capacity_that_no_ring_has_makes_no_file(tmp_path: Path, capacity: int) -> None:
    path = tmp_path / "ring"
    with pytest.raises(ValueError, match="power of two"):
        create_ring_file(str(path), capacity, GENERATION)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"x", bytes(4096)])
def test_a_file_that_is_no_ring_is_a_fault(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ring"
    path.write_bytes(content)
    with pytest.raises(PeerFault, match="no ring"):
        RingConsumer(map_ring_file(str(path)), GENERATION, Ringer(""))
