"""Scaling plans: up at once, down by draining, the highest first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.control.scaling import MAX_REPLICAS, Drain, ScalingPlan, plan_scaling

MS = 1000


def test_up_adds_at_the_lowest_free_indices() -> None:
    assert plan_scaling({1: False, 2: False, 4: False}, 6) == ScalingPlan([3, 5, 6], [], [])


def test_down_drains_the_highest() -> None:
    assert plan_scaling({1: False, 2: False, 3: False, 4: True}, 1) == ScalingPlan([], [], [2, 3])


def test_up_again_takes_draining_ones_back_before_it_adds() -> None:
    assert plan_scaling({1: False, 2: True, 3: True}, 2) == ScalingPlan([], [2], [])
    assert plan_scaling({1: False, 2: True, 3: True}, 4) == ScalingPlan([4], [2, 3], [])


@pytest.mark.parametrize("wanted", [0, -1, MAX_REPLICAS + 1])
def test_a_number_that_cannot_be_is_refused(wanted: int) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        plan_scaling({1: False}, wanted)


@given(st.dictionaries(st.integers(1, 70), st.booleans(), max_size=40), st.integers(1, MAX_REPLICAS))
def test_a_plan_leads_to_what_was_wanted(replicas: dict[int, bool], wanted: int) -> None:
    plan = plan_scaling(replicas, wanted)
    after = dict(replicas)
    for index in plan.add:
        assert index not in after
        after[index] = False
    for index in plan.take_back:
        assert after[index]
        after[index] = False
    for index in plan.drain:
        assert not after[index]
        after[index] = True
    assert sum(not draining for draining in after.values()) == wanted
    assert plan_scaling(after, wanted) == ScalingPlan([], [], [])


def test_a_drain_ends_at_two_settled_counts_of_zero() -> None:
    drain = Drain(0)
    assert not drain.count(0, 100 * MS)
    assert not drain.count(0, 200 * MS)
    assert not drain.count(0, 300 * MS)
    assert drain.count(0, 400 * MS)


def test_a_connection_that_shows_up_late_keeps_a_draining_replica() -> None:
    drain = Drain(0)
    assert not drain.count(0, 400 * MS)
    assert not drain.count(1, 500 * MS)
    assert not drain.count(0, 600 * MS)
    assert drain.count(0, 700 * MS)
