"""All benchmarks in one table: `make bench`, or `.venv/bin/python bench/run.py [NAME ...] [--json]`.

Runs every other program of this folder with --json (README.md says what that prints) and, as root with wrk and
lighttpd, versus.py for the three workloads by which the stack is judged. A benchmark that fails is named and
makes the exit code 1; the others still run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from neatctl import __version__
from neatctl.core.native import COMPILED

SCHEMA = 1
HERE = Path(__file__).parent
LIMIT_S = 900
VERSUS = {
    "keep-alive, 20 octets": ["--connections", "1,8,32,128", "--seconds", "2"],
    "one request a connection": ["--connections", "64", "--seconds", "2", "--close"],
    "1 MB files": ["--connections", "8", "--seconds", "2", "--bytes", "1000000"],
}


class Figure(msgspec.Struct, omit_defaults=True):
    """One line of the table."""

    name: str
    value: float
    unit: str
    note: str = ""
    benchmark: str = ""


class BenchmarkFailed(Exception):
    """A benchmark did not print what it should; the message says which and what it did say."""


def run_json(program: Path, arguments: Sequence[str]) -> bytes:
    """What a benchmark prints on standard output; its notes pass through. Ended with this program."""
    with subprocess.Popen([sys.executable, str(program), *arguments, "--json"], stdout=subprocess.PIPE) as process:
        try:
            out, _ = process.communicate(timeout=LIMIT_S)
        except BaseException:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
    if process.returncode:
        raise BenchmarkFailed(f"{program.name} exited with {process.returncode}")
    return out


def figures_of(program: Path) -> list[Figure]:
    """The figures of one benchmark."""
    try:
        figures = msgspec.json.decode(run_json(program, []), type=list[Figure])
    except msgspec.DecodeError as error:
        raise BenchmarkFailed(f"{program.name} printed no figures: {error}") from error
    for figure in figures:
        figure.benchmark = program.stem
    return figures


def median_of(runs: list[dict[str, float]], field: str) -> float:
    values = sorted(run[field] for run in runs)
    return values[len(values) // 2]


def comparison(workload: str, row: dict[str, Any]) -> Figure:
    """One line of versus.py as a figure."""
    ours, linux = row["runs"]["neatctl"], row["runs"]["linux"]
    errors = int(sum(run["errors"] for run in ours))
    return Figure(
        name=f"{workload}, {row['connections']} connections, {row['replicas']} replicas",
        value=row["ratio"],
        unit="x lighttpd",
        note=(
            f"{min(row['ratios']):.2f}..{max(row['ratios']):.2f}; "
            f"{median_of(ours, 'requests_per_s'):,.0f} against {median_of(linux, 'requests_per_s'):,.0f} req/s; "
            f"CPU {median_of(ours, 'cpu_us_per_request'):.1f} against {median_of(linux, 'cpu_us_per_request'):.1f} us; "
            f"p99 {median_of(ours, 'p99_us'):,.0f} against {median_of(linux, 'p99_us'):,.0f} us; {errors} errors"
        ),
        benchmark="versus",
    )


def versus_figures(replicas: str) -> list[Figure]:
    """All workloads against lighttpd."""
    figures = []
    for workload, arguments in VERSUS.items():
        printed = run_json(HERE / "versus.py", [*arguments, "--replicas", replicas])
        figures += [comparison(workload, row) for row in json.loads(printed)["comparisons"]]
    return figures


def number(value: float) -> str:
    """A figure with as many digits as mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns; the value stands flush right."""
    rows = [(figure.benchmark, figure.name, number(figure.value), figure.unit, figure.note) for figure in figures]
    rows.insert(0, ("benchmark", "what", "value", "unit", "how"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].rjust(widths[2]), row[3].ljust(widths[3])]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "neatctl": __version__,
        "compiled": COMPILED,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
    }


def main() -> int:
    """Exit code 0 when every benchmark ran."""
    programs = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem not in {"run", "versus", "__init__"}}
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*programs, 'versus'])}; default all")
    made.add_argument("--replicas", default="1,2,4", help="for versus; default 1,2,4")
    made.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = made.parse_args()
    if unknown := set(options.names) - {*programs, "versus"}:
        made.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    if not COMPILED:
        print("bench: plain Python, nothing is compiled: these figures are not the ones to quote", file=sys.stderr)
    figures: list[Figure] = []
    failed = False
    try:
        for name in options.names or [*programs, "versus"]:
            print(f"bench: {name}", file=sys.stderr)
            try:
                figures += versus_figures(options.replicas) if name == "versus" else figures_of(programs[name])
            except (BenchmarkFailed, subprocess.TimeoutExpired) as error:
                print(f"bench: {error}", file=sys.stderr)
                failed = True
    except KeyboardInterrupt:
        return 130
    if options.json:
        report = {"schema": SCHEMA, "machine": machine(), "figures": figures}
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print(", ".join(f"{key} {value}" for key, value in machine().items()))
        print(table(figures))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
