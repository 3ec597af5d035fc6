"""The load client against wrk: requests per second and CPU per request on the same lighttpd, in alternating runs.

Both run on one thread in a clients' network namespace; lighttpd has its own, joined by a veth pair (versus.py
makes it), and closes after 1,000 requests of a connection. The server may be what limits both: then the ratio is
about 1, and the CPU per request says how much each would have left. Needs root, wrk, lighttpd and ip.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import msgspec

from bench import versus
from neatctl.apps.load.run import Report

PAIRS = 3
"""Of alternating runs."""
SECONDS = 1
WORKLOADS = {
    "keep-alive, 20 octets, 32 connections": ("20b", 32, False),
    "keep-alive, 20 octets, 128 connections": ("20b", 128, False),
    "one request a connection, 64 connections": ("20b", 64, True),
    "1 MB files, 8 connections": ("1m", 8, False),
}


@dataclass
class Run:
    """One run of one client."""

    requests_per_s: float
    cpu_us_per_request: float
    errors: int


@contextmanager
def clients_namespace() -> Iterator[str]:
    """A network namespace for the clients; its name."""
    name = f"load-{os.getpid()}"
    versus.command("ip", "netns", "add", name)
    try:
        versus.command("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        versus.command("ip", "netns", "del", name, check=False)


def children_us() -> int:
    """CPU of all child processes so far, in microseconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1_000_000)


def wrk(netns: str, url: str, connections: int, close: bool) -> Run:
    before = children_us()
    run = versus.load(netns, url, connections, SECONDS, close)
    cpu_us = children_us() - before
    return Run(run.requests_per_s, cpu_us / max(run.requests_per_s * SECONDS, 1), run.errors)


def ours(netns: str, url: str, connections: int, close: bool) -> Run:
    argv = ["ip", "netns", "exec", netns, sys.executable, "-m", "neatctl.apps.load", url, "--seconds", str(SECONDS)]
    argv += ["--connections", str(connections), "--requests-per-connection", str(int(close))]
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=SECONDS + 30, check=True)
    report = msgspec.json.decode(done.stdout, type=Report)
    return Run(report.requests_per_s, report.cpu_us / max(report.requests, 1), report.errors_total)


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
    with tempfile.TemporaryDirectory(prefix="load-") as top, clients_namespace() as netns:
        directory = Path(top) / "www"
        directory.mkdir()
        for folder in (directory.parent, directory):
            folder.chmod(0o755)
        (directory / "20b").write_bytes(b"x" * 20)
        (directory / "1m").write_bytes(os.urandom(1_000_000))
        with versus.lighttpd(netns, directory) as address:
            for name, (file, connections, close) in WORKLOADS.items():
                asked = (netns, f"http://{address}/{file}", connections, close)
                ours(*asked)  # warms the server up
                figures += figures_of(name, [(ours(*asked), wrk(*asked)) for _ in range(PAIRS)])
    return figures


def main() -> int:
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one JSON array on standard output")
    options = made.parse_args()
    figures: list[dict[str, object]] = []
    if lack := versus.lacks():
        print(f"load: {lack}", file=sys.stderr)
    else:
        figures = measure()
    if options.json:
        print(json.dumps(figures))
    else:
        for figure in figures:
            print(f"{figure['name']:50} {figure['value']:7.2f} {figure['unit']:14}  {figure['note']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
