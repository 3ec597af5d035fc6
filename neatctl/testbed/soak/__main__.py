"""The impairment matrix: `make soak`, or `python -m neatctl.testbed.soak`.

Runs cells side by side (most of the time a bad network waits), keeps each outcome in a file at once, and goes on with
the cells that have not held when it is started again. Ends with a table and JSON; exit code 0 if all cells held.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import msgspec

from neatctl import __version__
from neatctl.core.native import COMPILED
from neatctl.testbed.screens import note, show_table
from neatctl.testbed.soak.cells import HELD, Cell, Outcome, Report, chosen, matrix, summary
from neatctl.testbed.soak.running import run_cell, run_linux, run_on_wire

OCTETS = 10_000_000
BOUND_S = 7200.0
STALL_S = 600.0
"""Longer than any time-out between two retransmissions."""
LINUX_TIMES = 20
"""A cell may take so many times what two Linux kernels took, and MARGIN_S."""
MARGIN_S = 600.0
COLUMNS = ("cell", "verdict", "s", "x Linux", "up Mbit/s", "down Mbit/s", "sent again", "by Linux", "what")


def load(path: Path, octets: int, wire: str, fresh: bool) -> Report:
    """What an earlier run left, if it is of the same program and size."""
    new = Report(__version__, COMPILED, octets, wire)
    if fresh:
        return new
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return new
    except msgspec.DecodeError:
        note(f"soak: {path} is no report, and is written anew")
        return new
    same = (kept.schema, kept.version, kept.compiled, kept.octets, kept.wire) == (
        new.schema,
        new.version,
        new.compiled,
        octets,
        wire,
    )
    return kept if same else new


def keep(path: Path, report: Report) -> None:
    """Write the report, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    beside.replace(path)


def run(cells: list[Cell], report: Report, linux: Report, path: Path, options: argparse.Namespace) -> None:
    """Run the cells that have not held, so many at a time; Ctrl-C lets those under way end in order."""
    left = [cell for cell in cells if not _held(report, cell)]
    if len(left) < len(cells):
        note(f"soak: {len(cells) - len(left)} of {len(cells)} cells held before ({path}); --fresh runs them again")
    begun = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        waiting: set[Future[Outcome]] = set()
        done = 0
        todo = iter(enumerate(left))
        try:
            while True:
                while len(waiting) < options.jobs and (following := next(todo, None)) is not None:
                    number, cell = following
                    name = f"soak-{os.getpid()}-{number}"
                    work = {"own": run_on_wire, "linux": run_linux}.get(options.wire, run_cell)
                    bound_s, seed = _bound_s(options.bound, linux, cell), options.seed + number
                    waiting.add(pool.submit(work, cell, options.octets, bound_s, options.stall, seed, name))
                if not waiting:
                    return
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in ended:
                    outcome = each.result()
                    done += 1
                    report.outcomes[outcome.cell.name] = outcome
                    keep(path, report)
                    minutes = (time.monotonic() - begun) / 60
                    note(f"soak: {done}/{len(left)} {minutes:.1f} min: {outcome.cell.name} {_line(outcome)}")
        except KeyboardInterrupt:
            note("soak: waiting for the cells that run; what is done is kept, start again to go on")
            raise


def _held(report: Report, cell: Cell) -> bool:
    outcome = report.outcomes.get(cell.name)
    return outcome is not None and outcome.verdict == HELD


def _bound_s(most_s: float, linux: Report, cell: Cell) -> float:
    """How long a cell may take."""
    theirs = _linux_s(linux, cell)
    return min(most_s, MARGIN_S + LINUX_TIMES * theirs) if theirs else most_s


def _linux_s(linux: Report, cell: Cell) -> float:
    """How long two kernels took, 0 if that is not known."""
    theirs = linux.outcomes.get(cell.name)
    return theirs.seconds if theirs is not None and theirs.verdict == HELD else 0.0


def _line(outcome: Outcome) -> str:
    return f"{outcome.verdict} in {outcome.seconds:.1f} s {outcome.detail}".strip()


def show(report: Report, linux: Report, cells: list[Cell]) -> None:
    """The table; `linux` is what two kernels took."""
    rows = []
    for outcome in (report.outcomes[cell.name] for cell in cells if cell.name in report.outcomes):
        again = sum(value for name, value in outcome.counters.items() if name == "tcp_retransmits")
        rows.append(
            (
                outcome.cell.name,
                outcome.verdict,
                f"{outcome.seconds:.1f}",
                f"{outcome.seconds / theirs:.1f}" if (theirs := _linux_s(linux, outcome.cell)) else "-",
                _rate(outcome.octets, outcome.up_seconds),
                _rate(outcome.octets, outcome.down_seconds),
                again,
                outcome.counters.get("kernel_retransmitted", 0),
                outcome.detail,
            )
        )
    show_table("impairment matrix", COLUMNS, rows, (2, 3, 4, 5, 6, 7))
    found = summary(report.outcomes[cell.name] for cell in cells if cell.name in report.outcomes)
    print(", ".join(f"{number} {verdict}" for verdict, number in found.items()))


def _rate(octets: int, seconds: float) -> str:
    return f"{octets * 8 / seconds / 1e6:.2f}" if seconds else "-"


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Transfers both ways with Linux under every impairment")
    parser.add_argument("--octets", type=int, default=OCTETS, help="each way (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=8, help="cells at a time (default: %(default)s)")
    parser.add_argument("--bound", type=float, default=BOUND_S, help="seconds for a cell (default: %(default)s)")
    parser.add_argument(
        "--stall", type=float, default=STALL_S, help="seconds without progress: hung (default: %(default)s)"
    )
    parser.add_argument("--only", default="", metavar="loss=5%%,..", help="cells with all of these parts")
    parser.add_argument("--seed", type=int, default=1, help="of the first cell (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="(default: build/soak.json, of two kernels that of --linux)")
    parser.add_argument(
        "--linux",
        type=Path,
        default=Path("build/soak-linux.json"),
        help="what `--wire linux` left: bounds and ratios are made of it (default: %(default)s)",
    )
    parser.add_argument(
        "--wire",
        choices=["driver", "own", "linux"],
        default="driver",
        help="who impairs: a testbed's driver; a wire between one stack and a tun device; or the driver's link between "
        "two Linux kernels, for comparison (default: %(default)s)",
    )
    parser.add_argument("--fresh", action="store_true", help="run cells again that held")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of the table")
    options = parser.parse_args(arguments)
    if options.octets < 1 or options.jobs < 1 or options.bound <= 0 or options.stall <= 0 or options.seed < 0:
        parser.error("--octets, --jobs, --bound and --stall are more than 0, --seed is not negative")
    options.out = options.out or (options.linux if options.wire == "linux" else Path("build/soak.json"))
    return options


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    try:
        cells = chosen(matrix(), options.only)
    except ValueError as error:
        note(f"soak: {error}")
        return 2
    linux = load(options.linux, options.octets, "linux", False)
    report = load(options.out, options.octets, options.wire, options.fresh)
    try:
        run(cells, report, linux, options.out, options)
    except KeyboardInterrupt:
        show(report, linux, cells)
        return 130
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        show(report, linux, cells)
    return 0 if all(_held(report, cell) for cell in cells) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
