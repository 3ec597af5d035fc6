"""Placement: who runs where."""

from __future__ import annotations

import pytest

from neatctl.core.control.placement import cores_of


def test_on_two_cores_one_replica_shares_the_drivers_core_and_applications_have_the_other() -> None:
    where = {name: cores_of(name, "auto", 1, [2, 5]) for name in ("driver", "replica", "web", "syscall")}
    assert where == {
        "driver": frozenset({5}),
        "replica": frozenset({5}),
        "web": frozenset({2}),
        "syscall": frozenset({2, 5}),
    }


@pytest.mark.parametrize(
    ("placement", "replicas", "cores"),
    [("none", 1, [0, 1]), ("auto", 2, [0, 1]), ("auto", 1, [0]), ("auto", 1, [0, 1, 2])],
)
def test_elsewhere_the_scheduler_decides(placement: str, replicas: int, cores: list[int]) -> None:
    assert cores_of("driver", placement, replicas, cores) == frozenset(cores)
