"""A direction put together by offset: whatever the order and overlap, the octets are those that came first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.testbed.replay.stateful.stream import FARTHEST_OCTETS, HOLES_OCTETS, Stream

PIECES = st.lists(st.tuples(st.integers(-5, 200), st.binary(max_size=40)), max_size=30)


def model(pieces: list[tuple[int, bytes]]) -> dict[int, int]:
    known: dict[int, int] = {}
    for at, octets in pieces:
        for i, octet in enumerate(octets):
            if at + i >= 0:
                known.setdefault(at + i, octet)
    return known


@settings(max_examples=40, deadline=None)
@given(PIECES, st.integers(0, 250))
def test_octets_holes_and_ranges_are_those_of_a_plain_table(pieces: list[tuple[int, bytes]], end: int) -> None:
    stream = Stream()
    assert all(stream.add(at, octets) for at, octets in pieces)
    known = model(pieces)
    first_hole = next(i for i in range(300) if i not in known)
    assert bytes(stream.head) == bytes(known[i] for i in range(first_hole))
    assert stream.end == max(known, default=-1) + 1
    assert stream.octets(0, end) == bytes(known.get(i, 0) for i in range(end))
    assert {i for begin, stop in stream.holes(end) for i in range(begin, min(stop, end))} == set(range(end)) - set(
        known
    )
    assert {i for begin, stop in stream.ranges() for i in range(begin, stop)} == {i for i in known if i > first_hole}


@settings(max_examples=40, deadline=None)
@given(PIECES, st.integers(0, 250))
def test_a_cut_forgets_what_is_behind_it(pieces: list[tuple[int, bytes]], end: int) -> None:
    stream = Stream()
    for at, octets in pieces:
        stream.add(at, octets)
    stream.cut(end)
    assert stream.end <= end
    assert stream.octets(0, 250) == bytes(model(pieces).get(i, 0) if i < end else 0 for i in range(250))


def test_holes_are_bounded() -> None:
    stream = Stream()
    assert not stream.add(FARTHEST_OCTETS + 1, b"x")
    at = 0
    taken = 0
    while stream.add(at := at + FARTHEST_OCTETS, b"x"):
        taken += 1
    assert taken * FARTHEST_OCTETS <= HOLES_OCTETS
    assert stream.add(0, b"the beginning still comes")
