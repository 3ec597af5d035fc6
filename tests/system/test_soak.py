"""A slice of the impairment matrix: transfers both ways with the kernel over a TAP, as `make soak` makes many."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from neatctl.testbed.soak.cells import HELD, Cell, Outcome
from neatctl.testbed.soak.running import run_cell, run_on_wire

pytestmark = [pytest.mark.system, pytest.mark.tap]

OCTETS = 200_000


@pytest.mark.parametrize(
    ("work", "cell"),
    [(run_cell, Cell(loss=5)), (run_on_wire, Cell(loss=5, reorder=10, duplicate=5, corrupt=1))],
    ids=["testbed", "own wire"],
)
def test_octets_arrive_both_ways_under_impairment(work: Callable[..., Outcome], cell: Cell) -> None:
    outcome = work(cell, OCTETS, 60.0, 20.0, 3, f"soak-{os.getpid()}-test")
    assert (outcome.verdict, outcome.detail) == (HELD, "")
