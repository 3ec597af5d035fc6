"""The web server alone: a request through the pure machine, with and without the memo, and through its loop.

All figures are CPU time of one request. The machine's has nothing else in it; the loop's over the socket library has
the rings to and from a replica, whose side is not counted; over kernel sockets most of it is the kernel's.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from neatctl.apps.web.http import Connection, Options, Service
from neatctl.apps.web.server import Server
from neatctl.apps.web.site import built_in
from neatctl.apps.web.stack_network import StackNetwork
from tests.apps.web.kernel_network import KernelNetwork
from tests.apps.web.replica_side import ReplicaSide

HEAD = b"GET /20b HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\n"
BROWSER = (
    b"GET /20b HTTP/1.1\r\nHost: 10.77.0.2\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
    b"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,"
    b"application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\nCache-Control: max-age=0\r\n\r\n"
)
RUNS = 5
REQUESTS = 40_000
LOOPBACK_REQUESTS = 30_000
CONNECTIONS = 32
BURST = 128
BURSTS = 100


def machine_ns(head: bytes, memo: bool) -> float:
    """One request: octets in, reply out, taken."""
    service = Service(built_in(0), Options(max_requests=0, memo_entries=1024 if memo else 0))
    connection = Connection(service, 0)
    requests = REQUESTS if memo else REQUESTS // 8
    arrived = [bytes(bytearray(head)) for _ in range(requests)]
    began = time.process_time_ns()
    for octets in arrived:
        connection.receive(octets, 1)
        connection.sent(connection.stop, 1)
    return (time.process_time_ns() - began) / requests


def library_ns(close: bool) -> float:
    """One request through rings, socket library and loop, and its reply back into the ring; 128 in a burst."""
    head = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if close else HEAD
    with tempfile.TemporaryDirectory() as directory:
        replica = ReplicaSide(directory)
        stack = replica.stack()
        server = Server(StackNetwork(stack, 80), Service(built_in(0), Options(max_requests=0)))
        for ident in range(BURST):
            if not close:
                replica.accepted(ident, 1 << 29)
        used = 0
        for turn in range(BURSTS):
            for ident in range(turn * BURST, turn * BURST + BURST):
                if close:
                    replica.accepted(ident)
                replica.data(ident if close else ident % BURST, head)
            replica.flush()
            began = time.process_time_ns()
            while server.service.requests < BURST * (turn + 1):
                server.turn(server.network.poll(0), 1)
            stack.flush()
            used += time.process_time_ns() - began
            for _ in replica.heard():
                pass
        stack.close()
        replica.close()
    return used / (BURST * BURSTS)


def loopback_us() -> tuple[float, float]:
    """CPU of the server per request over kernel sockets, in microseconds; and requests per second."""
    network = KernelNetwork()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready)
        server = Server(network, Service(built_in(0), Options(max_requests=0)))
        server.run(lambda now: server.drain(now) if server.service.requests >= LOOPBACK_REQUESTS else None)
        used = time.process_time_ns()
        os.write(told, str(used).encode())
        os._exit(0)
    os.close(told)
    network.listener.close()
    clients = [socket.create_connection(("127.0.0.1", network.port)) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for _ in range(LOOPBACK_REQUESTS // CONNECTIONS + 1):
        for client in clients:
            client.sendall(HEAD)
        for client in clients:
            client.recv(4096)
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    used = int(os.read(ready, 100))
    os.waitpid(child, 0)
    return used / LOOPBACK_REQUESTS / 1000, LOOPBACK_REQUESTS / took


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one JSON array on standard output")
    options = made.parse_args()
    figures = []
    for name, head, memo in (
        ("machine, short head, memo", HEAD, True),
        ("machine, short head, no memo", HEAD, False),
        ("machine, browser's head, memo", BROWSER, True),
        ("machine, browser's head, no memo", BROWSER, False),
    ):
        value = median(machine_ns(head, memo) for _ in range(RUNS))
        figures.append({"name": name, "value": value, "unit": "ns/request", "note": f"median of {RUNS}"})
    for name, close in (("keep-alive", False), ("one request a connection", True)):
        value = median(library_ns(close) for _ in range(RUNS))
        note = f"bursts of {BURST}, median of {RUNS}"
        figures.append(
            {"name": f"loop on the socket library, {name}", "value": value, "unit": "ns/request", "note": note}
        )
    runs = [loopback_us() for _ in range(3)]
    figures.append(
        {
            "name": f"loop on kernel sockets, {CONNECTIONS} connections",
            "value": median(cpu for cpu, _ in runs),
            "unit": "CPU us/request",
            "note": f"median of 3, at {median(rate for _, rate in runs):,.0f} requests/s of a Python client",
        }
    )
    if options.json:
        print(json.dumps(figures))
    else:
        for figure in figures:
            print(f"{figure['name']:55} {figure['value']:10,.1f} {figure['unit']}  {figure['note']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
