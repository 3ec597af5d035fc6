"""A slice of the impairment matrix: transfers both ways with the kernel over a TAP, as `make soak` makes many."""

from __future__ import annotations

import os

import pytest

from neatctl.testbed.soak.cells import HELD, Cell
from neatctl.testbed.soak.running import run_cell

pytestmark = [pytest.mark.system, pytest.mark.tap]

OCTETS = 200_000


@pytest.mark.parametrize("cell", [Cell(loss=1), Cell(loss=5)], ids=lambda cell: cell.impair)
def test_octets_arrive_both_ways_under_impairment(cell: Cell) -> None:
    outcome = run_cell(cell, OCTETS, 30.0, 20.0, 3, f"soak-{os.getpid()}-test")
    assert (outcome.verdict, outcome.detail) == (HELD, "")
