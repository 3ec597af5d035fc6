"""Mirrors: whole copies with replica, direction and time; full, bad and missing ones hurt nobody."""

from __future__ import annotations

import struct
import time

from neatctl.core.channel.ring import RingConsumer
from neatctl.core.control.messages import Mirror
from neatctl.core.native import Memory
from neatctl.nic.mirror import EVERY, MIRRORED_FRAME_AT, MIRRORED_VNET_AT, NOBODY, RECEIVED, SENT
from tests.nic import frames as f
from tests.nic.rig import PLAIN, Rig, checksum_request

Copy = tuple[int, int, bytes, bytes]
"""Replica, direction, virtio_net_hdr, frame."""


def copies(ring: RingConsumer) -> list[Copy]:
    found = []
    while (record := ring.receive()) is not None:
        replica, direction = struct.unpack_from(">HB", record, 8)
        found.append((replica, direction, record[MIRRORED_VNET_AT:MIRRORED_FRAME_AT], record[MIRRORED_FRAME_AT:]))
    ring.flush()
    return found


def test_what_replicas_send_is_copied_with_their_numbers() -> None:
    rig = Rig()
    first, second = rig.running(2)
    ring = rig.mirror_ring("m")
    before = time.time_ns()
    rig.driver.set_mirrors([Mirror("m", 1, "sent")])
    vnet = checksum_request(34, 16, 1, 1460)
    segment = f.tcp(f.CLIENT, 4000, f.ACK, b"x" * 3000, reply=True)
    second.send(segment, vnet)
    rig.turn()
    first.send(f.arp(2))
    rig.turn()
    rig.arrive(f.tcp(f.CLIENT, 4000, f.SYN))
    record = ring.receive()
    assert record is not None
    assert before <= struct.unpack_from("=q", record)[0] <= time.time_ns()
    assert struct.unpack_from(">HB", record, 8) == (2, SENT)
    assert record[MIRRORED_VNET_AT:] == vnet + segment
    assert copies(ring) == [(1, SENT, PLAIN, f.arp(2))]
    assert len(rig.wire.sent) == 2


def test_what_arrives_is_copied_with_who_gets_it() -> None:
    rig = Rig()
    rig.running(1)
    ring = rig.mirror_ring("m")
    rig.driver.set_mirrors([Mirror("m", 1, "received")])
    arriving = [f.tcp(f.CLIENT, 4000, f.SYN), f.arp(2, to=f.NIC_MAC), b"short"]
    rig.arrive(*arriving)
    expected = zip((1, EVERY, NOBODY), arriving)
    assert copies(ring) == [(replica, RECEIVED, PLAIN, frame) for replica, frame in expected]
    assert rig.count("mirror_full") == 0


def test_a_super_frame_is_copied_whole() -> None:
    rig = Rig()
    replica = rig.replica(1, capacity=1 << 18)
    rig.driver.set_queues([replica.queue()])
    replica.tell()
    rig.turn()
    ring = rig.mirror_ring("m")
    rig.driver.set_mirrors([Mirror("m", 1, "both")])
    frame = f.ethernet(f.ipv4(f.tcp_header(4000, 80, f.ACK, bytes(range(256)) * 255), 6))
    vnet = checksum_request(34, 16, 1, 1460)
    rig.arrive(frame, vnet=vnet)
    replica.send(frame, vnet)
    rig.turn()
    assert copies(ring) == [(1, RECEIVED, vnet, frame), (1, SENT, vnet, frame)]


def test_a_full_mirror_loses_copies_and_nothing_else() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    ring = rig.mirror_ring("m")
    rig.driver.set_mirrors([Mirror("m", 1, "sent")])
    segment = f.tcp(f.CLIENT, 4000, f.ACK, bytes(1400), reply=True)
    for _ in range(30):
        for _ in range(10):
            replica.send(segment)
        rig.turn()
    seen = len(copies(ring))
    assert len(rig.wire.sent) == 300
    assert 0 < seen < 300
    assert rig.count("mirror_full") == 300 - seen
    replica.send(segment)
    rig.turn()
    assert len(copies(ring)) == 1, "room was given back"


def test_a_reader_that_breaks_the_rules_is_left_and_told_of_once() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    ring = rig.mirror_ring("bad")
    other = rig.mirror_ring("good")
    mirrors = [Mirror("bad", 1, "sent"), Mirror("good", 1, "sent")]
    rig.driver.set_mirrors(mirrors)
    Memory(rig.mirror_rings["bad"]).store64(128, 1 << 40)
    segment = f.tcp(f.CLIENT, 4000, f.ACK, bytes(1400), reply=True)
    for _ in range(40):
        for _ in range(10):
            replica.send(segment)
        rig.turn()
        copies(other)
    rig.driver.set_mirrors(mirrors)
    replica.send(segment)
    rig.turn()
    ((path, reason),) = rig.journal.mirrors_ended
    assert path == "bad"
    assert "index" in reason
    assert len(rig.wire.sent) == 401
    assert len(copies(other)) == 1
    assert rig.journal.faults == [], "no replica is blamed"
    assert ring.memory.octets


def test_a_ring_that_is_gone_of_another_generation_or_too_small_is_told_of() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    rig.mirror_ring("small", 1 << 17)
    rig.mirror_ring("old")
    rig.driver.set_mirrors([Mirror("gone", 1, "sent"), Mirror("small", 1, "sent"), Mirror("old", 2, "sent")])
    assert [path for path, _ in rig.journal.mirrors_ended] == ["gone", "small", "old"]
    replica.send(f.arp(1))
    rig.turn()
    assert len(rig.wire.sent) == 1


def test_a_mirror_that_is_not_wanted_any_more_gets_nothing() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    first, second = rig.mirror_ring("1"), rig.mirror_ring("2")
    rig.driver.set_mirrors([Mirror("1", 1, "sent"), Mirror("2", 1, "both")])
    replica.send(f.arp(1))
    rig.turn()
    rig.arrive(f.tcp(f.CLIENT, 4000, f.SYN))
    rig.driver.set_mirrors([Mirror("2", 1, "both")])
    replica.send(f.arp(2))
    rig.turn()
    assert [frame for *_, frame in copies(first)] == [f.arp(1)], "each shows what it was asked for"
    assert len(copies(second)) == 3
    rig.driver.close()
