"""Sends COUNT pieces of OCTETS to an echo server, each when the one before has come back: ADDRESS PORT COUNT OCTETS."""

from __future__ import annotations

import os
import socket
import sys


def main(address: str, port: int, count: int, octets: int) -> None:
    with socket.create_connection((address, port), timeout=10) as sock:
        for _ in range(count):
            piece = os.urandom(octets)
            sock.sendall(piece)
            got = b""
            while len(got) < octets:
                got += sock.recv(octets - len(got)) or sys.exit("the connection ended")
            if got != piece:
                sys.exit("other octets came back")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
