"""Requests per second through the TCP layer alone, on one core: segments in, socket records, segments out.

128 clients and an application, both as thin as can be (drive/tcp_drive.py, compiled on the spot where the core is),
real rings and IP output, no device and no other process. Keep-alive: a request and its answer, ACKs riding along.
One request a connection: SYN to TIME-WAIT. The time of the driver is in all figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.output import IpOutput
from neatctl.core.native import COMPILED, Memory
from neatctl.core.tcp.layer import TcpLayer

HERE = Path(__file__).parent
CONNECTIONS = 128
REQUEST, RESPONSE = 100, 250
RUNS = 5
CAPACITY = 1 << 20
ACK, FIN_ACK = 16, 17
CONFIG = ReplicaConfig(
    index=1,
    generation=1,
    run_directory="",
    transport="inproc",
    channel="ring",
    address="10.77.0.2",
    prefix_length=24,
    gateway="",
    mac=b"\x02\0\0\0\0\x02",
    isn_key=bytes(16),
)


def compile_drive() -> Any:
    """The driver's module: compiled if the core is, plain otherwise."""
    sys.path.insert(0, str(HERE / "drive"))
    if COMPILED:
        from Cython.Build import cythonize
        from setuptools import Distribution, Extension

        build = tempfile.mkdtemp(prefix="neatctl-bench-")
        extension = Extension("tcp_drive", [str(HERE / "drive" / "tcp_drive.py")], extra_compile_args=["-O3", "-g0"])
        directives = {"language_level": "3", "wraparound": False, "annotation_typing": False}
        built = cythonize([extension], build_dir=build, quiet=True, compiler_directives=directives)
        command = Distribution({"ext_modules": built}).get_command_obj("build_ext")
        command.build_temp = command.build_lib = build
        command.ensure_finalized()
        command.run()
        sys.path.insert(0, build)
    return importlib.import_module("tcp_drive")


def ring() -> tuple[RingProducer, RingConsumer]:
    memory = format_ring(Memory(bytearray(ring_octets(CAPACITY))), CAPACITY, 1)
    return RingProducer(memory, 1, Ringer("")), RingConsumer(memory, 1, Ringer(""))


def drive_of(module: Any, response: int) -> tuple[TcpLayer, Any]:
    """A fresh layer with its driver."""
    output = IpOutput(CONFIG, IpCounters())
    nic_producer, nic = ring()
    app_producer, app = ring()
    output.attach(nic_producer)
    output.neighbours.learn(bytes((10, 77, 0, 1)), b"\x02\0\0\0\0\x01", 0)
    layer = TcpLayer(CONFIG, output)
    layer.attach(1, app_producer)
    layer.listen(1, 1, "", 80, CONNECTIONS)
    return layer, module.Drive(layer, nic_producer, nic, app, REQUEST, response)


def figure(name: str, rates: list[float], unit: str, segments: float) -> dict[str, Any]:
    rate = statistics.median(rates)
    note = f"median of {RUNS}; {segments:.1f} segments each, {1e9 / rate / segments:.0f} ns a segment"
    return {"name": name, "value": rate, "unit": unit, "note": note}


def segments_of(layer: TcpLayer) -> int:
    return layer.counters.segments_in + layer.counters.segments_out


def keep_alive(module: Any, rounds: int, response: int, name: str) -> dict[str, Any]:
    layer, drive = drive_of(module, response)
    drive.open(0, CONNECTIONS)
    rates = []
    before = segments_of(layer)
    for _ in range(RUNS):
        begin = time.process_time()
        for _ in range(rounds):
            drive.ask(0, CONNECTIONS)
        rates.append(rounds * CONNECTIONS / (time.process_time() - begin))
    if drive.answers != RUNS * rounds * CONNECTIONS or layer.counters.retransmits:
        sys.exit(f"tcp: {drive.answers} answers, {layer.counters.retransmits} retransmissions")
    return figure(name, rates, "requests/s", (segments_of(layer) - before) / drive.answers)


def connections(module: Any, rounds: int) -> dict[str, Any]:
    layer, drive = drive_of(module, RESPONSE)
    drive.closing = True
    rates = []
    for _ in range(RUNS):
        begin = time.process_time()
        for _ in range(rounds):
            drive.open(0, CONNECTIONS)
            drive.ask(0, CONNECTIONS)
            drive.acknowledge(0, CONNECTIONS, FIN_ACK)
            drive.rest(2_000)
        rates.append(rounds * CONNECTIONS / (time.process_time() - begin))
    if layer.counters.closed != RUNS * rounds * CONNECTIONS:
        sys.exit(f"tcp: {layer.counters.closed} connections closed")
    return figure("TCP alone, one request a connection", rates, "connections/s", segments_of(layer) / drive.answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    module = compile_drive()
    scale = 1 if COMPILED else 50
    figures = [
        keep_alive(module, 2_000 // scale, RESPONSE, "TCP alone, keep-alive"),
        connections(module, 300 // scale),
    ]
    if as_json:
        print(json.dumps(figures))
        return
    for one in figures:
        print(f"{one['name']:<40} {one['value']:>12,.0f} {one['unit']:<14} {one['note']}")


if __name__ == "__main__":
    main()
