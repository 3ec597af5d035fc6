"""A client or server on kernel UDP sockets, for test_udp.py: prints JSON.

udp_client.py ADDRESS PORT SIZE..         each size from each of several sockets; how many came back whole
udp_client.py ADDRESS PORT --flood COUNT  sends and does not listen
udp_client.py --serve PORT                sends back what it gets, both families, until it is ended
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys

SOCKETS = 16
TRIES = 3


def ask(address: str, port: int, sizes: list[int]) -> dict[str, int]:
    """A datagram may be lost; it is sent again twice."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    right = 0
    for _ in range(SOCKETS):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, port))
            for size in sizes:
                octets = os.urandom(size)
                right += any(answered(sock, octets) for _ in range(TRIES))
    return {"right": right, "sockets": SOCKETS}


def answered(sock: socket.socket, octets: bytes) -> bool:
    sock.settimeout(1)
    try:
        sock.send(octets)
        return sock.recv(65535) == octets
    except (TimeoutError, ConnectionRefusedError):
        return False


def flood(address: str, port: int, count: int) -> dict[str, int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        for _ in range(count):
            sock.send(bytes(1400))
    return {"sent": count}


def serve(port: int) -> None:
    socks = []
    for family in (socket.AF_INET, socket.AF_INET6):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", port))
        socks.append(sock)
    print("ready", flush=True)
    while True:
        for sock in select.select(socks, [], [])[0]:
            octets, sender = sock.recvfrom(65535)
            sock.sendto(octets, sender)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(int(sys.argv[2]))
    elif sys.argv[3] == "--flood":
        print(json.dumps(flood(sys.argv[1], int(sys.argv[2]), int(sys.argv[4]))))
    else:
        print(json.dumps(ask(sys.argv[1], int(sys.argv[2]), [int(size) for size in sys.argv[3:]])))
