"""The fuzz targets with plain mutation of good octets: bounded, by seeds, the same in every run."""

from __future__ import annotations

import random

from tests.core.ip.frames import LOCAL, PEER, arp, ethernet, icmp, ipv4
from tests.fuzz import targets

TCP, ICMP, UDP = 6, 1, 17
SYN = (
    bytes.fromhex("9c400050000f42400000000080020200")
    + bytes(4)
    + bytes.fromhex("020405b40402080a000000010000000001030307")
)
FRAMES = [
    ethernet(ipv4(SYN, TCP)),
    ethernet(ipv4(icmp(8, 0, b"\x00\x01\x00\x01ping"), ICMP)),
    ethernet(ipv4(icmp(3, 4, bytes(4) + ipv4(SYN[:8], TCP, source=LOCAL, destination=PEER)), ICMP)),
    ethernet(ipv4(b"\x00\x35\x00\x35\x00\x0c\x00\x00data", UDP, options=b"\x01" * 4)),
    ethernet(arp(1, bytes.fromhex("020000000001"), PEER, LOCAL), 0x0806),
]


def test_no_segment_confuses_the_parser() -> None:
    rng = random.Random(1)
    for _ in range(5000):
        targets.segment(targets.mutate(SYN, rng))


def test_no_frame_confuses_a_stack() -> None:
    rng = random.Random(2)
    for _ in range(60):
        for seed in FRAMES:
            targets.frame(targets.mutate(seed, rng))


def test_no_spoiled_segment_confuses_a_connection() -> None:
    rng = random.Random(3)
    for script in rng.sample(list(targets.scripts()), 120):
        targets.life(script, rng)
