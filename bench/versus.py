"""Requests per second of neatctl's web server against lighttpd on the Linux stack, in turn, in one run.

What `neatctl bench --versus linux --client wrk` does, over several numbers of connections and replicas, for
`make bench`: one load generator (wrk) in one clients' network namespace asks both, each serving a file of the same
size and closing after 1,000 requests (the workload of the paper's section 5). Runs alternate, so that a machine whose
speed drifts slows both. CPU is what the whole machine spent, kernel and wrk included. Needs wrk and lighttpd.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from msgspec.structs import replace

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.bench import clients, linux, results
from neatctl.testbed.bench.against import LINUX
from neatctl.testbed.bench.cpu import MACHINE
from neatctl.testbed.bench.results import Workload
from neatctl.testbed.bench.runner import CannotMeasure, run_once
from neatctl.testbed.bench.targets import Wanted, taking_turns
from neatctl.testbed.bench.workload import BadWorkload
from neatctl.testbed.client import NotRunning, require_running
from neatctl.testbed.endings import ended_in_order

SCHEMA = 1
NEATCTL = str(Path(sys.executable).with_name("neatctl"))
FILE = "/file"
LONGEST_S = 900
"""No session of this program measures longer, whatever was asked."""
_NOT_SAID = float("nan")


@dataclass
class Run:
    """One run of wrk against one server."""

    requests_per_s: float
    cpu_us_per_request: float
    p50_us: float
    p99_us: float
    errors: int


def lacks() -> str:
    """What this machine lacks for the comparison, with the remedy; or ""."""
    return clients.missing("wrk") or linux.lacks()


@contextmanager
def testbed(replicas: int, directory: Path, options: Sequence[str]) -> Iterator[str]:
    """A testbed of our own that serves a directory; its name. CannotMeasure with the command's words if it fails."""
    name = f"versus-{os.getpid()}-{replicas}"
    argv = ["up", "--name", name, "--replicas", str(replicas), "--web", str(directory), "--detach", *options]
    try:
        done = subprocess.run([NEATCTL, *argv], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise CannotMeasure(f"neatctl {' '.join(argv)} exited with {done.returncode}: {done.stderr.strip()}")
        yield name
    finally:
        if subprocess.run([NEATCTL, "down", "--name", name], capture_output=True, check=False).returncode not in {0, 3}:
            subprocess.run([NEATCTL, "down", "--force", "--name", name], capture_output=True, check=False)


def run_of(run: results.Run) -> Run:
    """The figures of a run that are reported here."""
    return Run(
        requests_per_s=run.requests_per_s,
        cpu_us_per_request=run.cpu.us_per_request.get(MACHINE, _NOT_SAID) if run.cpu is not None else _NOT_SAID,
        p50_us=_NOT_SAID if run.latency.p50 is None else run.latency.p50,
        p99_us=_NOT_SAID if run.latency.p99 is None else run.latency.p99,
        errors=run.errors_total,
    )


def spread(values: Sequence[float], digits: int = 2) -> str:
    """median (min..max)."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"


def row(replicas: int, connections: int, runs: dict[str, list[Run]], options: argparse.Namespace) -> dict[str, object]:
    """What is reported of one comparison."""
    ratios = [ours.requests_per_s / linux.requests_per_s for ours, linux in zip(runs["neatctl"], runs["linux"])]
    return {
        "replicas": replicas,
        "connections": connections,
        "close": options.close,
        "octets": options.bytes,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "runs": {side: [asdict(run) for run in of_side] for side, of_side in runs.items()},
    }


def show(figures: dict[str, object], runs: dict[str, list[Run]], out: Callable[[str], None]) -> None:
    """The same for a person."""
    kind = "one request each" if figures["close"] else "keep-alive"
    ratios = spread([float(ratio) for ratio in figures["ratios"]])  # type: ignore[attr-defined]
    out(
        f"{figures['replicas']} replicas, {figures['connections']} connections, {kind}, {figures['octets']} octets:"
        f" {ratios} times lighttpd on Linux"
    )
    for side, of_side in runs.items():
        out(
            f"  {side:8} req/s {spread([run.requests_per_s for run in of_side], 0)}"
            f"  CPU us/req {spread([run.cpu_us_per_request for run in of_side], 1)}"
            f"  p99 us {spread([run.p99_us for run in of_side], 0)}  errors {sum(run.errors for run in of_side)}"
        )


def workload(options: argparse.Namespace, connections: int) -> Workload:
    """What wrk is to do, after a second of warming up that does not count; the file's size is looked up."""
    return Workload(
        path=options.path if options.name else FILE,
        octets=None,
        connections=connections,
        requests_per_connection=1 if options.close else 0,
        seconds=options.seconds,
        warm_up_s=1,
        client="wrk",
    )


def compare(wanted: Wanted, options: argparse.Namespace, out: Callable[[str], None]) -> list[dict[str, object]]:
    """Alternating runs for each number of connections, on one testbed."""
    figures: list[dict[str, object]] = []
    with taking_turns(wanted) as pairs:
        for each in dict.fromkeys(pair[1] for pair in pairs):
            targets = {target.facts.name: target for target, workload in pairs if workload == each}
            order = [name for name in targets if name != LINUX] + [LINUX]
            runs: dict[str, list[Run]] = {name: [] for name in order}
            for number in range(options.runs):
                # Only the first run of a server is preceded by one that does not count.
                load = each if number == 0 else replace(each, warm_up_s=0)
                for name in order:
                    runs[name].append(run_of(run_once(targets[name], load)))
            replicas = targets["neatctl"].facts.replicas or 0
            figures.append(row(replicas, each.connections, runs, options))
            show(figures[-1], runs, out)
    return figures


def measure(options: argparse.Namespace, out: Callable[[str], None]) -> list[dict[str, object]]:
    """All comparisons that were asked for, one after the other."""
    if options.name:
        require_running(RunDirectory(options.name))
    loads = [workload(options, connections) for connections in options.connections]
    figures: list[dict[str, object]] = []
    with ExitStack() as outer:
        directory = Path(outer.enter_context(tempfile.TemporaryDirectory(prefix="versus-")))
        directory.chmod(0o755)
        (directory / FILE[1:]).write_bytes(b"x" * options.bytes)
        for replicas in [0] if options.name else options.replicas:
            with ExitStack() as stack:
                name = options.name or stack.enter_context(testbed(replicas, directory, options.up.split()))
                figures += compare(Wanted(loads, name, None, 1, True, (LINUX,)), options, out)
    return figures


def numbers(text: str) -> list[int]:
    values = [int(part) for part in text.split(",")]
    if not values or min(values) < 1:
        raise argparse.ArgumentTypeError("numbers from 1 on, separated by commas")
    return values


def positive(text: str) -> int:
    return numbers(text)[0]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--connections", type=numbers, default=[1, 8, 32, 128], help="default 1,8,32,128")
    made.add_argument("--replicas", type=numbers, default=[1, 2, 4], help="a testbed each; default 1,2,4")
    made.add_argument("--runs", type=positive, default=5, help="alternating runs of each server; default 5")
    made.add_argument("--seconds", type=positive, default=3, help="of each run; default 3")
    made.add_argument("--bytes", type=positive, default=20, help="octets of the file; default 20")
    made.add_argument("--close", action="store_true", help="a connection for every request")
    made.add_argument("--up", default="", help="more options for `neatctl up`, in one word")
    made.add_argument("--name", default="", help="measure this running testbed instead of new ones")
    made.add_argument("--path", default="/20b", help="with --name: what to fetch there; default /20b")
    made.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return made


def main() -> int:
    """Exit code 0 when all was measured."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    options = parser().parse_args()
    if lack := lacks():
        print(f"versus: {lack}", file=sys.stderr)
        return 1
    testbeds = 1 if options.name else len(options.replicas)
    planned_s = testbeds * len(options.connections) * 2 * (1 + options.runs * options.seconds)
    if planned_s > LONGEST_S:
        print(f"versus: that would take {planned_s} s; at most {LONGEST_S} s are allowed", file=sys.stderr)
        return 2
    out: Callable[[str], None] = print
    if options.json:
        out = lambda line: print(line, file=sys.stderr)  # noqa: E731
    try:
        # A terminate cleans up as Ctrl-C does: both unwind through the context managers.
        with ended_in_order():
            figures = measure(options, out)
    except KeyboardInterrupt:
        return 130
    except (BadWorkload, CannotMeasure, NotRunning) as error:
        print(f"versus: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"schema": SCHEMA, "comparisons": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
