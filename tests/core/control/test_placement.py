"""Placement: who runs where."""

from __future__ import annotations

import pytest

from neatctl.core.control.placement import Contention, cores_of


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


SECOND = 1_000_000


class Core:
    """A core that driver and replica share with somebody else, second by second."""

    def __init__(self) -> None:
        self.contention = Contention()
        self.now = self.busy_us = self.own_us = 0
        self.passes(0.0, 0.0)

    def passes(self, own: float, others: float, seconds: int = 1) -> list[bool]:
        """Seconds with these shares: whether the core was left to the scheduler after each."""
        left = []
        for _ in range(seconds):
            # Who is let go runs elsewhere, and is not counted.
            bound = not self.contention.holds(self.now)
            self.now += SECOND
            self.own_us += int(own * SECOND) if bound else 0
            self.busy_us += int((own + others if bound else others) * SECOND)
            self.contention.sample(self.busy_us, self.own_us, self.now)
            left.append(self.contention.holds(self.now))
        return left


def test_clients_on_the_same_core_are_no_contention() -> None:
    assert not any(Core().passes(0.83, 0.17, seconds=60))
    assert not any(Core().passes(0.0, 1.0, seconds=60)), "nothing to lose while idle"


def test_a_core_that_others_want_is_left_for_a_while_that_doubles() -> None:
    core = Core()
    left = core.passes(0.4, 0.6, seconds=100)
    runs = [len(run) for run in "".join("x" if here else " " for here in left).split()]
    assert runs[:3] == [10, 20, 40], left
    core.passes(0.9, 0.05, seconds=200)
    assert not core.contention.holds(core.now), "it comes back when they are gone"
    assert "".join("x" if here else " " for here in core.passes(0.4, 0.6, seconds=11)) == "x" * 10 + " "


def test_a_replica_that_was_born_anew_counts_from_zero() -> None:
    core = Core()
    core.passes(0.9, 0.05, seconds=5)
    core.own_us = 0
    assert core.passes(0.5, 0.05) == [False]
