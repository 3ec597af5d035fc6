"""IP output: what a peer and the device see of a packet that was built in the NIC queue's memory."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.output import IpOutput, address_octets
from neatctl.core.native import Memory
from tests.core.ip.frames import (
    BROADCAST_MAC,
    CONFIG,
    FAR,
    LOCAL,
    OUR_MAC,
    PEER,
    PEER_MAC,
    Queue,
    arp,
    checksum,
    parse_arp,
)

TCP_HEADER = 20
LOCAL_FRAME = OUR_MAC + bytes.fromhex("02000000aa01") + b"\x08\x00" + bytes(12) + PEER + LOCAL


class Sender:
    """An IpOutput on a queue."""

    def __init__(self, *, offload: bool = True, gateway: str = "10.77.0.1") -> None:
        self.counters = IpCounters()
        config = msgspec.structs.replace(CONFIG, checksum_offload=offload, gateway=gateway)
        self.output = IpOutput(config, self.counters)
        self.queue = Queue()
        self.output.attach(self.queue.producer)

    def know(self, address: bytes = PEER, mac: bytes = PEER_MAC, now: int = 0) -> None:
        self.output.neighbours.learn(address, mac, now)

    def send(self, payload: bytes, remote: bytes = PEER, gso_size: int = 0, now: int = 0) -> bool:
        path = self.output.path(LOCAL, remote, now)
        at = self.output.begin(path, TCP_HEADER + len(payload), now)
        if at < 0:
            return False
        self.output.memory.put(at, bytes(12) + b"\x50\x10" + bytes(6) + payload)
        self.output.end(path, TCP_HEADER + len(payload), 16, gso_size, TCP_HEADER)
        self.output.send_neighbour_records()
        return True

    def hear_arp(self, packet: bytes, now: int) -> None:
        self.output.neighbours.arrive(Memory(packet), 0, len(packet), now)
        self.output.send_neighbour_records()


@given(payload=st.binary(max_size=1460), offload=st.booleans())
def test_packet_is_whole_and_its_checksums_hold(payload: bytes, offload: bool) -> None:
    sender = Sender(offload=offload)
    sender.know()
    assert sender.send(payload)
    (sent,) = sender.queue.take()
    frame = sent[FRAME_AT:]
    assert frame[:14] == PEER_MAC + OUR_MAC + b"\x08\x00"
    ip = frame[14:34]
    assert checksum(ip) == 0
    assert ip[:1] == b"\x45"
    assert int.from_bytes(ip[2:4], "big") == 40 + len(payload) == len(frame) - 14
    assert ip[6:10] == b"\x40\x00\x40\x06"
    assert ip[12:20] == LOCAL + PEER
    pseudo = LOCAL + PEER + bytes((0, 6)) + (20 + len(payload)).to_bytes(2, "big")
    if offload:
        # virtio 1.2, 5.1.6.2: the field holds the pseudo-header's sum, and the device adds the rest.
        assert sent[6] == 1
        assert int.from_bytes(sent[12:14], "little") == 34
        assert int.from_bytes(sent[14:16], "little") == 16
        assert int.from_bytes(frame[50:52], "big") == ~checksum(pseudo) & 0xFFFF
    else:
        assert sent[:FRAME_AT] == bytes(FRAME_AT)
        assert checksum(pseudo + frame[34:]) == 0


def test_super_frame_says_how_to_cut_it() -> None:
    sender = Sender()
    sender.know()
    sender.send(bytes(40_000), gso_size=1448)
    (sent,) = sender.queue.take()
    assert sent[7] == 1
    assert int.from_bytes(sent[8:10], "little") == 54
    assert int.from_bytes(sent[10:12], "little") == 1448


def test_one_segment_is_no_super_frame() -> None:
    sender = Sender()
    sender.know()
    sender.send(bytes(1448), gso_size=1448)
    assert sender.queue.take()[0][7] == 0


def test_packets_that_nobody_may_cut_up_have_no_identification() -> None:
    sender = Sender()
    sender.know()
    sender.send(b"a")
    sender.send(b"b")
    for packet in sender.queue.frames():
        assert packet[18:22] == b"\0\0\x40\0"


def test_packets_wait_for_arp_in_order() -> None:
    sender = Sender()
    sender.send(b"first")
    sender.send(b"second")
    (request,) = sender.queue.frames()
    asked = parse_arp(request)
    assert (asked.to, asked.operation, asked.sender, asked.target) == (BROADCAST_MAC, 1, LOCAL, PEER)
    sender.hear_arp(arp(2, PEER_MAC, PEER, LOCAL, OUR_MAC), 10)
    frames = sender.queue.frames()
    assert [frame[54:] for frame in frames] == [b"first", b"second"]
    assert {frame[:6] for frame in frames} == {PEER_MAC}
    assert all(checksum(frame[14:34]) == 0 for frame in frames)


def test_unanswered_arp_is_repeated_then_packets_are_dropped_and_a_later_one_asks_again() -> None:
    sender = Sender()
    sender.send(b"lost")
    for second in range(1, 5):
        sender.output.neighbours.expire(second * 1_000_000)
    sender.output.send_neighbour_records()
    assert len(sender.queue.frames()) == 3
    assert sender.counters.drop_unresolved == 1
    sender.send(b"again", now=9_000_000)
    sender.hear_arp(arp(2, PEER_MAC, PEER, LOCAL, OUR_MAC), 9_000_100)
    assert [frame[54:] for frame in sender.queue.frames()[1:]] == [b"again"]


def test_hold_is_bounded_and_keeps_the_newest() -> None:
    sender = Sender()
    for i in range(40):
        sender.send(bytes([i]))
    sender.queue.take()
    sender.know()
    sender.output.send_neighbour_records()
    assert [frame[54] for frame in sender.queue.frames()] == list(range(24, 40))
    assert sender.counters.drop_unresolved == 24


def test_off_link_goes_to_the_gateway() -> None:
    sender = Sender()
    sender.know()
    sender.send(b"far", FAR)
    (frame,) = sender.queue.frames()
    assert frame[:6] == PEER_MAC
    assert frame[30:34] == FAR


MOVED_MAC = bytes.fromhex("02000000aa01")


def test_a_station_that_moves_is_asked_and_then_followed_by_paths_that_exist() -> None:
    sender = Sender()
    sender.know()
    sender.send(b"old")
    sender.hear_arp(arp(1, MOVED_MAC, PEER, PEER), 10)
    sender.send(b"still old")
    sender.hear_arp(arp(2, MOVED_MAC, PEER, LOCAL, OUR_MAC), 20)
    sender.send(b"new")
    old, asked, still_old, new = sender.queue.frames()
    assert parse_arp(asked).to == BROADCAST_MAC
    assert [frame[:6] for frame in (old, still_old, new)] == [PEER_MAC, PEER_MAC, MOVED_MAC]


def test_nobody_takes_an_address_over_unasked() -> None:
    sender = Sender()
    sender.know()
    for now in range(0, 1_000_000, 1000):
        sender.hear_arp(arp(2, MOVED_MAC, PEER, LOCAL, OUR_MAC), now)
        sender.hear_arp(arp(2, PEER_MAC, PEER, LOCAL, OUR_MAC), now)
    sender.send(b"to whom it was")
    *asked, frame = sender.queue.frames()
    assert len(asked) == 1, "one question a second is enough"
    assert frame[:6] == PEER_MAC


def test_a_wrong_answer_is_found_out() -> None:
    sender = Sender()
    sender.know()
    sender.hear_arp(arp(1, MOVED_MAC, PEER, PEER), 10)
    sender.hear_arp(arp(2, MOVED_MAC, PEER, LOCAL, OUR_MAC), 20)
    sender.output.neighbours.expire(1_000_020)
    sender.hear_arp(arp(2, PEER_MAC, PEER, LOCAL, OUR_MAC), 1_000_030)
    sender.send(b"to whom it was")
    assert sender.queue.frames()[-1][:6] == PEER_MAC
    sender.output.neighbours.expire(2_000_030)
    sender.hear_arp(arp(2, PEER_MAC, PEER, LOCAL, OUR_MAC), 2_000_040)
    assert len(sender.queue.frames()) == 1
    sender.output.neighbours.expire(9_000_000)
    sender.output.send_neighbour_records()
    assert sender.queue.frames() == []


def test_who_is_heard_from_another_station_is_asked_for() -> None:
    sender = Sender()
    sender.know()
    sender.send(b"before")
    heard = Memory(LOCAL_FRAME)
    sender.output.arrived(heard, 0)
    sender.output.path(LOCAL, PEER, 5)
    sender.output.send_neighbour_records()
    _, asked = sender.queue.frames()
    assert parse_arp(asked).target == PEER
    assert parse_arp(asked).to == BROADCAST_MAC


def test_old_entry_is_asked_for_by_unicast_and_stays_in_use() -> None:
    sender = Sender()
    sender.know()
    sender.send(b"fresh")
    sender.queue.take()
    for second in (61, 62, 63):
        sender.output.neighbours.expire(second * 1_000_000)
    sender.output.send_neighbour_records()
    assert sender.queue.frames() == [], "nobody sends to it"
    sender.send(b"still")
    for second in (64, 65):
        sender.output.neighbours.expire(second * 1_000_000)
    sender.send(b"in use")
    still, in_use, asked, again = sender.queue.frames()
    assert {parse_arp(asked).to, parse_arp(again).to, still[:6], in_use[:6]} == {PEER_MAC}


def test_who_is_silent_is_forgotten_and_asked_for_by_broadcast() -> None:
    sender = Sender()
    sender.know()
    sender.send(b"fresh")
    sender.output.neighbours.expire(61_000_000)
    sender.send(b"to nobody")
    for second in range(62, 67):
        sender.output.neighbours.expire(second * 1_000_000)
    sender.send(b"held", now=67_000_000)
    *_, last = sender.queue.frames()
    assert parse_arp(last).to == BROADCAST_MAC
    assert sender.counters.held == 1


def test_full_queue_takes_nothing() -> None:
    sender = Sender()
    sender.know()
    sent = 0
    while sender.send(bytes(60_000)):
        sent += 1
    assert sent >= 3
    assert len(sender.queue.take()) == sent
    assert sender.send(b"room again")


def test_without_a_queue_nothing_is_sent() -> None:
    sender = Sender()
    sender.know()
    sender.output.attach(None)
    assert not sender.send(b"x")


@pytest.mark.parametrize("bad", ["", "10.0.0", "10.0.0.0.1", "10.0.0.256", "a.b.c.d"])
def test_bad_address(bad: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        address_octets(bad)
