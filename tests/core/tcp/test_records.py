"""Between TCP and an application: credit, a channel that is full, records that are late or malformed."""

from __future__ import annotations

from errno import ECONNRESET

import pytest

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import (
    ABORT,
    ACCEPTED,
    CLOSE,
    CONSUMED,
    DATA,
    END,
    NODELAY,
    OPTION,
    QUERY,
    RESET,
    ROOM,
    SEND,
    SHUT,
    TAKEN,
)
from neatctl.core.channel.socket_options import KEEP_COUNT, MAXSEG
from neatctl.core.native import Memory
from neatctl.core.tcp.counters import SENTENCES
from tests.core.tcp.host import APP, LISTENER, MS, Host, Peer, record

SECOND = 1000 * MS


def faulty(host: Host, octets: bytes) -> None:
    with pytest.raises(PeerFault) as caught:
        host.tcp.command(APP, Memory(octets), 0, len(octets), host.now)
    assert caught.value.reason == "record"


def test_malformed_records_are_the_applications_fault() -> None:
    host = Host()
    peer = Peer(host).open()
    for octets in (
        b"",
        bytes(15),
        record(0, peer.id),
        record(15, peer.id),
        record(24, peer.id),
        record(QUERY, peer.id, payload=b"x"),
        record(255, peer.id),
        b"\x10\x00\x00\x01" + record(SEND, peer.id, payload=b"x")[4:],
        record(SEND, peer.id),
        record(SEND, peer.id, payload=b"x", flags=4),
        record(SEND, peer.id, payload=bytes(65_537)),
        record(SHUT, peer.id, payload=b"x"),
        record(CLOSE, peer.id, flags=1),
        record(CONSUMED, peer.id, 1),
        record(OPTION, peer.id, 99, 1),
        record(OPTION, peer.id, KEEP_COUNT, 0),
        record(OPTION, peer.id, MAXSEG, 87),
        record(OPTION, peer.id, NODELAY, 2),
        record(TAKEN, LISTENER, 1),
    ):
        faulty(host, octets)
    peer.send("PA", 1, 1, b"alive")
    assert peer.read() == b"alive"


def test_sending_beyond_the_room_is_a_fault() -> None:
    host = Host(send_buffer_octets=65_536)
    peer = Peer(host, window=0).open()
    peer.write(bytes(60_000))
    faulty(host, record(SEND, peer.id, payload=bytes(5_537)))
    peer.write(bytes(5_536))
    faulty(host, record(SEND, peer.id, payload=b"x"))


def test_sending_after_shut_is_a_fault_and_a_second_shut_is_none() -> None:
    host = Host()
    peer = Peer(host).open()
    host.say(SHUT, peer.id)
    host.say(SHUT, peer.id)
    faulty(host, record(SEND, peer.id, payload=b"x"))
    assert peer.sent() == ["FA 1 1"]


def test_room_comes_back_in_quarters() -> None:
    host = Host(send_buffer_octets=80_000)
    peer = Peer(host).open()
    peer.write(bytes(60_000))
    end = 1
    rooms = []
    while end <= 60_000:
        end += sum(int(note.split()[-1]) for note in peer.sent())
        peer.send("A", 1, end)
        rooms += [told.value for told in host.told() if told.kind == ROOM]
    assert all(value >= 20_000 for value in rooms)
    assert sum(rooms) + peer.tcb.room_owed == 60_000
    assert peer.tcb.room == 20_000 + sum(rooms)


@pytest.mark.parametrize("kind", [SHUT, CLOSE, ABORT, CONSUMED, SEND])
def test_a_record_for_a_connection_that_is_gone_is_only_late(kind: int) -> None:
    host = Host()
    peer = Peer(host).open()
    peer.send("R", 1)
    assert [told.kind for told in host.told()] == [RESET]
    host.say(kind, peer.id, payload=b"x" if kind == SEND else b"")
    host.say(kind, 99_999, payload=b"x" if kind == SEND else b"")
    host.say(TAKEN, 77, 1)
    assert host.tcp.counters.records_late == 3
    again = Peer(host, port=2).open()
    assert again.id != peer.id
    host.say(kind, peer.id, payload=b"x" if kind == SEND else b"")
    again.send("PA", 1, 1, b"alive")
    assert again.read() == b"alive"


