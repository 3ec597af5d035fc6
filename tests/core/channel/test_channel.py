"""What every channel does, whatever carries it: the same tests over all implementations."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neatctl.core.channel.face import PeerFault
from tests.core.channel.links import GENERATION, KINDS, Link, link, rung

RECORD_LIMIT = 500
every_kind = pytest.mark.parametrize("kind", KINDS)
many = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@every_kind
@pytest.mark.parametrize("octets", [0, 1, 7, 8, 9, 1500, 65600])
def test_a_record_arrives_as_it_was(kind: str, octets: int) -> None:
    record = bytes(i * 31 & 0xFF for i in range(octets))
    with link(kind, 1 << 18) as made:
        assert made.producer.send(record)
        made.producer.flush()
        assert made.receive() == record
        assert made.consumer.receive() is None


@every_kind
def test_a_peek_changes_nothing_and_a_release_goes_on(kind: str) -> None:
    with link(kind) as made:
        assert made.producer.send(b"first")
        assert made.producer.send(b"second")
        made.producer.flush()
        assert made.arrived()
        assert made.consumer.peek() == 5
        assert made.consumer.memory.bytes(made.consumer.at, 5) == b"first"
        made.consumer.release()
        made.consumer.release()  # the same record only once
        assert made.receive() == b"second"


@every_kind
def test_a_record_may_be_shorter_than_its_reservation_or_given_up(kind: str) -> None:
    with link(kind) as made:
        made.producer.reserve(300)
        at = made.producer.reserve(300)
        made.producer.memory.put(at, b"short")
        made.producer.commit(5)
        made.producer.flush()
        assert made.receive() == b"short"
        assert made.consumer.receive() is None


@every_kind
def test_more_than_was_reserved_or_can_be_carried_is_the_callers_fault(kind: str) -> None:
    with link(kind) as made:
        made.producer.reserve(10)
        with pytest.raises(ValueError, match="reserved"):
            made.producer.commit(11)
        made.producer.commit(10)
        with pytest.raises(ValueError, match="reserved"):
            made.producer.commit(1)
        for octets in (1 << 20, -1):
            with pytest.raises(ValueError, match="record"):
                made.producer.reserve(octets)


@every_kind
def test_nothing_comes_before_the_flush(kind: str) -> None:
    with link(kind) as made:
        assert made.producer.send(b"unseen")
        assert made.consumer.arm()
        assert made.consumer.peek() == -1
        made.producer.flush()
        assert made.receive() == b"unseen"


@every_kind
def test_a_full_channel_pushes_back_counts_and_loses_nothing(kind: str) -> None:
    with link(kind) as made:
        sent = 0
        record = bytes(RECORD_LIMIT)
        while made.producer.send(sent.to_bytes(8, "big") + record):
            sent += 1
            made.producer.flush()
            assert sent < 100_000, "the memory of this channel has no bound"
        assert made.producer.full == 1
        assert not made.producer.send(record)
        assert made.producer.full == 2
        for number in range(sent):
            assert made.receive()[:8] == number.to_bytes(8, "big")
            made.consumer.flush()
            made.producer.flush()
        assert made.producer.send(b"room again")
        made.producer.flush()
        assert made.receive() == b"room again"


@every_kind
def test_a_producer_that_wants_room_is_rung(kind: str) -> None:
    with link(kind) as made:
        sent = 0
        while made.producer.send(bytes(RECORD_LIMIT)):
            made.producer.flush()
            sent += 1
        made.producer.want_room()
        rung(made.producer_bell)
        for _ in range(sent):
            made.receive()
            made.producer.flush()
        made.consumer.flush()
        assert rung(made.producer_bell)
        assert made.producer.send(b"room")


@every_kind
def test_an_armed_consumer_is_woken_by_the_next_flush(kind: str) -> None:
    with link(kind) as made:
        assert made.consumer.arm()
        assert made.producer.send(b"wake")
        made.producer.flush()
        if made.consumer.fileno() < 0:
            assert rung(made.consumer_bell)
        else:
            assert made.arrived()
        assert not made.consumer.arm(), "asleep over a record"
        made.consumer.disarm()
        assert made.receive() == b"wake"
        assert made.consumer.arm()


@every_kind
def test_records_of_an_older_generation_are_a_fault_of_the_peer(kind: str) -> None:
    with link(kind, generation=GENERATION) as made:
        at = made.producer.reserve(5)
        made.producer.memory.put(at, b"stale")
        made.producer.commit(5)
        made.producer.memory.put32h(at - 4, GENERATION - 1)
        made.producer.flush()
        for _ in range(2):
            with pytest.raises(PeerFault) as caught:
                made.arrived()
            assert caught.value.reason == "generation"


@every_kind
def test_a_record_longer_than_what_is_there_is_a_fault_of_the_peer(kind: str) -> None:
    for length in (9, 5000, 0xFFFFFFF0, 0xFFFFFFFE):
        with link(kind) as made:
            at = made.producer.reserve(8)
            made.producer.commit(8)
            made.producer.memory.put32h(at - 8, length)
            made.producer.flush()
            with pytest.raises(PeerFault) as caught:
                made.arrived()
            assert caught.value.reason == "length"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, RECORD_LIMIT)),
        st.tuples(st.just("shorter"), st.integers(0, RECORD_LIMIT)),
        st.tuples(st.just("give up"), st.integers(0, RECORD_LIMIT)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("receive"), st.integers(1, 20)),
        st.tuples(st.just("give back"), st.just(0)),
        st.tuples(st.just("arm"), st.just(0)),
    ),
    max_size=60,
)


def record_of(number: int, octets: int) -> bytes:
    return bytes((number * 7 + i) & 0xFF for i in range(octets))


def perform(made: Link, plan: list[tuple[str, int]]) -> None:
    """Do the steps and hold the channel to a queue."""
    committed: list[bytes] = []
    flushed = 0
    received = 0
    for step, amount in plan:
        if step in {"send", "shorter"}:
            record = record_of(len(committed), amount if step == "send" else amount // 2)
            full = made.producer.full
            at = made.producer.reserve(amount)
            assert (at < 0) == (made.producer.full == full + 1)
            if at >= 0:
                made.producer.memory.put(at, record)
                made.producer.commit(len(record))
                committed.append(record)
        elif step == "give up":
            made.producer.reserve(amount)
        elif step == "flush":
            made.producer.flush()
            flushed = len(committed)
        elif step == "receive":
            for _ in range(min(amount, flushed - received)):
                assert made.receive() == committed[received]
                received += 1
            if received == flushed and made.kind != "zmq":
                assert made.consumer.receive() is None
        elif step == "give back":
            made.consumer.flush()
        else:
            made.consumer.arm()
            made.consumer.disarm()
    made.producer.flush()
    for record in committed[received:]:
        assert made.receive() == record
    assert made.consumer.receive() is None


@pytest.mark.parametrize("kind", ["memory", "ring", "zmq-inproc"])
@many
@given(plan=steps)
def test_any_sequence_of_calls_is_a_queue(kind: str, plan: list[tuple[str, int]]) -> None:
    with link(kind, 1024) as made:
        perform(made, plan)


@settings(many, max_examples=15)
@given(plan=steps)
def test_any_sequence_of_calls_is_a_queue_over_ipc(plan: list[tuple[str, int]]) -> None:
    with link("zmq") as made:
        perform(made, plan)
