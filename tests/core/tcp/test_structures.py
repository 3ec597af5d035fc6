"""The structures of TCP, each against a model that cannot be wrong: wheel, send buffer, reassembly, flight."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.core.tcp.flight import MAX_RUNS, Flight
from neatctl.core.tcp.reassembly import MAX_PIECES, Reassembly
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


class Sent:
    """What a Flight must know of one octet."""

    def __init__(self, now: int) -> None:
        self.sent_us = now
        self.sacked = self.lost = self.again = False


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sent", "again", "report", "lose", "detect", "acknowledge", "found", "reneged"]),
            st.integers(0, 120),
            st.integers(1, 40),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_what_is_in_flight_is_known_octet_by_octet(steps: list[tuple[str, int, int, int]]) -> None:
    now, una, end = START, 1000, 1010
    flight = Flight(una, end, now)
    model = {seq: Sent(now) for seq in range(una, end)}
    for kind, at, octets, later in steps:
        now += later
        start = una + at % (end - una)
        stop = min(start + octets, end)
        span = [model[seq] for seq in range(start, stop)]
        if kind == "sent":
            end += octets
            flight.sent(end, now)
            model |= {seq: Sent(now) for seq in range(end - octets, end)}
        elif kind == "again":
            flight.again(start, stop, now)
            for octet in span:
                octet.sacked = octet.lost = False
                octet.again, octet.sent_us = True, now
        elif kind == "report":
            assert flight.report(start, stop, now, 0) == sum(not octet.sacked for octet in span)
            for octet in span:
                octet.sacked, octet.lost = True, False
        elif kind == "lose":
            fresh = [model[seq] for seq in range(una, stop) if not (model[seq].sacked or model[seq].lost)]
            assert flight.lose(stop) == len(fresh)
            for octet in fresh:
                octet.lost = True
        elif kind == "detect":
            overtaken = [
                octet
                for seq, octet in model.items()
                if not (octet.sacked or octet.lost) and (octet.sent_us, seq) < (flight.newest_us, flight.newest_end)
            ]
            late = [octet for octet in overtaken if octet.sent_us + flight.rtt_us + at <= now]
            assert flight.detect(at, now) == len(late)
            assert (flight.look_us < NEVER) is (len(overtaken) > len(late))
            for octet in late:
                octet.lost = True
        elif kind == "acknowledge" and start > una:
            una = start
            flight.acknowledge(una, now, 0)
            model = {seq: octet for seq, octet in model.items() if seq >= una}
        elif kind == "found":
            flight.find_again(now)
            for octet in model.values():
                if octet.lost:
                    octet.lost, octet.sent_us = False, now
        elif kind == "reneged":
            flight.forget_reports()
            for octet in model.values():
                octet.sacked, octet.lost = False, True
        lost = [seq for seq, octet in sorted(model.items()) if octet.lost]
        assert flight.sacked == sum(octet.sacked for octet in model.values())
        assert flight.lost == len(lost)
        assert flight.end == end
        assert flight.next_lost() == (lost[0] if lost else -1)
        assert flight.reneged() == model[una].sacked
        if lost:
            assert flight.lost_end(lost[0]) == next(
                seq for seq in range(lost[0], end + 1) if seq == end or not model[seq].lost
            )
        runs = flight.runs()
        assert runs[0][0] == una
        assert all(this[0] < following[0] and this[1:] != following[1:] for this, following in pairwise(runs))


def test_a_flight_of_many_runs_is_bounded_and_takes_all_for_unreported() -> None:
    flight = Flight(0, 1, START)
    for seq in range(2, 3 * MAX_RUNS):
        flight.sent(seq, START + seq)
    for seq in range(1, 3 * MAX_RUNS - 1, 2):
        flight.report(seq, seq + 1, START, 0)
    assert flight.count <= MAX_RUNS
    assert flight.lose(flight.end) == flight.end - flight.sacked
    flight.acknowledge(flight.end - 1, START, 0)
    assert (flight.count, flight.end) == (1, 3 * MAX_RUNS - 1)
