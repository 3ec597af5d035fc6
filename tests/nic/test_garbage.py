"""Garbage: random and mutated frames through the whole driver; every one is delivered or counted, none does harm."""

from __future__ import annotations

import random
import resource

from neatctl.core.native import COMPILED
from neatctl.nic.driver import RX_BURST
from tests.nic import frames as f
from tests.nic.rig import PLAIN, Rig, checksum_request

FRAMES = 1_000_000 if COMPILED else 15_000
SEEDS = [
    f.tcp(f.CLIENT, 4000, f.SYN),
    f.tcp(f.CLIENT, 4000, f.ACK, bytes(100)),
    f.tcp(f.CLIENT, 4000, f.FIN | f.ACK),
    f.tcp(f.CLIENT6, 4000, f.SYN),
    f.udp(f.CLIENT, 53, bytes(40)),
    f.echo(f.CLIENT),
    f.unreachable(f.tcp(f.CLIENT, 4000, f.ACK, reply=True)),
    f.ethernet(f.ipv4(f.udp_header(1, 2, bytes(64)), 17, fragment=0x2000, identification=9)),
    f.ethernet(f.ipv4(bytes(64), 17, fragment=8, identification=9)),
    f.ethernet(f.ipv6(bytes(64), 44), 0x86DD),
    f.ethernet(f.ipv6(bytes([58, 1]) + bytes(62), 0), 0x86DD),
    f.arp(1),
    f.arp(2, to=f.NIC_MAC),
]


def garbage(draw: random.Random) -> bytes:
    """Mostly a frame with some octets changed or cut off, sometimes only noise."""
    if draw.random() < 0.1:
        return draw.randbytes(int(draw.random() * 120))
    frame = bytearray(draw.choice(SEEDS))
    for _ in range(int(draw.random() * 5)):
        # Beyond the addresses of Ethernet, where a change would only mean another host.
        frame[12 + int(draw.random() * (len(frame) - 12))] = int(draw.random() * 256)
    if draw.random() < 0.2:
        del frame[int(draw.random() * len(frame)) :]
    return bytes(frame)


def test_a_million_garbage_frames_are_delivered_or_counted() -> None:
    draw = random.Random(20261123)
    rig = Rig(flows=4096)
    replicas = rig.running(4)
    pool = [PLAIN + garbage(draw) for _ in range(min(FRAMES, 200_000))]
    delivered = 0
    peak_kib = 0
    for begin in range(0, FRAMES, RX_BURST):
        at = begin % len(pool)
        rig.wire.arriving.extend(pool[at : at + RX_BURST])
        rig.turn(1_000)
        for replica in replicas:
            delivered += len(replica.records())
        if begin == FRAMES // 4 // RX_BURST * RX_BURST:
            peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals = rig.driver.read_counters()
    dropped = sum(n for name, n in totals.items() if name.startswith("drop_")) + totals["queue_full"]
    sent_to = sum(n for name, n in totals.items() if name.startswith("to_replica_"))
    assert sent_to == delivered > FRAMES // 10
    # Every frame was dropped once, or went to one replica, or (an answer of ARP or ND) to all of four.
    for_all = (delivered + dropped - totals["rx_frames"]) // 3
    assert delivered + dropped == totals["rx_frames"] + 3 * for_all
    assert for_all > 0
    for reason in (
        "runt", "ethertype", "arp", "ip_header", "ip_length", "transport", "quote", "multicast", "fragment"
    ):  # fmt: skip
        assert totals[f"drop_{reason}"] > 0, f"this garbage never met drop_{reason}"
    assert rig.steering.tracking.count <= 4096
    assert rig.journal.faults == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib < 8_192, "memory grows"


def test_garbage_from_a_replica_goes_out_or_closes_its_queue_only() -> None:
    draw = random.Random(7)
    rig = Rig()
    good = rig.replica(1)
    rig.driver.set_queues([good.queue()])
    good.tell()
    rig.turn()
    for generation in range(1, 200 if COMPILED else 40):
        bad = rig.replica(2, generation)
        rig.driver.set_queues([good.queue(), bad.queue()])
        bad.tell()
        for _ in range(40):
            vnet = checksum_request(int(draw.random() * 60), 16) if draw.random() < 0.3 else PLAIN
            bad.say(0 if draw.random() < 0.9 else int(draw.random() * 4), garbage(draw), vnet)
        good.send(f.arp(2))
        rig.turn()
        assert rig.wire.sent.count(PLAIN + f.arp(2)) >= generation
    assert {replica for replica, _, _ in rig.journal.faults} == {2}
    rig.arrive(f.tcp("10.77.9.9", 9, f.SYN))
    rig.driver.set_queues([good.queue()])
    rig.arrive(f.tcp("10.77.9.9", 10, f.SYN))
    assert good.frames()[-1] == f.tcp("10.77.9.9", 10, f.SYN)
