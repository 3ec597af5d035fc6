"""The kernel's side of a transfer: `python -m neatctl.testbed.soak.kernel_client ADDRESS PORT OCTETS SEED STALL_S`.

Sends and receives at the same time with `neatctl.apps.transfer`, compares every octet by SHA-256, and prints a `Said`
as JSON. A transfer in which nothing is acknowledged and nothing arrives for STALL_S is given up as hung.
"""

from __future__ import annotations

import array
import errno
import fcntl
import hashlib
import select
import socket
import sys
import termios
import time
from contextlib import suppress

import msgspec

from neatctl.apps.transfer import DIGEST_OCTETS, PIECE_OCTETS, Sending, content

CONNECT_S = 120.0
_TCP_INFO_OCTETS = 104
_TOTAL_RETRANS_AT = 100


class Said(msgspec.Struct):
    """What happened. `error`: of connecting or the connection; "hung" for a stall."""

    error: str = ""
    seconds: float = 0.0
    up_seconds: float = 0.0
    down_seconds: float = 0.0
    up_equal: bool = False
    down_equal: bool = False
    taken: int = 0
    """Octets received."""
    kernel_retransmitted: int = 0
    """Segments."""


def transfer(address: tuple[str, int], octets: int, seed: int, stall_s: float) -> Said:
    """One transfer of `octets` each way."""
    said = Said()
    try:
        with _connected(address) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            choose_cubic(sock)
            _exchange(sock, octets, seed, stall_s, said)
    except OSError as error:
        said.error = str(error)
    return said


def choose_cubic(sock: socket.socket) -> None:
    """The stack's default, so that times compare; as it is where the kernel has no CUBIC."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")


def _connected(address: tuple[str, int]) -> socket.socket:
    """A connection. That ARP was lost three times in a row ends a connect(2), but says nothing of TCP: once more."""
    limit = time.monotonic() + CONNECT_S
    while True:
        try:
            return socket.create_connection(address, CONNECT_S)
        except OSError as error:
            if error.errno != errno.EHOSTUNREACH or time.monotonic() > limit:
                raise


def _exchange(sock: socket.socket, octets: int, seed: int, stall_s: float, said: Said) -> None:
    sock.sendall(octets.to_bytes(8, "big") * 2 + seed.to_bytes(8, "big"))
    sock.setblocking(False)
    sending = Sending(seed + 1, octets)
    got = hashlib.sha256()
    tail = b""
    begun = progress_at = time.monotonic()
    moved = -1
    while True:
        writing = [sock] if sending.part else []
        readable, writable, _ = select.select([sock], writing, [], 0.25)
        if writable:
            sending.sent(sock.send(sending.part))
        if readable:
            piece = sock.recv(4 * PIECE_OCTETS)
            if not piece:
                break
            body = piece[: max(octets - said.taken, 0)]
            got.update(body)
            tail = (tail + piece[len(body) :])[: DIGEST_OCTETS + 1]
            said.taken += len(piece)
        now = time.monotonic()
        unacknowledged = _unacknowledged(sock)
        if said.taken >= octets and not said.down_seconds:
            said.down_seconds = now - begun
        if not sending.part and not unacknowledged and not said.up_seconds:
            said.up_seconds = now - begun
        if said.taken - unacknowledged - len(sending.part) != moved:
            moved = said.taken - unacknowledged - len(sending.part)
            progress_at = now
        elif now - progress_at > stall_s:
            said.error = "hung"
            break
    said.seconds = time.monotonic() - begun
    said.kernel_retransmitted = _retransmitted(sock)
    said.down_equal = said.taken == octets + DIGEST_OCTETS and got.digest() == _digest(seed, octets)
    said.up_equal = tail == _digest(seed + 1, octets)


def _unacknowledged(sock: socket.socket) -> int:
    """Octets that the peer has not acknowledged (SIOCOUTQ)."""
    waiting = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, waiting)
    return waiting[0]


def _retransmitted(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_OCTETS)
    return int.from_bytes(info[_TOTAL_RETRANS_AT : _TOTAL_RETRANS_AT + 4], sys.byteorder)


def _digest(seed: int, octets: int) -> bytes:
    """The SHA-256 of the first octets of a stream."""
    whole = hashlib.sha256()
    for piece in range(-(-octets // PIECE_OCTETS)):
        whole.update(content(seed, piece)[: octets - piece * PIECE_OCTETS])
    return whole.digest()


def main() -> None:
    host, port, octets, seed, stall_s = sys.argv[1:]
    said = transfer((host, int(port)), int(octets), int(seed), float(stall_s))
    print(msgspec.json.encode(said).decode())


if __name__ == "__main__":
    main()
