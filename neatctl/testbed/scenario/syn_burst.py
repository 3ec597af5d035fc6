"""SYNs from addresses that nobody has, onto the clients' end of the link: python -m .. ADDRESS PORT COUNT SECONDS SEED.

Runs in the clients' namespace; the appliance's MAC is what the kernel's ARP knows. Sources are of 198.18.0.0/15, the
addresses of benchmarks (RFC 2544), so that no answer finds anybody. Prints how many were sent, as JSON.
"""

from __future__ import annotations

import errno
import json
import random
import socket
import struct
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

from neatctl.core.native import Memory

INTERFACE = "neat0"
_BATCH_S = 0.005
_SYN = 0x02


def mac_of(address: str) -> bytes:
    """As the kernel learned it; a connection attempt makes it ask."""
    for _ in range(20):
        for line in Path("/proc/net/arp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[0] == address and fields[2] != "0x0":
                return bytes.fromhex(fields[3].replace(":", ""))
        with socket.socket() as probe:
            probe.settimeout(0.2)
            probe.connect_ex((address, 80))
    raise SystemExit(f"nobody answers for {address}")


def syn(draw: random.Random, address: bytes, port: int) -> bytes:
    """An IPv4 packet with a SYN of a random client."""
    source = (0xC6120000 | draw.getrandbits(17)).to_bytes(4, "big")
    client, sequence = draw.randrange(1024, 65536), draw.getrandbits(32)
    segment = bytearray(struct.pack(">HHIIBBHHH", client, port, sequence, 0, 0x50, _SYN, 64240, 0, 0))
    pseudo = Memory(source + address + struct.pack(">HH", 6, len(segment))).sum(0, 12, 0)
    segment[16:18] = (~Memory(segment).sum(0, len(segment), pseudo) & 0xFFFF).to_bytes(2, "big")
    head = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + source + address)
    head[10:12] = (~Memory(head).sum(0, 20, 0) & 0xFFFF).to_bytes(2, "big")
    return bytes(head + segment)


def main() -> None:
    address, port, count, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    draw = random.Random(sys.argv[5])
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((INTERFACE, 0))
    head = mac_of(address) + link.getsockname()[4] + b"\x08\x00"
    begun = time.monotonic()
    sent = no_room = 0
    while sent < count:
        due = min(count, int(count * (time.monotonic() - begun + _BATCH_S) / max(seconds, _BATCH_S)))
        for _ in range(due - sent):
            try:
                link.send(head + syn(draw, IPv4Address(address).packed, port))
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                no_room += 1
        sent = max(sent, due)
        time.sleep(_BATCH_S)
    print(json.dumps({"sent": sent, "no_room": no_room}))


if __name__ == "__main__":
    main()
