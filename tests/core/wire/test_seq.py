"""Sequence numbers unwrap next to what is known, and serial comparison follows RFC 1982."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.wire.seq import before, unwrap

unwrapped = st.integers(1 << 32, 1 << 60)
distances = st.integers(-(1 << 31), (1 << 31) - 1)


@given(unwrapped, distances)
def test_must_1_a_number_from_the_wire_is_found_again_within_half_the_circle(near: int, distance: int) -> None:
    assert unwrap((near + distance) & 0xFFFFFFFF, near) == near + distance


@given(st.integers(0, 0xFFFFFFFF), st.integers(1, (1 << 31) - 1))
def test_before_holds_across_the_wrap_and_is_asymmetric(a: int, distance: int) -> None:
    b = (a + distance) & 0xFFFFFFFF
    assert before(a, b)
    assert not before(b, a)
    assert not before(a, a)
