"""The receive buffer grows with what the program reads in a round trip (calls.py), within its bounds."""

from __future__ import annotations

from neatctl.core.channel.records import CONSUMED, OPTION
from neatctl.core.channel.socket_options import RECEIVE_OCTETS as RECEIVE
from tests.core.tcp.host import MS, Host, Peer

MOST = 1 << 20
START = 65536
_SCALED = b"\x02\x04\x05\xb4\x01\x03\x03\x07"


def opened(host: Host, port: int = 40000) -> Peer:
    """A connection whose round trip is 100 ms."""
    peer = Peer(host, port)
    peer.open(_SCALED, then_ack=False)
    peer.after(100 * MS)
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


def test_what_the_program_has_set_stays() -> None:
    host = growing()
    peer = opened(host)
    host.say(OPTION, peer.id, RECEIVE, START)
    stream(peer, 6)
    assert peer.tcb.receive_octets == START


def test_the_sum_of_a_replica_is_bounded_and_given_back() -> None:
    host = growing(receive_growth_octets=200_000)
    first, second = opened(host), opened(host, 40001)
    stream(first, 8)
    stream(second, 8)
    assert first.tcb.receive_octets + second.tcb.receive_octets == 2 * START + 200_000
    for peer in (first, second):
        peer.send("R", peer.tcb.rcv_nxt - peer.tcb.irs)
    assert host.tcp.tables.grown_octets == 0
