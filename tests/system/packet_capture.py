"""What the kernel sees on an interface, as a pcap: `python packet_capture.py INTERFACE FILE`, until SIGTERM.

By the project's packet socket, in the clients' namespace (`neatctl exec`): large segments are there as the kernel has
them, checksums not filled in. A line on stdout says when it has begun.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from neatctl.core.native import Memory
from neatctl.nic.devices.packet_socket import ALL_PROTOCOLS, PacketSocket
from tests.testbed.replay.captures import Record, pcap

OCTETS = 1 << 17
BUFFER_OCTETS = 64 << 20
SO_RCVBUFFORCE = 33


def main(interface: str, path: Path) -> None:
    going = True

    def stop(_number: int, _frame: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    packets = PacketSocket(interface, ALL_PROTOCOLS)
    with socket.socket(fileno=os.dup(packets.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
    memory = Memory(bytearray(OCTETS))
    records: list[Record] = []
    print("begun", flush=True)
    while going or packets.wait(10_000_000):
        if going:
            packets.wait(100_000_000)
        while (octets := packets.receive(memory, 0, OCTETS)) >= 0:
            records.append((time.time_ns(), memory.bytes(0, octets), octets))
    path.write_bytes(pcap(records, nano=True))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
