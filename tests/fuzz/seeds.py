"""Good octets that fuzzers begin with, by target."""

from __future__ import annotations

from ipaddress import IPv6Address

from tests.core.ip.frames import LOCAL, PEER, PEER_MAC, arp, ethernet, icmp, ipv4, udp
from tests.core.ip.frames6 import (
    DESTINATION,
    FRAGMENT,
    HOP_BY_HOP,
    ICMPV6,
    LOCAL6,
    PEER6,
    ROUTING,
    advertisement,
    fragments6,
    frame6,
    group_frame,
    icmpv6,
    ipv6,
    options_header,
    prefix_option,
    router_advertisement,
    solicitation,
    tcp6,
)

TCP, ICMP, UDP = 6, 1, 17
SYN = (
    bytes.fromhex("9c400050000f42400000000080020200")
    + bytes(4)
    + bytes.fromhex("020405b40402080a000000010000000001030307")
)
_QUOTED6 = ipv6(tcp6(2)[:20], TCP, LOCAL6, PEER6)
_PREFIX = IPv6Address("2001:db8:1::").packed


def _fragments4() -> list[bytes]:
    """An echo request in three pieces, as frames."""
    message = icmp(8, 0, b"\x00\x01\x00\x01" + bytes(2000))
    pieces = [(at, message[at : at + 800]) for at in range(0, len(message), 800)]
    return [
        ethernet(ipv4(piece, ICMP, fragment=at >> 3 | (0x2000 if at + 800 < len(message) else 0)))
        for at, piece in pieces
    ]


ARPS = [ethernet(arp(1, PEER_MAC, PEER, LOCAL), 0x0806), ethernet(arp(2, PEER_MAC, PEER, LOCAL), 0x0806)]
FRAMES4 = [
    ethernet(ipv4(SYN, TCP)),
    ethernet(ipv4(icmp(8, 0, b"\x00\x01\x00\x01ping"), ICMP)),
    ethernet(ipv4(icmp(3, 4, bytes(4) + ipv4(SYN[:8], TCP, source=LOCAL, destination=PEER)), ICMP)),
    ethernet(ipv4(icmp(3, 3, bytes(4) + ipv4(udp(b"", 9), UDP, source=LOCAL, destination=PEER)), ICMP)),
    ethernet(ipv4(udp(b"data", 53), UDP, options=b"\x01" * 4)),
    ethernet(ipv4(udp(b"data", 54), UDP, options=b"\x94\x04\0\0")),
    *_fragments4(),
]
FRAMES6 = [
    frame6(ipv6(tcp6(2, options=SYN[20:]), TCP)),
    frame6(ipv6(icmpv6(128, 0, b"\x00\x01\x00\x01ping"), ICMPV6)),
    frame6(ipv6(options_header(TCP) + tcp6(2), HOP_BY_HOP)),
    frame6(ipv6(options_header(UDP) + udp(b"data", 53, PEER6, LOCAL6), DESTINATION)),
    frame6(ipv6(bytes((ICMPV6, 0, 0, 0, 0, 0, 0, 0)) + icmpv6(128, 0, bytes(8)), ROUTING)),
    frame6(ipv6(icmpv6(2, 0, (1280).to_bytes(4, "big") + _QUOTED6), ICMPV6)),
    frame6(ipv6(icmpv6(1, 4, bytes(4) + ipv6(udp(b"", 9, LOCAL6, PEER6), UDP, LOCAL6, PEER6)), ICMPV6)),
    *(frame6(packet) for packet in fragments6(icmpv6(128, 0, bytes(2000)), ICMPV6, 800)),
    frame6(ipv6(bytes((UDP, 0, 0, 0, 0, 0, 0, 7)) + udp(b"atomic", 53, PEER6, LOCAL6), FRAGMENT)),
    group_frame(solicitation()),
    frame6(advertisement()),
    group_frame(router_advertisement(options=prefix_option(_PREFIX))),
]


def conversation(frames: list[bytes], flags: int = 0x8000) -> bytes:
    """Octets for the target `frames`."""
    return b"".join((len(each) | flags).to_bytes(2, "big") + each for each in frames)


def discovery_message(kind: int, flags: int, rest: bytes) -> bytes:
    """Octets for the target `discovery`: a message of ICMPv6's `kind`."""
    return bytes((kind - 130, flags)) + len(rest).to_bytes(2, "big") + rest


SEEDS: dict[str, list[bytes]] = {
    "segment": [SYN],
    "options4": [b"\x94\x04\0\0\x01\x01\0\0", b"\x44\x0c\x05\0" + bytes(8), b"\x83\x07\x04\x0a\x4d\0\x01\0"],
    "nic": [*ARPS, *FRAMES4, *FRAMES6],
    "frames": [
        conversation(ARPS + FRAMES4),
        conversation(FRAMES6),
        conversation([*ARPS, *FRAMES6, *FRAMES4], 0xC000),
        *(conversation([ARPS[1], FRAMES6[-3], each]) for each in FRAMES4 + FRAMES6),
    ],
    "discovery": [
        discovery_message(
            134, 3, bytes((64, 0)) + b"\x07\x08" + bytes(8) + prefix_option(_PREFIX) + b"\1\1" + PEER_MAC
        ),
        discovery_message(134, 3, bytes((64, 0)) + b"\x00\x09" + bytes(8) + b"\5\1\0\0\0\0\x05\x14")
        + discovery_message(135, 0, bytes(4) + LOCAL6 + b"\1\1" + PEER_MAC),
        discovery_message(136, 0, b"\x60\0\0\0" + PEER6 + b"\2\1" + PEER_MAC),
        discovery_message(137, 2, bytes(4) + PEER6 + LOCAL6),
        discovery_message(130, 3, b"\x27\x10\0\0" + bytes(16) + b"\x02\x7d\0\0"),
    ],
    "fragments": [
        bytes((1, 0, 3, 0, 1, 4, 3, 0, 1, 8, 1, 8)),
        bytes((1, 4, 3, 0, 2, 0, 3, 0, 1, 0, 3, 0, 2, 4, 0, 8, 1, 8, 2, 11)),
        bytes((1, 0, 3, 0, 1, 2, 3, 0, 1, 8, 1, 8)),
    ],
    "lives": [bytes((0, place)) for place in range(0, 250, 10)],
}
