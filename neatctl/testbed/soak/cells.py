"""The matrix of impairments: its cells, their names, and what came of each, as it is kept between runs. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec

SCHEMA = 1
LOSS, REORDER, DUPLICATE, CORRUPT, DELAY_MS = (0, 1, 5, 15), (0, 10), (0, 5), (0, 1, 15), (0, 50)
HELD, DIFFERS, HUNG, SLOW, FAILED = "held", "differs", "hung", "slow", "failed"
"""Verdicts: every octet arrived; some did not or others did; no progress; progress, but not within the bound; a
connection or the testbed failed."""


class Cell(msgspec.Struct, frozen=True, order=True):
    """What happens to frames, each way: shares in percent, and a delay."""

    loss: int = 0
    reorder: int = 0
    duplicate: int = 0
    corrupt: int = 0
    delay_ms: int = 0

    @property
    def name(self) -> str:
        return (
            f"loss={self.loss}%,reorder={self.reorder}%,duplicate={self.duplicate}%,corrupt={self.corrupt}%,"
            f"delay={self.delay_ms}ms"
        )

    @property
    def impair(self) -> str:
        """The same for the NIC: what is not there is not said."""
        return (
            ",".join(part for part in self.name.split(",") if not part.partition("=")[2].startswith("0")) or "loss=0%"
        )

    @property
    def severity(self) -> int:
        """How slow it will be, for an order in which the quick ones come first."""
        return 100 * (self.loss + self.corrupt) + self.delay_ms + self.reorder + self.duplicate


class Outcome(msgspec.Struct, frozen=True):
    """What came of one cell."""

    cell: Cell
    verdict: str
    octets: int
    """Each way."""
    seconds: float = 0.0
    up_seconds: float = 0.0
    """Until the stack had acknowledged everything that Linux sent."""
    down_seconds: float = 0.0
    detail: str = ""
    counters: dict[str, int] = {}
    """Of the stack: retransmissions, time-outs, frames impaired."""


class Report(msgspec.Struct):
    """The file that a run leaves, and that the next one goes on with."""

    version: str
    compiled: bool
    octets: int
    wire: str
    outcomes: dict[str, Outcome] = {}
    """By the cell's name."""
    schema: int = SCHEMA


def matrix() -> list[Cell]:
    """All 96 cells, the quick ones first."""
    cells = [Cell(*values) for values in itertools.product(LOSS, REORDER, DUPLICATE, CORRUPT, DELAY_MS)]
    return sorted(cells, key=lambda cell: (cell.severity, cell))


def chosen(cells: Iterable[Cell], only: str) -> list[Cell]:
    """The cells whose name has all of these parts: `loss=5%,delay=0ms`. ValueError if there is none."""
    parts = [part.strip() for part in only.split(",") if part.strip()]
    found = [cell for cell in cells if all(part in cell.name.split(",") for part in parts)]
    if not found:
        raise ValueError(f"no cell has {only!r}; a name is, for example, {matrix()[0].name}")
    return found


def summary(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many cells there are of each verdict."""
    found = dict.fromkeys((HELD, DIFFERS, HUNG, SLOW, FAILED), 0)
    for outcome in outcomes:
        found[outcome.verdict] += 1
    return found
