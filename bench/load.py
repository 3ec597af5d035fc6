"""The load client against wrk: requests per second and CPU per request on the same lighttpd, in alternating runs.

Both run on one thread in a clients' network namespace; lighttpd has its own, joined by a veth pair, and
closes after 1,000 requests of a connection. The server may be what limits both: then the ratio is
about 1, and the CPU per request says how much each would have left. Needs root, wrk, lighttpd and ip.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from neatctl.testbed.bench import clients, linux
from neatctl.testbed.bench.results import TargetFacts, Workload
from neatctl.testbed.bench.runner import CannotMeasure, Target, run_once

PAIRS = 3
"""Of alternating runs."""
SECONDS = 1
WORKLOADS = {
    "keep-alive, 20 octets, 32 connections": ("/20b", 32, False),
    "keep-alive, 20 octets, 128 connections": ("/20b", 128, False),
    "one request a connection, 64 connections": ("/20b", 64, True),
    "1 MB files, 8 connections": ("/1m", 8, False),
}


@dataclass
class Run:
    """One run of one client."""

    requests_per_s: float
    cpu_us_per_request: float
    errors: int


@contextmanager
def clients_namespace() -> Iterator[Target]:
    """A network namespace for the clients, as a target beside which lighttpd can be: it has no server itself."""
    name = f"load-{os.getpid()}"
    try:
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield Target(TargetFacts("none", "http://127.0.0.1"), ("ip", "netns", "exec", name), name)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def run_of(target: Target, client: str, path: str, connections: int, close: bool) -> Run:
    """One run of a client, `own` or `wrk`."""
    load = Workload(path=path, octets=None, connections=connections, requests_per_connection=int(close),
                    seconds=SECONDS, warm_up_s=0, client=client)  # fmt: skip
    run = run_once(target, load)
    cpu_us = run.cpu.us_per_request.get("client", float("nan")) if run.cpu is not None else float("nan")
    return Run(run.requests_per_s, cpu_us, run.errors_total)


def figures_of(name: str, pairs: list[tuple[Run, Run]]) -> list[dict[str, object]]:
    """The figures of one workload, of pairs (ours, wrk's)."""
    ratios = [mine.requests_per_s / theirs.requests_per_s for mine, theirs in pairs]
    rates = [statistics.median(run.requests_per_s for run in runs) for runs in zip(*pairs)]
    cpu = [statistics.median(run.cpu_us_per_request for run in runs) for runs in zip(*pairs)]
    errors = [sum(run.errors for run in runs) for runs in zip(*pairs)]
    rate_note = (
        f"{min(ratios):.2f}..{max(ratios):.2f}; {rates[0]:,.0f} against {rates[1]:,.0f} requests/s; "
        f"errors {errors[0]} and {errors[1]}; {len(pairs)} alternating pairs"
    )
    return [
        {"name": name, "value": statistics.median(ratios), "unit": "x wrk", "note": rate_note},
        {"name": f"client, {name}", "value": cpu[0], "unit": "CPU us/request", "note": f"wrk: {cpu[1]:.1f}"},
    ]


def measure() -> list[dict[str, object]]:
    """All workloads."""
    figures: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="load-") as top, clients_namespace() as beside:
        directory = Path(top)
        directory.chmod(0o755)
        (directory / "20b").write_bytes(b"x" * 20)
        (directory / "1m").write_bytes(os.urandom(1_000_000))
        with linux.lighttpd(beside, directory) as target:
            for name, load in WORKLOADS.items():
                run_of(target, "own", *load)  # warms the server up
                pairs = [(run_of(target, "own", *load), run_of(target, "wrk", *load)) for _ in range(PAIRS)]
                figures += figures_of(name, pairs)
    return figures


def main() -> int:
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one JSON array on standard output")
    options = made.parse_args()
    figures: list[dict[str, object]] = []
    if lack := clients.missing("wrk") or linux.lacks():
        print(f"load: {lack}", file=sys.stderr)
    else:
        try:
            figures = measure()
        except (CannotMeasure, subprocess.CalledProcessError) as error:
            print(f"load: {error}", file=sys.stderr)
            return 1
    if options.json:
        print(json.dumps(figures))
    else:
        for figure in figures:
            print(f"{figure['name']:50} {figure['value']:7.2f} {figure['unit']:14}  {figure['note']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
