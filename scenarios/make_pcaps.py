"""Makes the captures that scenarios replay: `python scenarios/make_pcaps.py [DIRECTORY]`. The same octets every time.

web.pcap: 80 clients that each open a connection to 10.77.0.2 port 80, send a request, get an answer, and close, as seen
on a mirror port: both directions, interleaved, with times of a busy server.
"""

from __future__ import annotations

import random
import struct
import sys
from ipaddress import IPv4Address
from pathlib import Path

from neatctl.core.native import Memory

SERVER = IPv4Address("10.77.0.2")
CLIENTS = 80
FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10
REQUEST = b"GET /20b HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ntwenty octets, NEaT\n"
_STATIONS = b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01"


def frame(source: tuple[IPv4Address, int], target: tuple[IPv4Address, int], seq: int, ack: int, flags: int,
          data: bytes = b"") -> bytes:  # fmt: skip
    """An Ethernet frame with a TCP segment, checksums and all."""
    segment = bytearray(struct.pack(">HHIIBBHHH", source[1], target[1], seq, ack, 0x50, flags, 64240, 0, 0) + data)
    addresses = source[0].packed + target[0].packed
    pseudo = Memory(addresses + struct.pack(">HH", 6, len(segment))).sum(0, 12, 0)
    segment[16:18] = (~Memory(segment).sum(0, len(segment), pseudo) & 0xFFFF).to_bytes(2, "big")
    head = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0) + addresses)
    head[10:12] = (~Memory(head).sum(0, 20, 0) & 0xFFFF).to_bytes(2, "big")
    to, by = _STATIONS if target[0] == SERVER else _STATIONS[::-1]
    return to + by + b"\x08\x00" + bytes(head + segment)


def connection(client: tuple[IPv4Address, int], begin_us: int) -> list[tuple[int, bytes]]:
    """Handshake, one request, and both FINs, with the time of each frame."""
    server = SERVER, 80
    asked, answered = 1001 + len(REQUEST), 5001 + len(ANSWER)
    frames = [
        frame(client, server, 1000, 0, SYN),
        frame(server, client, 5000, 1001, SYN | ACK),
        frame(client, server, 1001, 5001, ACK),
        frame(client, server, 1001, 5001, PSH | ACK, REQUEST),
        frame(server, client, 5001, asked, PSH | ACK, ANSWER),
        frame(client, server, asked, answered, FIN | ACK),
        frame(server, client, answered, asked + 1, FIN | ACK),
        frame(client, server, asked + 1, answered + 1, ACK),
    ]
    return [(begin_us + 40 * i, octets) for i, octets in enumerate(frames)]


def web_pcap() -> bytes:
    """The capture, in the classic format."""
    draw = random.Random(2016)
    frames: list[tuple[int, bytes]] = []
    for i in range(CLIENTS):
        client = IPv4Address(int(IPv4Address("10.1.0.0")) + draw.randrange(1, 65535)), draw.randrange(1024, 65536)
        frames += connection(client, 1_000_000 + 90 * i)
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    for time_us, octets in sorted(frames):
        parts.append(struct.pack("<IIII", *divmod(time_us, 1_000_000), len(octets), len(octets)) + octets)
    return b"".join(parts)


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    (directory / "web.pcap").write_bytes(web_pcap())


if __name__ == "__main__":
    main()
