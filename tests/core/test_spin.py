"""When a consumer looks again, and when it sleeps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.spin import LARGE_BURST, SHARED_CORE, Pace, Spin


def test_single_records_are_waited_for_until_the_limit() -> None:
    spin = Spin(10)
    for _ in range(100):
        spin.took(1)
    assert spin.again(9)
    assert not spin.again(10)


def test_no_limit_is_no_spin() -> None:
    assert not Spin(0).again(0)


def test_under_load_nobody_spins_and_afterwards_they_do_again() -> None:
    spin = Spin(10)
    for _ in range(20):
        spin.took(4 * LARGE_BURST)
    assert not spin.again(1)
    for _ in range(40):
        spin.took(1)
    assert spin.again(1)


@given(st.lists(st.integers(1, 1000), max_size=60), st.integers(1, 1000))
def test_the_decision_follows_a_steady_burst_whatever_was_before(before: list[int], steady: int) -> None:
    spin = Spin(10)
    for records in before:
        spin.took(records)
    for _ in range(100):
        spin.took(steady)
    assert spin.again(1) == (steady < LARGE_BURST)


def test_on_a_core_that_they_share_the_driver_goes_on_looking_and_the_replica_sleeps_sooner() -> None:
    driver, replica = Spin(10), Spin(10)
    driver.set(SHARED_CORE["driver"])
    replica.set(SHARED_CORE["replica"])
    for records in (1, 1000):
        for _ in range(100):
            driver.took(records)
            replica.took(records)
        assert driver.again(100)
        assert not driver.again(1000)
        assert replica.again(2)
        assert replica.again(20) == (records == 1)


def test_a_pace_can_change_under_way() -> None:
    spin = Spin(10)
    spin.set(Pace(2, large_burst=1000))
    for _ in range(100):
        spin.took(999)
    assert spin.again(1)
    assert not spin.again(2)
    spin.set(Pace(2, 7))
    assert spin.again(6)
    assert not spin.again(7)