def test_an_application_cannot_touch_the_connections_of_another() -> None:
    host = Host()
    peer = Peer(host).open()
    host.tcp.attach(2, host.app_producer)
    octets = record(ABORT, peer.id)
    host.tcp.command(2, Memory(octets), 0, len(octets), host.now)
    assert peer.sent() == []
    assert host.tcp.counters.records_late == 1
    octets = record(TAKEN, LISTENER, 0)
    host.tcp.command(2, Memory(octets), 0, len(octets), host.now)
    assert host.tcp.counters.records_late == 2


def test_a_full_channel_delays_octets_and_closes_the_window() -> None:
    host = Host(app_octets=1 << 13, receive_buffer_octets=20_000)
    peer = Peer(host).open()
    data = bytes(i & 0xFF for i in range(20_000))
    for at in range(0, 20_000, 1000):
        peer.send("A", 1 + at, 1, data[at : at + 1000])
    assert peer.sent()[-1] == "A 1 20001"
    assert peer.last is not None
    assert peer.last.window == 0
    got = b""
    for _ in range(10):
        got += peer.read()
    assert got == data
    assert host.tcp.counters.application_full > 0
    peer.sent()
    peer.after(SECOND)
    assert peer.last.window >= 10_000


def test_what_a_full_channel_delays_keeps_its_order() -> None:
    host = Host(app_octets=1024)
    other = Peer(host, port=9).open()
    peer = Peer(host).open(then_ack=False)
    other.send("PA", 1, 1, bytes(450))
    other.send("PA", 451, 1, bytes(450))
    peer.send("PA", 1, 1, b"first")
    peer.send("PA", 6, 1, b"second")
    peer.send("FA", 12, 1)
    peer.send("RA", 13, 1)
    assert host.tcp.connections == 1
    told = [one for _ in range(6) for one in host.told() if one.id != other.id]
    assert [one.kind for one in told] == [ACCEPTED, DATA, DATA, END, RESET]
    assert [one.payload for one in told[1:3]] == [b"first", b"second"]
    assert (told[-1].value, {one.id for one in told}) == (ECONNRESET, {told[0].id})


def test_what_closes_a_gap_waits_behind_what_a_full_channel_delays() -> None:
    host = Host(app_octets=1024)
    peer = Peer(host).open()
    peer.send("A", 1, 1, b"a" * 450)
    peer.send("A", 451, 1, b"b" * 450)
    peer.send("A", 902, 1, b"d")
    host.app_producer.flush()
    assert host.app.receive() is not None
    host.app.flush()
    peer.send("A", 901, 1, b"c")
    got = b""
    for _ in range(5):
        got += peer.read()
    assert got == b"b" * 450 + b"cd"


def test_a_full_channel_asks_for_a_doorbell() -> None:
    host = Host(app_octets=1024)
    peer = Peer(host).open()
    for at in range(0, 1600, 400):
        peer.send("A", 1 + at, 1, bytes(400))
    host.tcp.transmit(host.now)
    assert host.app_producer.memory.load64(256) == 1


def test_every_counter_has_its_sentence() -> None:
    assert set(Host().tcp.counters.as_dict()) == {f"tcp_{name}" for name in SENTENCES}


def test_counting_segments_and_their_faults() -> None:
    host = Host()
    peer = Peer(host).open()
    good = record(SEND, peer.id, payload=b"x")
    host.tcp.command(APP, Memory(good), 0, len(good), host.now)
    peer.sent()
    assert peer.last is not None
    for octets in (bytes(10), peer.last.octets[:-1] + b"y"):
        host.arrive(peer.key, octets)
    peer.send("SF", 1)
    counters = host.tcp.counters
    assert (counters.drop_length, counters.drop_checksum, counters.drop_flags) == (1, 1, 1)
    assert (counters.segments_in, counters.segments_out) == (5, 2)
