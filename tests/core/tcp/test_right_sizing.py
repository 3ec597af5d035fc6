"""Buffers grow, within bounds: the receive buffer with what the program reads in a round trip (calls.py), the send
buffer with cwnd (telling.py)."""

from __future__ import annotations

import pytest

from neatctl.core.channel.records import CONSUMED, MAX_SEND, OPTION, ROOM
from neatctl.core.channel.socket_options import RECEIVE_OCTETS as RECEIVE
from neatctl.core.channel.socket_options import SEND_OCTETS as SEND
from tests.core.tcp.host import MS, Host, Peer

MOST = 1 << 20
START = 65536
_SCALED = b"\x02\x04\x05\xb4\x01\x03\x03\x07"


def opened(host: Host, port: int = 40000, rtt_us: int = 100 * MS) -> Peer:
    """A connection with this round trip."""
    peer = Peer(host, port)
    peer.open(_SCALED, then_ack=False)
    peer.after(rtt_us)
    peer.send("A", 1, 1)
    peer.id = peer.tcb.id
    return peer


def stream(peer: Peer, rounds: int, pause_us: int = 100 * MS) -> None:
    """The peer fills the window and the program reads it all, once in each pause."""
    for _ in range(rounds):
        room = peer.tcb.rcv_adv - peer.tcb.rcv_nxt
        while room > 0:
            part = min(room, 1460)
            peer.send("A", peer.tcb.rcv_nxt - peer.tcb.irs, 1, bytes(part))
            room -= part
        peer.after(pause_us)
        peer.host.told()
        peer.host.say(CONSUMED, peer.id, peer.tcb.unread)
        peer.sent()


def growing(**changes: int) -> Host:
    return Host(receive_buffer_octets=START, receive_buffer_most_octets=MOST, **changes)


def test_the_buffer_grows_to_its_bound_while_the_program_reads_all_of_it() -> None:
    peer = opened(growing())
    stream(peer, 12)
    assert peer.tcb.receive_octets == MOST
    assert peer.tcb.rcv_adv - peer.tcb.rcv_nxt > MOST * 9 // 10


def test_the_scale_offered_allows_the_bound() -> None:
    peer = opened(growing())
    assert MOST >> peer.tcb.rcv_scale <= 0xFFFF


def test_a_slow_reader_needs_no_more() -> None:
    peer = opened(growing())
    stream(peer, 6, 1000 * MS)
    assert peer.tcb.receive_octets == START


@pytest.mark.parametrize(("pause_us", "grows"), [(500, True), (20 * MS, False)])
def test_on_a_short_way_the_window_outlasts_what_a_program_may_be_away(pause_us: int, grows: bool) -> None:
    """A program that reads a buffer in half a millisecond would meet a closed window each time that it is held up."""
    peer = opened(growing(), rtt_us=50)
    stream(peer, 12, pause_us)
    assert (peer.tcb.receive_octets > 3 * START) == grows


def test_what_the_program_has_set_stays() -> None:
    host = growing()
    peer = opened(host)
    host.say(OPTION, peer.id, RECEIVE, START)
    stream(peer, 6)
    assert peer.tcb.receive_octets == START


def test_the_sum_of_a_replica_is_bounded_and_given_back() -> None:
    host = growing(growth_octets=200_000)
    first, second = opened(host), opened(host, 40001)
    stream(first, 8)
    stream(second, 8)
    assert first.tcb.receive_octets + second.tcb.receive_octets == 2 * START + 200_000
    for peer in (first, second):
        peer.send("R", peer.tcb.rcv_nxt - peer.tcb.irs)
    assert host.tcp.tables.grown_octets == 0


def pour(peer: Peer, rounds: int, room: int, most: int = MOST) -> int:
    """The program writes at most `most` octets whenever it has room, the peer acknowledges all in flight once in 100
    ms; the most octets in flight."""
    in_flight = 0
    for _ in range(rounds):
        part = min(room, most)
        room -= part
        while part > 0:
            peer.write(bytes(min(part, MAX_SEND)))
            part -= min(part, MAX_SEND)
        peer.after(100 * MS)
        in_flight = max(in_flight, peer.tcb.snd_nxt - peer.tcb.snd_una)
        peer.send("A", 1, peer.tcb.snd_nxt - peer.tcb.iss)
        room += sum(told.value for told in peer.host.told() if told.kind == ROOM)
    return in_flight


def sending(**changes: int) -> Host:
    return Host(send_buffer_octets=START, send_buffer_most_octets=MOST, gso_octets=0, **changes)


def size(peer: Peer) -> int:
    return int(peer.tcb.buffer.octets + peer.tcb.room + peer.tcb.room_owed)


def test_the_send_buffer_grows_to_its_bound_and_so_does_what_is_in_flight() -> None:
    peer = opened(sending())
    assert pour(peer, 30, START) > MOST // 2
    assert size(peer) == MOST


def test_a_program_that_writes_little_needs_no_more_room() -> None:
    peer = opened(sending())
    pour(peer, 1, START, 1)
    peer.tcb.cc.cwnd = START
    pour(peer, 6, START - 1, START // 4)
    assert size(peer) == START


def test_room_that_the_program_has_set_stays_and_what_was_grown_is_taken_back() -> None:
    host = sending()
    peer = opened(host)
    host.say(OPTION, peer.id, SEND, START)
    assert pour(peer, 30, START) <= START
    assert size(peer) == START
    other = opened(host, 40001)
    pour(other, 30, START)
    host.say(OPTION, other.id, SEND, START)
    assert size(other) == START


def test_send_buffers_have_their_part_of_the_bound_of_a_replica() -> None:
    host = sending(growth_octets=200_000)
    peers = (opened(host), opened(host, 40001))
    for peer in peers:
        pour(peer, 30, START)
    assert sum(map(size, peers)) == 2 * START + 200_000
    for peer in peers:
        peer.send("R", peer.tcb.rcv_nxt - peer.tcb.irs)
    assert host.tcp.tables.grown_octets == 0
