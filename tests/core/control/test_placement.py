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
        self.now = 0
        self.times = {1: (0, 0), 2: (0, 0)}
        self.passes((0.0, 0.0), (0.0, 0.0))

    def passes(self, driver: tuple[float, float], replica: tuple[float, float], seconds: int = 1) -> str:
        """Seconds in which each ran and waited for these shares: an x for each after which the core was left."""
        left = ""
        for _ in range(seconds):
            # Who is let go runs elsewhere, and is not counted.
            bound = not self.contention.holds(self.now)
            self.now += SECOND
            for pid, (ran, waited) in zip(self.times, (driver, replica), strict=True):
                before = self.times[pid]
                self.times[pid] = (before[0] + int(ran * SECOND), before[1] + int(waited * SECOND))
            self.contention.sample(dict(self.times) if bound else {}, self.now)
            left += "x" if self.contention.holds(self.now) else " "
        return left


ALONE = ((0.69, 0.17), (0.25, 0.13))
BESIDE_A_HOG = ((0.11, 0.28), (0.04, 0.81))
BESIDE_A_FLOATING_HOG = ((0.07, 0.16), (0.05, 0.36))
HALF_A_PERIOD = ((0.35, 0.09), (0.12, 0.07))


def test_to_wait_for_each_other_is_no_contention() -> None:
    assert Core().passes(*ALONE, seconds=60).isspace()
    assert Core().passes(*HALF_A_PERIOD, seconds=60).isspace(), "whoever ran in the other half kept nobody waiting"
    assert Core().passes((0.0, 0.0), (0.0, 0.01), seconds=60).isspace(), "nothing to lose while idle"


@pytest.mark.parametrize("hog", [BESIDE_A_HOG, BESIDE_A_FLOATING_HOG])
def test_a_core_that_others_want_is_left_for_a_while_that_doubles(
    hog: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    core = Core()
    left = core.passes(*hog, seconds=100)
    assert [len(run) for run in left.split()][:3] == [10, 20, 40], left
    core.passes(*ALONE, seconds=200)
    assert not core.contention.holds(core.now), "it comes back when they are gone"
    assert core.passes(*hog, seconds=11) == "x" * 10 + " "


def test_a_replica_that_was_born_anew_counts_from_zero() -> None:
    core = Core()
    core.passes(*ALONE, seconds=5)
    del core.times[2]
    core.times[3] = (0, 0)
    assert core.passes(*ALONE).isspace()
