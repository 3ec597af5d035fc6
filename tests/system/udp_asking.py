"""A program on the socket library that asks a kernel's UDP echo server, for test_udp.py: prints JSON.

udp_asking.py RUN_DIRECTORY ADDRESS PORT
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time

from neatctl.core.sockets import POLLIN, DatagramSocket, Poll, Stack

SIZES = [0, 1, 1400, 8000, 65000]
TRIES = 3


def answered(sock: DatagramSocket, octets: bytes) -> bool:
    sock.settimeout(1)
    try:
        sock.send(octets)
        return sock.recv(65535) == octets
    except OSError:  # lost, or an address of IPv6 is not sure yet
        time.sleep(0.5)
        return False


def refused(stack: Stack, address: str, port: int) -> str:
    """The error of a connected socket whose peer has nobody at this port."""
    with stack.datagram_socket() as sock, Poll(stack) as poll:
        sock.connect((address, port))
        sock.setblocking(False)
        poll.register(sock, POLLIN)
        for _ in range(10):  # The kernel limits the rate of what it says by ICMP.
            sock.send(b"x")
            if poll.poll(1):
                try:
                    sock.recv(1)
                except OSError as error:
                    return errno.errorcode[error.errno or 0]
    return "nothing"


def main(run: str, address: str, port: int) -> None:
    with Stack.connect_to(run, "asking") as stack:
        socks = [stack.datagram_socket() for _ in range(4)]
        answers = set(SIZES)
        for sock in socks:
            sock.connect((address, port))
            for size in SIZES:
                octets = os.urandom(size)
                if not any(answered(sock, octets) for _ in range(TRIES)):
                    answers.discard(size)
        ports = [sock.getsockname()[1] for sock in socks]
        print(json.dumps({"answers": sorted(answers), "ports": ports, "refused": refused(stack, address, port + 1)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
