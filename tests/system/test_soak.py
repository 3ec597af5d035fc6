"""A slice of the impairment matrix: transfers both ways with the kernel over a TAP, as `make soak` makes many."""

from __future__ import annotations

import os

import pytest

from neatctl.testbed.soak.cells import HELD, Cell
from neatctl.testbed.soak.running import run_in_turn, run_on_wire

pytestmark = [pytest.mark.system, pytest.mark.tap]

OCTETS = 100_000
SLICE = [
    Cell(loss=5),
    Cell(loss=1, reorder=10, duplicate=5, delay_ms=10),
    Cell(corrupt=15),
]


def test_octets_arrive_both_ways_under_impairment() -> None:
    outcomes = run_in_turn(SLICE, OCTETS, 60.0, 20.0, 3, f"soak-{os.getpid()}-test")
    assert [(outcome.verdict, outcome.detail) for outcome in outcomes] == [(HELD, "")] * 3
    last = outcomes[-1].counters
    assert min(last["impair_corrupted_in"], last["impair_corrupted_out"]) > 5


def test_octets_arrive_both_ways_over_a_bad_wire() -> None:
    outcome = run_on_wire(Cell(loss=5, reorder=10, duplicate=5, corrupt=1), OCTETS, 60.0, 20.0, 3, "")
    assert (outcome.verdict, outcome.detail) == (HELD, "")
