"""What a handshake that waits for its third segment costs in memory: python bench/half_open.py [--count 50000].

One replica's stack in this process, a listener with room for all of them, and SYNs as Linux sends them, each from an
address and port of its own. Prints one line of JSON: octets of resident memory for each.
"""

from __future__ import annotations

import argparse
import gc
import json
from pathlib import Path

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.records import DATA_VALID, VNET_FLAGS_AT
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.native import Memory
from neatctl.core.stack import Stack

_MAC = bytes.fromhex("020000000002")
_OPTIONS = bytes.fromhex("020405b40402080a000013880000000001030307")
_RING_OCTETS = 1 << 20
_BURST = 64


def ring() -> tuple[RingProducer, RingConsumer]:
    """Both ends of a ring over plain memory."""
    memory = format_ring(Memory(bytearray(ring_octets(_RING_OCTETS))), _RING_OCTETS, 1)
    return RingProducer(memory, 1, Ringer("")), RingConsumer(memory, 1, Ringer(""))


def syn(number: int) -> bytes:
    """A NIC record with a SYN whose checksum the device has verified."""
    port = 1024 + number % 60_000
    client = bytes((10, 78, 0, 1 + number // 60_000))
    header = bytearray(b"\x45\x00" + (60).to_bytes(2, "big") + bytes(4) + bytes((64, 6, 0, 0)) + client)
    header += bytes((10, 77, 0, 2))
    header[10:12] = (~Memory(header).sum(0, 20, 0) & 0xFFFF).to_bytes(2, "big")
    tcp = port.to_bytes(2, "big") + (80).to_bytes(2, "big") + number.to_bytes(4, "big") + bytes(4)
    tcp += bytes((10 << 4, 2)) + b"\xff\xff" + bytes(4) + _OPTIONS
    head = bytearray(16)
    head[VNET_FLAGS_AT] = DATA_VALID
    return bytes(head) + _MAC + bytes.fromhex("020000000001") + b"\x08\x00" + bytes(header) + tcp


def resident_octets() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of a half-open connection")
    parser.add_argument("--count", type=int, default=50_000)
    count = parser.parse_args().count
    config = ReplicaConfig(
        index=1, generation=1, run_directory="", transport="inproc", channel="ring", address="10.77.0.2",
        prefix_length=8, gateway="", mac=_MAC, isn_key=bytes(16), max_connections=count + 1,
    )  # fmt: skip
    stack = Stack(config)
    net, wire = ring()
    events, _ = ring()
    stack.attach_nic(net)
    stack.tcp.attach(1, events)
    stack.tcp.listen(1, 1, "", 80, count + 1)
    gc.collect()
    before = resident_octets()
    for number in range(count):
        record = syn(number)
        stack.receive(Memory(record), 0, len(record), number)
        if number % _BURST == 0 or number == count - 1:
            stack.transmit(number)
            net.flush()
            while wire.receive() is not None:
                pass
            wire.flush()
    gc.collect()
    octets = (resident_octets() - before) // count
    print(json.dumps({"schema": 1, "half_open": stack.tcp.connections, "octets_each": octets}))


if __name__ == "__main__":
    main()
