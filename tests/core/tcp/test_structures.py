"""The structures of TCP, each against a model that cannot be wrong: wheel, send buffer, reassembly, scoreboard."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.core.tcp.reassembly import MAX_PIECES, Reassembly
from neatctl.core.tcp.scoreboard import Scoreboard
from neatctl.core.tcp.send_buffer import BufferPool, SendBuffer
from neatctl.core.tcp.wheel import NEVER, Timed, Wheel

TICK_US = 4096
START = 5_000_000_000
SOURCE = bytes(i * 7 + (i >> 8) & 0xFF for i in range(40_000))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 5_000, 40_000, 200_000, 4_500_000, 60_000_000, -1])),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.sampled_from([1, 4_000, 39_000, 1_000_000, 10_000_000]), min_size=1, max_size=30),
)
def test_the_wheel_is_never_early_and_at_most_two_ticks_late(arms: list[tuple[int, int]], steps: list[int]) -> None:
    wheel = Wheel()
    items = [Timed() for _ in range(6)]
    now = START

    def drain() -> None:
        while (item := wheel.next_due(now)) is not None:
            assert item.due_us <= now
            item.due_us = NEVER
        assert all(item.due_us > now - 2 * TICK_US for item in items)

    for i, (number, after) in enumerate(arms):
        wheel.arm(items[number], NEVER if after < 0 else now + after, now)
        if i % 3 == 2:
            now += 3_000
            drain()
    for step in [*steps, 70_000_000]:
        end = now + step
        while 0 <= wheel.deadline() <= end:
            now = max(now, wheel.deadline())
            drain()
        now = end
        drain()
    assert all(item.due_us == NEVER for item in items)
    assert (wheel.count, wheel.deadline()) == (0, -1)


def test_arming_later_moves_nothing_and_removal_is_final() -> None:
    wheel = Wheel()
    item = Timed()
    wheel.arm(item, START + 10_000, START)
    tick = item.tick
    wheel.arm(item, START + 50_000, START)
    assert item.tick == tick
    assert wheel.next_due(START + 20_000) is None
    wheel.remove(item)
    assert wheel.next_due(START + 100_000) is None
    assert wheel.deadline() == -1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9_000)), max_size=60))
def test_the_send_buffer_is_a_queue(actions: list[tuple[bool, int]]) -> None:
    buffer = SendBuffer(BufferPool())
    source, target = Memory(SOURCE), Memory(bytearray(600_000))
    model = b""
    taken = 0
    for append, octets in actions:
        if append:
            buffer.append(source, taken % 30_000, octets)
            model += SOURCE[taken % 30_000 : taken % 30_000 + octets]
            taken += octets
        else:
            octets = min(octets, len(model))
            buffer.drop(octets)
            model = model[octets:]
        assert buffer.octets == len(model)
        buffer.copy_to(target, 5, 0, buffer.octets)
        assert target.bytes(5, len(model)) == model
        half = len(model) // 2
        buffer.copy_to(target, 0, half, len(model) - half)
        assert target.bytes(0, len(model) - half) == model[half:]


def test_an_empty_send_buffer_holds_no_memory_and_the_pool_gives_it_to_the_next() -> None:
    pool = BufferPool()
    first, second = SendBuffer(pool), SendBuffer(pool)
    first.append(Memory(SOURCE), 0, 100)
    first.drop(100)
    memory = pool.take(100)
    pool.give(memory)
    second.append(Memory(SOURCE), 0, 100)
    assert pool.take(100) is not memory


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 80)), max_size=40), st.integers(0, 60))
def test_reassembly_gives_back_what_arrived_first_in_order(parts: list[tuple[int, int]], first: int) -> None:
    kept = Reassembly()
    model: dict[int, int] = {}
    for number, (start, octets) in enumerate(parts):
        data = bytes([number]) * octets
        assert kept.insert(1000 + start, Memory(data), 0, octets)
        for i in range(octets):
            model.setdefault(start + i, number)
    spans = kept.spans
    for left, right in pairwise(spans):
        assert left.end < right.start
    found = {span.start - 1000 + i: octet for span in spans for i, octet in enumerate(b"".join(span.pieces))}
    assert found == model
    assert all(span.end - span.start == sum(map(len, span.pieces)) for span in spans)
    while (span := kept.take(1000 + first)) is not None:
        assert span.start <= 1000 + first
    assert kept.pieces == sum(len(span.pieces) for span in kept.spans)


def test_reassembly_is_bounded_in_pieces() -> None:
    kept = Reassembly()
    for i in range(MAX_PIECES):
        assert kept.insert(10 + 2 * i, Memory(b"x"), 0, 1)
    assert not kept.insert(5, Memory(b"x"), 0, 1)


def test_sack_blocks_begin_with_the_span_touched_last() -> None:
    kept = Reassembly()
    for start in (10, 30, 50, 20):
        kept.insert(start, Memory(b"12345"), 0, 5)
    assert [kept.block(i).start for i in range(4)] == [20, 10, 30, 50]


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 40)), max_size=30),
    st.integers(0, 220),
    st.integers(1, 25),
)
def test_the_scoreboard_knows_what_was_reported(blocks: list[tuple[int, int]], una: int, mss: int) -> None:
    board = Scoreboard()
    model: set[int] = set()
    for start, octets in blocks:
        new = set(range(start, start + octets)) - model
        assert board.add(start, start + octets) == len(new)
        model |= new
    board.advance(una)
    model = {number for number in model if number >= una}
    assert board.octets == len(model)
    assert board.holes(una, 260) == 260 - una - len(model)
    assert board.next_hole(una) == next(number for number in range(una, 300) if number not in model)
    hole = board.next_hole(una)
    assert board.hole_end(hole, 300) == min([number for number in model if number > hole], default=300)
    edge = board.lost_edge(mss)
    if edge:
        above = {number for number in model if number >= edge}
        ranges = sum(1 for number in above if number - 1 not in above)
        assert ranges >= 3 or len(above) > 2 * mss
        assert edge in model
        assert edge - 1 not in model
    else:
        assert len(model) <= 2 * mss
