"""Sends random and mutated frames onto the clients' end of a testbed's link, for test_garbage.py.

    python -m tests.system.garbage_sender COUNT SEED

A fifth is noise behind a sound IPv4 header, so that it gets past the IP layer. Prints how many frames the link took and
how many of them its queue had no room for, as JSON.
"""

from __future__ import annotations

import errno
import json
import random
import socket
import sys
from pathlib import Path

from neatctl.core.native import Memory
from tests.nic import frames as f
from tests.nic.test_garbage import garbage

INTERFACE = "neat0"
DROPPED = Path(f"/sys/class/net/{INTERFACE}/statistics/tx_dropped")


def appliance_mac() -> bytes:
    """As the kernel's ARP learned it."""
    for line in Path("/proc/net/arp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[0] == f.SERVER:
            return bytes.fromhex(fields[3].replace(":", ""))
    raise SystemExit(f"nobody talked to {f.SERVER} yet")


def noise_in_ipv4(draw: random.Random) -> bytes:
    """A frame for the appliance whose IPv4 header is sound, and nothing behind it."""
    packet = bytearray(f.ipv4(draw.randbytes(draw.randrange(120)), draw.choice([1, 6, 6, 6, 17, 47])))
    if len(packet) > 35:
        packet[22:24] = b"\0\x50"
    checksum = ~Memory(packet).sum(0, 20, 0) & 0xFFFF
    packet[10:12] = checksum.to_bytes(2, "big")
    return f.ethernet(bytes(packet))


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    draw = random.Random(seed)
    mac = appliance_mac()
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((INTERFACE, 0))
    before = int(DROPPED.read_text())
    pool = []
    for number in range(min(count, 20_000)):
        frame = noise_in_ipv4(draw) if number % 5 == 0 else garbage(draw)
        frame = frame.replace(f.NIC_MAC, mac, 1) if draw.random() < 0.95 else frame
        if len(frame) >= 14:
            pool.append(frame)
    for number in range(count):
        try:
            link.send(pool[number % len(pool)])
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # which DROPPED counts
                raise
    print(json.dumps({"sent": count, "no_room": int(DROPPED.read_text()) - before}))


if __name__ == "__main__":
    main()
