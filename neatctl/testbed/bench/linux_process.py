"""The process of `--versus linux`: `python -m neatctl.testbed.bench.linux_process PID LIGHTTPD CIDR FILES N MAX`.

Started on the clients' side, it moves into a network namespace of its own, joins the two by a veth pair (the
clients' end has the address CIDR), starts N instances of lighttpd on ports 80, 81 .., and says so when they all take
connections (`server_process.Ready`). They end with it, and the namespace, which has no name, with them. veth(4).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

from neatctl.core.process.probe import enter_namespace
from neatctl.testbed.bench.server_process import Ready, end_with_parent, say
from neatctl.testbed.bench.site import server_of

FIRST_PORT = 80
_CLONE_NEWNET = 0x40000000
_START_LIMIT_S = 8.0
_ENDS = {signal.SIGTERM, signal.SIGINT}
_CONFIGURATION = """\
server.document-root = "{files}"
server.bind = "{address}"
server.port = {port}
server.max-keep-alive-requests = {max_requests}
server.max-connections = 8192
server.max-fds = 20000
"""


class NotStarted(Exception):
    """lighttpd does not serve; the message says why."""


def join(tag: str, cidr: str) -> None:
    """Move this process into a new network namespace, joined to the one that it comes from."""
    network = cidr.partition("/")[2]
    outside, inside = f"vo{tag}", f"vi{tag}"
    clients = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, f"no network namespace for lighttpd ({os.strerror(code)}): run as root")
    ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with IPRoute() as route:
        route.link("add", ifname=inside, kind="veth", peer={"ifname": outside, "net_ns_fd": clients})
        route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
        device = route.link_lookup(ifname=inside)[0]
        route.addr("add", index=device, address=str(server_of(cidr)), prefixlen=int(network))
        route.link("set", index=device, state="up")
    enter_namespace(clients)
    with IPRoute() as route:
        device = route.link_lookup(ifname=outside)[0]
        route.addr("add", index=device, address=cidr.partition("/")[0], prefixlen=int(network))
        route.link("set", index=device, state="up")
    enter_namespace(ours)


def part(tag: str) -> None:
    """Remove the veth pair now: the namespace's end would, but somewhat later."""
    with IPRoute() as route:
        route.link("del", index=route.link_lookup(ifname=f"vi{tag}")[0])


def start(program: str, configuration: Path) -> subprocess.Popen[bytes]:
    """One instance, in the foreground, which ends with this process."""
    ours = os.getpid()

    def prepare() -> None:
        end_with_parent(ours)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)

    with open(configuration.with_suffix(".log"), "wb") as errors:
        argv = [program, "-D", "-f", str(configuration)]
        return subprocess.Popen(argv, stdout=errors, stderr=errors, preexec_fn=prepare)  # noqa: PLW1509


def wait_until_open(address: tuple[str, int], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when it takes a connection; NotStarted when it ends or takes none in time."""
    limit = time.monotonic() + _START_LIMIT_S
    while process.poll() is None and time.monotonic() < limit:
        try:
            socket.create_connection(address, 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    words = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it says nothing"]
    raise NotStarted(f"lighttpd does not start: {words[0]}")


def serve(program: str, address: str, files: str, instances: int, max_requests: str) -> None:
    """Start all instances, say so, and wait for the order to end. NotStarted, or what the system says."""
    started: list[subprocess.Popen[bytes]] = []
    # Not heeded before the block begins, nor again once it ends.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    with tempfile.TemporaryDirectory(prefix="neatctl-lighttpd-") as directory:
        try:
            for number in range(instances):
                configuration = Path(directory) / f"{number}.conf"
                port = FIRST_PORT + number
                configuration.write_text(
                    _CONFIGURATION.format(files=files, address=address, port=port, max_requests=max_requests)
                )
                started.append(start(program, configuration))
            for number, process in enumerate(started):
                wait_until_open((address, FIRST_PORT + number), process, Path(directory) / f"{number}.log")
            version = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout.split(" ")[0]
            urls = [f"http://{address}:{FIRST_PORT + number}" for number in range(instances)]
            say(Ready(urls=urls, pids=[process.pid for process in started], version=version))
            signal.sigwait(_ENDS)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                try:
                    process.wait(3)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def main() -> int:
    """The process."""
    parent, program, cidr, files, instances, max_requests = sys.argv[1:7]
    end_with_parent(int(parent))
    try:
        join(parent, cidr)
    except (NetlinkError, OSError) as error:
        say(Ready(failed=f"the network for lighttpd cannot be made: {error}"))
        return 1
    try:
        serve(program, str(server_of(cidr)), files, int(instances), max_requests)
    except (NotStarted, OSError) as error:
        say(Ready(failed=str(error)))
        return 1
    finally:
        part(parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
