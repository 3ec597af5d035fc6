"""Requests per second of neatctl's web server against lighttpd on the Linux stack, in turn, in one run.

One load generator (wrk) in one clients' network namespace asks both: ours behind its TAP, Debian's lighttpd in
a namespace of its own joined by a veth pair, each serving a file of the same size and closing after
1,000 requests (the workload of the paper's section 5). Runs alternate, so that a machine whose speed drifts
slows both. CPU is what the whole machine spent, kernel and wrk included. Needs root, wrk, lighttpd and ip.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

SCHEMA = 1
LINUX_ADDRESS = "10.91.0.2"
CLIENT_ADDRESS = "10.91.0.1"
NEATCTL = str(Path(sys.executable).with_name("neatctl"))
LONGEST_S = 900
"""No session of this program measures longer, whatever was asked."""


@dataclass
class Run:
    """One run of wrk against one server."""

    requests_per_s: float
    cpu_us_per_request: float
    p50_us: float
    p99_us: float
    errors: int


def command(*argv: str, check: bool = True, timeout_s: float = 60) -> str:
    """What a command prints; SystemExit with its own words when it fails."""
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        sys.exit(f"versus: {' '.join(argv)} exited with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def busy_us() -> int:
    """CPU time that the whole machine has spent working, in microseconds (proc(5): user nice system irq softirq)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def lacks() -> str:
    """What this machine lacks for the comparison, with the remedy; or ""."""
    missing = [tool for tool in ("wrk", "lighttpd", "ip") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing: apt-get install wrk lighttpd iproute2"
    if os.geteuid() != 0:
        return "needs root, for the network namespace of lighttpd"
    return ""


@contextmanager
def testbed(replicas: int, directory: Path, options: Sequence[str]) -> Iterator[str]:
    """A testbed of our own that serves a directory; its name."""
    name = f"versus-{os.getpid()}-{replicas}"
    try:
        command(
            NEATCTL, "up", "--name", name, "--replicas", str(replicas), "--web", str(directory), "--detach", *options
        )
        yield name
    finally:
        if subprocess.run([NEATCTL, "down", "--name", name], capture_output=True, check=False).returncode not in {0, 3}:
            subprocess.run([NEATCTL, "down", "--force", "--name", name], capture_output=True, check=False)


def wait_until_open(netns: str, address: str) -> None:
    """Return when a TCP connection to port 80 succeeds from a namespace."""
    probe = f"import socket; socket.create_connection(({address!r}, 80), 1).close()"
    for _ in range(50):
        argv = ["ip", "netns", "exec", netns, sys.executable, "-c", probe]
        if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    sys.exit(f"versus: nothing answers at {address} port 80")


@contextmanager
def lighttpd(client_netns: str, directory: Path) -> Iterator[str]:
    """lighttpd on the Linux stack in a namespace of its own, reached from the clients' one; its address."""
    netns, outside, inside = f"versus-{os.getpid()}", f"vso{os.getpid()}", f"vsi{os.getpid()}"
    configuration = directory.parent / "lighttpd.conf"
    configuration.write_text(
        f'server.document-root = "{directory}"\n'
        f'server.bind = "{LINUX_ADDRESS}"\n'
        "server.port = 80\n"
        "server.max-keep-alive-requests = 1000\n"
        "server.max-connections = 4096\n"
        "server.max-fds = 9000\n"
    )
    server = None
    try:
        command("ip", "netns", "add", netns)
        pair = ["link", "add", outside, "type", "veth", "peer", "name", inside, "netns", netns]
        command("ip", "-n", client_netns, *pair)
        for where, link, address in ((client_netns, outside, CLIENT_ADDRESS), (netns, inside, LINUX_ADDRESS)):
            command("ip", "-n", where, "addr", "add", f"{address}/24", "dev", link)
            command("ip", "-n", where, "link", "set", link, "up")
        argv = ["ip", "netns", "exec", netns, "lighttpd", "-D", "-f", str(configuration)]
        server = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        wait_until_open(client_netns, LINUX_ADDRESS)
        yield LINUX_ADDRESS
    finally:
        if server is not None:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        command("ip", "-n", client_netns, "link", "del", outside, check=False)
        command("ip", "netns", "del", netns, check=False)


def microseconds(text: str) -> float:
    """A time as wrk prints it (`1.23ms`) in microseconds."""
    units = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    return float(found[1]) * units[found[2]] if found else float("nan")


def parse_wrk(printed: str, used_us: int) -> Run:
    """A Run from what `wrk --latency` printed; errors: failed connections, reads, writes, time-outs, bad answers."""
    total = re.search(r"(\d+) requests in", printed)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if total is None or rate is None:
        sys.exit(f"versus: wrk printed no figures:\n{printed}")
    at = dict(re.findall(r"^\s+(50|99)%\s+(\S+)$", printed, re.M))
    failures = re.findall(r"(?:Socket errors:|Non-2xx or 3xx responses:)(.*)", printed)
    return Run(
        requests_per_s=float(rate[1]),
        cpu_us_per_request=used_us / max(int(total[1]), 1),
        p50_us=microseconds(at.get("50", "")),
        p99_us=microseconds(at.get("99", "")),
        errors=sum(int(number) for line in failures for number in re.findall(r"\d+", line)),
    )


def load(client_netns: str, url: str, connections: int, seconds: int, close: bool) -> Run:
    """One run of wrk."""
    headers = ["-H", "Connection: close"] if close else []
    argv = ["ip", "netns", "exec", client_netns, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    before = busy_us()
    printed = command(*argv, *headers, url, timeout_s=seconds + 30)
    return parse_wrk(printed, busy_us() - before)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """median (min..max)."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"


def compare(
    client_netns: str, urls: dict[str, str], connections: int, options: argparse.Namespace
) -> dict[str, list[Run]]:
    """Alternating runs against every server, after a second of warming up that does not count."""
    runs: dict[str, list[Run]] = {side: [] for side in urls}
    for url in urls.values():
        load(client_netns, url, connections, 1, options.close)
    for _ in range(options.runs):
        for side, url in urls.items():
            runs[side].append(load(client_netns, url, connections, options.seconds, options.close))
    return runs


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
    out(f"{figures['replicas']} replicas, {figures['connections']} connections, {kind}, {figures['octets']} octets:"
        f" {ratios} times lighttpd on Linux")
    for side, of_side in runs.items():
        out(
            f"  {side:8} req/s {spread([run.requests_per_s for run in of_side], 0)}"
            f"  CPU us/req {spread([run.cpu_us_per_request for run in of_side], 1)}"
            f"  p99 us {spread([run.p99_us for run in of_side], 0)}  errors {sum(run.errors for run in of_side)}"
        )


def measure(options: argparse.Namespace, out: Callable[[str], None]) -> list[dict[str, object]]:
    """All comparisons that were asked for, one after the other."""
    figures: list[dict[str, object]] = []
    with ExitStack() as outer:
        directory = Path(outer.enter_context(tempfile.TemporaryDirectory(prefix="versus-"))) / "www"
        directory.mkdir()
        for folder in (directory.parent, directory):
            folder.chmod(0o755)
        (directory / "file").write_bytes(b"x" * options.bytes)
        for replicas in [0] if options.name else options.replicas:
            with ExitStack() as stack:
                name = options.name or stack.enter_context(testbed(replicas, directory, options.up.split()))
                status = json.loads(command(NEATCTL, "status", "--name", name, "--json"))
                netns, address = status["client_netns"], str(status["address"]).partition("/")[0]
                path = options.path if options.name else "/file"
                linux = stack.enter_context(lighttpd(netns, directory))
                urls = {"neatctl": f"http://{address}{path}", "linux": f"http://{linux}/file"}
                wait_until_open(netns, address)
                for connections in options.connections:
                    runs = compare(netns, urls, connections, options)
                    figures.append(row(replicas, connections, runs, options))
                    show(figures[-1], runs, out)
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
    # A terminate cleans up as Ctrl-C does: both unwind through the context managers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out: Callable[[str], None] = print
    if options.json:
        out = lambda line: print(line, file=sys.stderr)  # noqa: E731
    try:
        figures = measure(options, out)
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps({"schema": SCHEMA, "comparisons": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
