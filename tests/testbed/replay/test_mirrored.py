"""A mirror as a client reads it: counts by replica and kind, filters, limits, completed checksums, bad rings."""

from __future__ import annotations

import struct

import pytest

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.native import Memory
from neatctl.nic.devices.pcap import PLACE_OCTETS, Capture
from neatctl.nic.mirror import EVERY, NOBODY, RECEIVED, SENT
from neatctl.testbed.replay.mirrored import MirrorReader
from neatctl.testbed.replay.pcapng import PcapngWriter
from tests.nic import frames as f
from tests.nic.rig import PLAIN, checksum_request

CAPACITY = 1 << 22


class Ring:
    """A mirror's ring and its driver's end."""

    def __init__(self) -> None:
        memory = format_ring(Memory(bytearray(ring_octets(CAPACITY))), CAPACITY, 1)
        self.producer = RingProducer(memory, 1, Ringer(""))
        self.consumer = RingConsumer(memory, 1, Ringer(""))

    def put(self, replica: int, direction: int, frame: bytes, vnet: bytes = PLAIN, time_ns: int = 1) -> None:
        head = struct.pack("=q", time_ns) + struct.pack(">HB3x", replica, direction)
        assert self.producer.send(head + vnet + frame)
        self.producer.flush()


SYN = f.tcp(f.CLIENT, 4000, f.SYN)
SYN_ACK = f.tcp(f.CLIENT, 4000, f.SYN | f.ACK, reply=True)


def test_frames_are_counted_by_replica_direction_and_kind() -> None:
    ring, reader = Ring(), MirrorReader()
    ring.put(2, RECEIVED, SYN, time_ns=5)
    ring.put(2, SENT, SYN_ACK)
    ring.put(2, SENT, SYN_ACK)
    ring.put(1, SENT, f.arp(1))
    ring.put(EVERY, RECEIVED, f.arp(2))
    ring.put(NOBODY, RECEIVED, b"runt", time_ns=9)
    assert reader.read(ring.consumer) == 6
    assert reader.kinds(sent=True) == {1: {"arp_request": 1}, 2: {"tcp_syn_ack": 2}}
    assert reader.kinds(sent=False) == {0: {"other": 1}, 2: {"tcp_syn": 1}, EVERY: {"arp_reply": 1}}
    assert (reader.frames, reader.octets) == (6, len(SYN) + 2 * len(SYN_ACK) + 84 + 4)
    assert (reader.first_ns, reader.last_ns) == (5, 9)
    assert reader.read(ring.consumer) == 0


def test_one_replica_an_expression_and_a_limit() -> None:
    ring = Ring()
    for number in range(6):
        ring.put(number % 2 + 1, SENT, SYN_ACK if number < 4 else f.arp(1))
    ring.put(EVERY, RECEIVED, f.arp(2))
    reader = MirrorReader(None, lambda octets: octets[12:14] == b"\x08\x00", replica=2, limit=2)
    assert reader.read(ring.consumer) == 4
    assert reader.full()
    assert reader.kinds(sent=True) == {2: {"tcp_syn_ack": 2}}
    assert reader.passed_over == 2
    rest = MirrorReader(replica=2)
    rest.read(ring.consumer)
    assert rest.kinds(sent=False) == {EVERY: {"arp_reply": 1}}, "what went to all went to this one, too"


def test_a_full_writer_stops_the_reading_and_nothing_is_lost_or_counted_twice() -> None:
    ring, writer = Ring(), PcapngWriter()
    reader = MirrorReader(writer)
    frame = f.ethernet(f.ipv4(f.tcp_header(80, 4000, f.ACK, bytes(60_000)), 6))
    for number in range(40):
        ring.put(1, SENT, frame, time_ns=number)
    octets = b""
    while reader.frames < 40:
        before = reader.frames
        reader.read(ring.consumer)
        assert before < reader.frames < before + 20
        octets += writer.take()
    capture, places = Capture(Memory(octets)), Memory(bytearray(PLACE_OCTETS * 50))
    assert capture.batch(places, 50) == 40
    assert [places.load64(i * PLACE_OCTETS + 24) for i in range(40)] == list(range(40))
    assert reader.kinds(sent=True) == {1: {"tcp_data": 40}}


def test_a_checksum_that_was_left_to_the_device_is_right_in_the_capture() -> None:
    ring, writer = Ring(), PcapngWriter()
    reader = MirrorReader(writer)
    frame = bytearray(f.tcp(f.CLIENT, 4000, f.ACK, bytes(range(100)), reply=True))
    octets = len(frame) - 34
    frame[50:52] = Memory(frame).sum(26, 8, 6 + octets).to_bytes(2, "big")
    ring.put(1, SENT, bytes(frame), checksum_request(34, 16, 1, 1460))
    reader.read(ring.consumer)
    found = writer.take()
    at = found.index(frame[:50])
    written = Memory(found[at : at + len(frame)])
    assert written.sum(34, octets, written.sum(26, 8, 6 + octets)) == 0xFFFF


def test_a_record_that_is_none_is_the_drivers_fault() -> None:
    ring = Ring()
    ring.producer.send(bytes(23))
    ring.producer.flush()
    with pytest.raises(PeerFault, match="record"):
        MirrorReader().read(ring.consumer)
