"""The paper's Figures 7 and 11 as a table: requests/s by replicas of the stack and web servers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from neatctl.testbed.bench.against import OTHERS
from neatctl.testbed.bench.labels import counted, row_of
from neatctl.testbed.bench.outcome import spread
from neatctl.testbed.bench.ratio import Ratio, paired_ratio, ratio
from neatctl.testbed.bench.results import Result, Spread, Workload


@dataclass(frozen=True)
class Cell:
    """One configuration."""

    label: str
    """Of its row: `4 replicas`, or what else was measured."""
    workers: int
    requests_per_s: Spread
    rates: tuple[float, ...]
    """By repetition; of another target all of them, beside every testbed."""
    ours: bool


@dataclass(frozen=True)
class Sweep:
    """All configurations of one workload."""

    workload: Workload
    """With the workers of the first."""
    web_servers: bool
    """Whether each worker is a web server with its load process; if not, a load process alone."""
    rows: tuple[str, ...]
    workers: tuple[int, ...]
    cells: dict[tuple[str, int], Cell]
    best: Cell
    """Of ours."""
    second: Cell | None
    second_to_best: Ratio | None
    """Rates of the second over those of the best."""


def sweeps(results: Sequence[Result]) -> list[Sweep]:
    """A table for each workload that was measured in more than one configuration."""
    groups: dict[Workload, list[Result]] = {}
    for result in results:
        groups.setdefault(replace(result.workload, workers=1), []).append(result)
    made = [_sweep(group) for group in groups.values()]
    return [each for each in made if sum(cell.ours for cell in each.cells.values()) > 1]


def worker_words(sweep: Sweep, workers: int) -> str:
    """`2 web servers`, or what else the workers are."""
    if sweep.web_servers or sweep.workers == (1,):
        return counted(workers, "web server")
    return "1 load process" if workers == 1 else f"{workers} load processes"


def _sweep(group: Sequence[Result]) -> Sweep:
    rates: dict[tuple[str, int], list[float]] = {}
    ours: dict[tuple[str, int], bool] = {}
    for result in group:
        place = (row_of(result), result.workload.workers)
        rates.setdefault(place, []).extend(run.requests_per_s for run in result.runs)
        ours[place] = result.target.name not in OTHERS
    cells = {
        place: Cell(place[0], place[1], spread(seen), tuple(seen), ours[place]) for place, seen in rates.items()
    }
    ranked = sorted((cell for cell in cells.values() if cell.ours), key=lambda cell: -cell.requests_per_s.median)
    second = ranked[1] if len(ranked) > 1 else None
    rows = dict.fromkeys(label for label, _ in cells)
    order = [label for label in rows if label not in OTHERS] + [label for label in OTHERS if label in rows]
    return Sweep(
        workload=group[0].workload,
        web_servers=any(result.target.web_servers is not None for result in group if result.target.name not in OTHERS),
        rows=tuple(order),
        workers=tuple(sorted({workers for _, workers in cells})),
        cells=cells,
        best=ranked[0] if ranked else next(iter(cells.values())),
        second=second,
        second_to_best=_judged(ranked[0], second) if second is not None else None,
    )


def _judged(best: Cell, second: Cell) -> Ratio:
    """Repetitions of a sweep took turns, so those of the same number belong together."""
    if len(best.rates) == len(second.rates):
        return paired_ratio(best.rates, second.rates)
    return ratio(best.rates, second.rates)
