"""The restart policy: at once, until it is a crash loop."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.control.restart import LONGEST_WAIT_US, RestartPolicy

SECOND = 1_000_000


def test_five_failures_in_ten_seconds_restart_at_once_and_the_next_ones_back_off() -> None:
    policy = RestartPolicy()
    now = 0
    waits = []
    for _ in range(13):
        wait = policy.failed(now)
        waits.append(wait // SECOND)
        now += wait + SECOND
    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]


def test_failures_far_apart_never_wait() -> None:
    policy = RestartPolicy()
    assert all(policy.failed(at * 2_100_000) == 0 for at in range(200))


def test_a_component_that_stays_up_after_its_back_off_is_forgiven() -> None:
    policy = RestartPolicy()
    waits = [policy.failed(at * 100_000) for at in range(6)]
    assert waits[-1] == SECOND
    assert policy.backing_off
    later = 500_000 + SECOND + 10 * SECOND
    assert [policy.failed(later + at * 100_000) for at in range(6)] == [0, 0, 0, 0, 0, SECOND]


def test_a_failure_soon_after_a_back_off_goes_on_with_the_next_wait() -> None:
    policy = RestartPolicy()
    for at in range(6):
        policy.failed(at * 100_000)
    assert policy.failed(500_000 + SECOND + 9 * SECOND) == 2 * SECOND


def test_faults_on_purpose_are_no_crash_loop_unless_the_component_had_hardly_served() -> None:
    policy = RestartPolicy()
    assert all(policy.failed(at * SECOND, served_us=SECOND, on_purpose=True) == 0 for at in range(30))
    young = [policy.failed(31 * SECOND + at * 300_000, served_us=300_000, on_purpose=True) for at in range(6)]
    assert young == [0, 0, 0, 0, 0, SECOND]


@given(st.lists(st.integers(0, 20 * SECOND), max_size=60))
def test_a_wait_is_none_or_one_to_thirty_seconds(gaps: list[int]) -> None:
    policy = RestartPolicy()
    now = 0
    for gap in gaps:
        now += gap
        wait = policy.failed(now)
        assert wait == 0 or SECOND <= wait <= LONGEST_WAIT_US
        assert policy.backing_off == (wait > 0)
        now += wait
