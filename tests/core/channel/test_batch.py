"""Records in batches over ZeroMQ: what only this channel can get wrong."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.channel.batch import (
    BATCH_OCTETS,
    HIGH_WATER,
    MAX_RECORD,
    MESSAGE_OCTETS,
    BatchConsumer,
    BatchProducer,
)
from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import PeerFault
from tests.core.channel.links import GENERATION, link, rung

_numbers = itertools.count()


def fresh_name() -> str:
    """An inproc name; ZeroMQ frees the old ones a little after their close."""
    return f"inproc://stranger-{next(_numbers)}"


def record(octets: bytes, generation: int = GENERATION) -> bytes:
    """A record as it travels."""
    word = generation << 32 | len(octets)
    return word.to_bytes(8, "little") + octets + bytes(-len(octets) & 7)


@contextmanager
def stranger() -> Iterator[tuple[zmq.Socket[bytes], BatchConsumer]]:
    """A consumer, and a socket that says to it what it likes."""
    name = fresh_name()
    consumer = BatchConsumer(name, GENERATION, Ringer(""))
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
    socket.connect(name)
    try:
        yield socket, consumer
    finally:
        socket.close(0)
        consumer.close()


@contextmanager
def plain_pull() -> Iterator[tuple[BatchProducer, zmq.Socket[bytes]]]:
    """A producer, and a socket that shows its messages."""
    name = fresh_name()
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
    socket.bind(name)
    producer = BatchProducer(name, GENERATION)
    try:
        yield producer, socket
    finally:
        producer.close()
        socket.close(0)


def receive_within(consumer: BatchConsumer, milliseconds: int) -> bytes | None:
    """The next record, if it comes in time."""
    deadline = time.monotonic() + milliseconds / 1e3
    while (got := consumer.receive()) is None and time.monotonic() < deadline:
        time.sleep(0.001)
    return got


def test_one_flush_is_one_message_of_records_as_in_a_ring() -> None:
    with plain_pull() as (producer, socket):
        for octets in (b"one", b"", b"twelve octet"):
            assert producer.send(octets)
        producer.flush()
        producer.flush()
        assert socket.recv() == record(b"one") + record(b"") + record(b"twelve octet")
        assert not socket.poll(0)


def test_a_batch_goes_when_it_is_full_and_takes_the_largest_record_last() -> None:
    with plain_pull() as (producer, socket):
        assert producer.send(bytes(BATCH_OCTETS - 16))
        assert producer.send(bytes(MAX_RECORD))
        assert not socket.poll(0)
        assert producer.send(b"the next batch")
        assert len(socket.recv()) == MESSAGE_OCTETS - 8
        with pytest.raises(ValueError, match="record"):
            producer.reserve(MAX_RECORD + 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "length"),
        (b"1234567", "length"),
        (record(b"cut off")[:8], "length"),
        (record(b"stale", GENERATION - 1), "generation"),
        (bytes(MESSAGE_OCTETS + 8), "length"),
        (b"\xff" * 64, "generation"),
        (record(b"good") + record(b"then bad")[:8], "length"),
    ],
)
def test_a_message_that_breaks_the_format_is_a_fault_of_the_peer(message: bytes, reason: str) -> None:
    with stranger() as (socket, consumer):
        socket.send(message)
        if message.startswith(record(b"good")):
            assert consumer.receive() == b"good"
        with pytest.raises(PeerFault) as caught:
            consumer.receive()
        assert caught.value.reason == reason


def test_a_message_over_ipc_that_is_too_long_never_arrives(tmp_path: Path) -> None:
    path = f"ipc://{tmp_path}/s"
    consumer = BatchConsumer(path, GENERATION, Ringer(""))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    senders: list[zmq.Socket[bytes]] = [context.socket(zmq.PUSH), context.socket(zmq.PUSH)]
    for sender, message in zip(senders, (bytes(MESSAGE_OCTETS + 8), record(b"fits")), strict=True):
        sender.connect(path)
        sender.send(message)
    assert receive_within(consumer, 2_000) == b"fits"
    assert receive_within(consumer, 50) is None
    for sender in senders:
        sender.close(0)
    consumer.close()


@settings(deadline=None, max_examples=200)
@given(
    messages=st.lists(
        st.binary(max_size=80)
        | st.lists(st.binary(max_size=20).map(record) | st.binary(max_size=16), max_size=4).map(b"".join),
        max_size=4,
    )
)
def test_whatever_a_stranger_sends_is_a_fault_or_a_record_within_the_message(messages: list[bytes]) -> None:
    with stranger() as (socket, consumer):
        for message in messages:
            socket.send(message)
        for _ in range(4):
            try:
                while (got := consumer.receive()) is not None:
                    assert any(got in message for message in messages)
            except PeerFault:
                continue


def test_a_producer_may_be_there_before_its_consumer(tmp_path: Path) -> None:
    path = f"ipc://{tmp_path}/late"
    producer = BatchProducer(path, GENERATION)
    assert producer.send(b"early")
    producer.flush()
    consumer = BatchConsumer(path, GENERATION, Ringer(""))
    try:
        assert receive_within(consumer, 2_000) == b"early"
    finally:
        producer.close()
        consumer.close()


def test_a_full_producer_keeps_its_batch_for_a_later_flush() -> None:
    with link("zmq-inproc") as made:
        for number in range(3 * HIGH_WATER):
            assert made.producer.send(number.to_bytes(2, "big"))
            made.producer.flush()
        for number in range(2 * HIGH_WATER):
            assert made.receive() == number.to_bytes(2, "big")
        assert made.consumer.receive() is None
        assert rung(made.producer_bell)
        made.producer.flush()
        for number in range(2 * HIGH_WATER, 3 * HIGH_WATER):
            assert made.receive() == number.to_bytes(2, "big")


def test_a_path_that_cannot_be_bound_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        BatchConsumer(f"ipc://{tmp_path}/nowhere/s", GENERATION, Ringer(""))


def test_nothing_is_left_open() -> None:
    with link("zmq"):
        pass
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with link("zmq"), link("ring"), link("zmq-inproc"):
            pass
    deadline = time.monotonic() + 2
    # ZeroMQ's own thread closes the sockets a little later.
    while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= before
