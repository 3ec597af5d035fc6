"""Echo requests of given sizes from raw sockets: `python ping.py ADDRESS OCTETS..`; exits 0 if all come back.

ICMP and ICMPv6 (RFC 792, RFC 4443); whoever's kernel this is fragments what is larger than the link.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

WAIT_S = 3.0


def checksum(octets: bytes) -> int:
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(address: str, sizes: list[int]) -> list[int]:
    """The sizes that did not come back as they were sent."""
    six = ":" in address
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    request, reply = (128, 129) if six else (8, 0)
    lost = []
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(WAIT_S)
        for number, size in enumerate(sizes):
            payload = os.urandom(size & ~1)
            head = struct.pack("!BBHHH", request, 0, 0, os.getpid() & 0xFFFF, number)
            if not six:  # The kernel does it for ICMPv6.
                head = head[:2] + struct.pack("!H", checksum(head + payload)) + head[4:]
            sock.sendto(head + payload, (address, 0))
            expected = struct.pack("!HH", os.getpid() & 0xFFFF, number) + payload
            end = time.monotonic() + WAIT_S
            while time.monotonic() < end:
                try:
                    got = sock.recv(70_000)
                except TimeoutError:
                    continue
                got = got if six else got[20:]
                if got[0] == reply and got[4:] == expected:
                    break
            else:
                lost.append(size)
    return lost


if __name__ == "__main__":
    wrong = ping(sys.argv[1], [int(size) for size in sys.argv[2:]])
    if wrong:
        sys.exit(f"no answer to {wrong} octets")
