"""Due times of the open loop, and the line in which connections wait."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from neatctl.apps.load.schedule import Line, Schedule


@given(st.integers(1, 10_000_000_000), st.integers(0, 1 << 50), st.integers(1, 300))
def test_the_kth_request_is_due_at_its_time_without_drift(rate_milli: int, begin_us: int, count: int) -> None:
    schedule = Schedule(rate_milli / 1000, begin_us)
    assert [schedule.take() for _ in range(count)] == [begin_us + k * 1_000_000_000 // rate_milli for k in range(count)]


def test_what_was_due_and_not_taken_is_counted() -> None:
    schedule = Schedule(1000.0, 5_000_000)
    assert schedule.left_before(5_000_000) == 0
    assert schedule.left_before(5_000_001) == 1
    assert schedule.left_before(6_000_000) == 1000
    for _ in range(400):
        schedule.take()
    assert schedule.left_before(6_000_000) == 600
    assert schedule.left_before(5_100_000) == 0
    # A day at the highest rate: more than 64 bits hold on the way.
    assert Schedule(1e7, 0).left_before(86_400_000_000) == 864_000_000_000


@given(st.lists(st.integers(-1, 4), max_size=60))
def test_a_line_is_first_in_first_out_and_has_everybody_once(steps: list[int]) -> None:
    line, model = Line(5), deque[int]()
    for step in steps:
        assert line.first() == (model[0] if model else -1)
        if step < 0:
            assert line.leave() == (model.popleft() if model else -1)
        else:
            line.join(step)
            if step not in model:
                model.append(step)
        assert line.length == len(model)
