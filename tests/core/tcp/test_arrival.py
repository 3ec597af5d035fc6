"""Segments in the synchronized states, step by step: RFC 9293 section 3.10.7.4, RFC 5961, RFC 7323."""

from __future__ import annotations

from errno import ECONNRESET

import pytest

from neatctl.core.channel.records import CONSUMED, DATA, END, RESET, SHUT
from neatctl.core.tcp.states import CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK
from tests.core.tcp.host import MS, Host, Peer

SECOND = 1000 * MS


def in_state(state: int, host: Host | None = None) -> Peer:
    """A connection in a synchronized state; the peer has sent 5 octets if its FIN is not out, ours is at 1."""
    peer = Peer(host or Host()).open()
    if state in {FIN_WAIT_1, FIN_WAIT_2, CLOSING}:
        peer.host.say(SHUT, peer.id)
        assert peer.sent() == ["FA 1 1"]
    if state == FIN_WAIT_2:
        peer.send("A", 1, 2)
    if state in {CLOSE_WAIT, LAST_ACK, CLOSING}:
        peer.send("FA", 1, 1)
        peer.sent()
    if state == LAST_ACK:
        peer.host.say(SHUT, peer.id)
        assert peer.sent() == ["FA 1 2"]
    assert peer.tcb.state == state
    peer.host.told()
    return peer


SYNCHRONIZED = [ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK]
every_state = pytest.mark.parametrize("state", SYNCHRONIZED)


def next_numbers(peer: Peer) -> tuple[int, int]:
    """The numbers of an acceptable bare ACK, relative."""
    tcb = peer.tcb
    return tcb.rcv_nxt - tcb.irs, tcb.snd_nxt - tcb.iss


@every_state
@pytest.mark.parametrize("flags", ["A", "PA", "FA", "SA", "S"])
def test_a_segment_outside_the_window_is_answered_by_an_ack_and_changes_nothing(state: int, flags: str) -> None:
    peer = in_state(state)
    seq, ack = next_numbers(peer)
    peer.send(flags, seq + 70_000, ack, b"x" if flags == "PA" else b"")
    assert peer.sent() == [f"A {ack} {seq}"]
    assert peer.tcb.state == state
    assert peer.host.tcp.counters.drop_sequence == 1


@every_state
def test_a_reset_at_rcv_nxt_ends_the_connection(state: int) -> None:
    peer = in_state(state)
    peer.send("R", next_numbers(peer)[0])
    assert peer.sent() == []
    assert [(told.kind, told.id, told.value) for told in peer.host.told()] == [(RESET, peer.id, ECONNRESET)]
    assert peer.host.tcp.connections == 0


@every_state
def test_rfc5961_a_reset_elsewhere_in_the_window_is_challenged(state: int) -> None:
    peer = in_state(state)
    seq, ack = next_numbers(peer)
    peer.send("R", seq + 1)
    assert peer.sent() == [f"A {ack} {seq}"]
    peer.send("R", seq + 70_000)
    peer.send("R", seq - 1)
    assert peer.sent() == []
    assert peer.tcb.state == state


@every_state
def test_rfc5961_a_syn_in_the_window_is_challenged(state: int) -> None:
    peer = in_state(state)
    seq, ack = next_numbers(peer)
    peer.send("S", seq + 3)
    assert peer.sent() == [f"A {ack} {seq}"]
    assert peer.tcb.state == state


@every_state
def test_rfc5961_an_ack_of_what_was_never_sent_is_challenged(state: int) -> None:
    peer = in_state(state)
    seq, ack = next_numbers(peer)
    peer.send("A", seq, ack + 1)
    assert peer.sent() == [f"A {ack} {seq}"]
    assert peer.tcb.state == state


def test_rfc5961_an_ack_older_than_any_window_is_challenged() -> None:
    peer = Peer(Host(), window=500).open()
    for i in range(4):
        peer.write(bytes(500))
        peer.sent()
        peer.send("A", 1, 501 + 500 * i)
    peer.send("PA", 1, 1501, b"old but possible")
    assert peer.read() == b"old but possible"
    peer.sent()
    peer.send("PA", 17, 1500, b"impossible")
    assert peer.sent() == ["A 2001 17"]
    assert peer.host.told() == []


def test_an_old_segment_does_not_bring_its_window_back() -> None:
    peer = Peer(Host(), window=1000).open()
    peer.send("A", 11, 1, b"second", window=2000)
    peer.send("A", 1, 1, b"the first ", window=50)
    peer.write(bytes(5000))
    assert "1460" in peer.sent()[-1]


@every_state
def test_rfc5961_challenges_are_rationed_per_connection(state: int) -> None:
    host = Host()
    peer = in_state(state, host)
    other = Peer(host, port=2).open()
    seq, _ = next_numbers(peer)
    for _ in range(5):
        peer.send("S", seq + 3)
    other.send("S", 4)
    assert sorted(segment.key[9] for segment in host.sent()) == sorted([peer.key[9], other.key[9]])
    host.pass_time(150 * MS)
    peer.send("S", seq + 3)
    assert len(peer.sent()) == 1


@every_state
def test_a_segment_without_ack_is_dropped(state: int) -> None:
    peer = in_state(state)
    peer.send("P", next_numbers(peer)[0], 0, b"data")
    assert peer.sent() == []
    assert peer.host.told() == []


def test_octets_are_delivered_and_acknowledged_within_40_ms_shld_18_must_40() -> None:
    peer = Peer(Host()).open()
    peer.send("PA", 1, 1, b"hello")
    assert peer.sent() == []
    assert [(told.kind, told.payload) for told in peer.host.told()] == [(DATA, b"hello")]
    assert peer.after(30 * MS) == []
    assert peer.after(20 * MS) == ["A 1 6"]


def test_shld_19_every_second_full_segment_is_acknowledged_at_once() -> None:
    peer = Peer(Host()).open()
    peer.send("A", 1, 1, bytes(1460))
    assert peer.sent() == []
    peer.send("A", 1461, 1, bytes(1460))
    assert peer.sent() == ["A 1 2921"]


def test_must_58_a_burst_is_acknowledged_once() -> None:
    peer = Peer(Host()).open()
    for i in range(8):
        peer.send("A", 1 + 1460 * i, 1, bytes(1460))
    assert peer.sent() == ["A 1 11681"]


def test_an_answer_in_time_carries_the_acknowledgment() -> None:
    peer = Peer(Host()).open()
    peer.send("PA", 1, 1, b"question")
    peer.write(b"answer")
    assert peer.sent() == ["PA 1 9 6"]
    assert peer.after(100 * MS) == []


def test_shld_31_must_59_what_arrives_out_of_order_waits_and_is_acknowledged_together() -> None:
    peer = Peer(Host()).open()
    peer.send("PA", 6, 1, b"world")
    assert peer.sent() == ["A 1 1"]
    assert peer.host.told() == []
    peer.send("PA", 1, 1, b"hello")
    assert peer.sent() == ["A 1 11"]
    assert peer.read() == b"helloworld"


def test_without_sack_each_segment_out_of_order_is_answered_by_a_duplicate_ack() -> None:
    peer = Peer(Host()).open()
    for i in range(1, 5):
        peer.send("A", 1 + 10 * i, 1, bytes(10))
    assert peer.sent() == ["A 1 1"] * 4


def reported(peer: Peer) -> list[int]:
    """The edges of the SACK blocks of the last segment, from the peer's ISN."""
    peer.sent()
    assert peer.last is not None
    blocks = peer.last.options[5]
    return [int.from_bytes(blocks[i : i + 4], "big") - peer.isn for i in range(0, len(blocks), 4)]


def test_rfc2883_what_came_twice_is_reported_once_and_first() -> None:
    peer = Peer(Host(), timestamps=True).open()
    peer.send("A", 11, 1, bytes(10))
    assert reported(peer) == [11, 21]
    peer.send("A", 13, 1, bytes(5))
    assert reported(peer) == [13, 18, 11, 21]
    peer.send("A", 31, 1, bytes(10))
    assert reported(peer) == [31, 41, 11, 21]
    peer.send("A", 1, 1, bytes(10))
    peer.send("A", 1, 1, bytes(10))
    assert reported(peer) == [1, 11, 31, 41]
    peer.send("A", 21, 1, bytes(10))
    peer.send("A", 36, 1, bytes(10))
    assert reported(peer) == [36, 41]
    assert peer.host.tcp.counters.duplicates_in == 2
    peer.send("A", 46, 1, b"x")
    peer.after(50 * MS)
    assert 5 not in peer.last.options  # type: ignore[union-attr]


def test_rfc2018_what_is_held_is_reported() -> None:
    peer = Peer(Host(), timestamps=True).open()
    for at, expected in ((11, [11, 21]), (41, [41, 51, 11, 21]), (71, [71, 81, 11, 21, 41, 51])):
        peer.send("A", at, 1, bytes(10))
        assert reported(peer) == expected
    peer.send("A", 41, 1, bytes(20))
    assert reported(peer) == [41, 61, 11, 21, 71, 81]
    peer.send("A", 1, 1, bytes(10))
    assert reported(peer) == [41, 61, 71, 81]


def test_overlaps_deliver_every_octet_once_and_the_first_copy() -> None:
    peer = Peer(Host()).open()
    peer.send("PA", 4, 1, b"DEF")
    peer.send("PA", 2, 1, b"bcdefgh")
    peer.send("PA", 1, 1, b"A..")
    peer.send("PA", 1, 1, b"xxxxxxxxI")
    assert peer.read() == b"A..DEFghI"


def test_an_old_copy_is_acknowledged_again_and_not_delivered() -> None:
    peer = Peer(Host()).open()
    peer.send("PA", 1, 1, b"hello")
    assert peer.read() == b"hello"
    peer.send("PA", 1, 1, b"hello")
    assert peer.sent() == ["A 1 6"]
    assert peer.host.told() == []


def test_fin_is_told_behind_the_octets_and_acknowledged_at_once() -> None:
    peer = Peer(Host()).open()
    peer.send("FPA", 1, 1, b"bye")
    assert peer.sent() == ["A 1 5"]
    assert [told.kind for told in peer.host.told()] == [DATA, END]
    assert peer.tcb.state == CLOSE_WAIT


def test_a_fin_out_of_order_waits_for_what_is_missing() -> None:
    peer = Peer(Host()).open()
    peer.send("FPA", 4, 1, b"def")
    assert peer.sent() == ["A 1 1"]
    assert peer.host.told() == []
    peer.send("PA", 1, 1, b"abc")
    assert peer.sent() == ["A 1 8"]
    assert [(told.kind, told.payload) for told in peer.host.told()] == [(DATA, b"abc"), (DATA, b"def"), (END, b"")]


def test_a_bare_fin_out_of_order_waits_too() -> None:
    peer = Peer(Host()).open()
    peer.send("FA", 4, 1)
    peer.send("PA", 1, 1, b"abc")
    assert [told.kind for told in peer.host.told()] == [DATA, END]


def test_a_repeated_fin_is_acknowledged_again() -> None:
    peer = in_state(CLOSE_WAIT)
    for _ in range(2):
        peer.send("FA", 1, 1)
        assert peer.sent() == ["A 1 2"]
    assert peer.host.told() == []


def test_octets_beyond_the_window_are_cut_off() -> None:
    peer = Peer(Host(receive_buffer_octets=8000)).open()
    for i in range(5):
        peer.send("A", 1 + 1460 * i, 1, bytes(1460))
    peer.send("FA", 7301, 1, bytes(1460))
    assert len(b"".join(told.payload for told in peer.host.told())) == 8000
    assert peer.sent() == ["A 1 8001"]
    assert peer.last is not None
    assert peer.last.window == 0
    assert peer.tcb.state == ESTABLISHED


def test_must_66_a_closed_window_takes_acks_and_resets() -> None:
    peer = Peer(Host(receive_buffer_octets=3000)).open()
    peer.write(bytes(100))
    peer.sent()
    peer.send("A", 1, 1, bytes(3000))
    peer.sent()
    assert peer.last is not None
    assert peer.last.window == 0
    peer.send("A", 3001, 51, b"p")
    assert peer.sent() == ["A 101 3001"]
    assert peer.tcb.snd_una - peer.tcb.iss == 51
    peer.send("R", 3001)
    assert [told.kind for told in peer.host.told()] == [DATA, RESET]


def test_must_39_a_window_opens_in_large_steps_only() -> None:
    peer = Peer(Host(receive_buffer_octets=30_000)).open()
    for i in range(20):
        peer.send("A", 1 + 1500 * i, 1, bytes(1500))
    peer.sent()
    peer.host.told()
    assert peer.last is not None
    assert peer.last.window == 0
    peer.host.say(CONSUMED, peer.id, 1000)
    assert peer.sent() == []
    peer.host.say(CONSUMED, peer.id, 400)
    assert peer.sent() == []
    peer.send("A", 30001, 1, b"p")
    assert peer.sent() == ["A 1 30001"]
    assert peer.last.window == 0
    peer.host.say(CONSUMED, peer.id, 1600)
    assert peer.sent() == ["A 1 30001"]
    assert peer.last.window == 3000


def test_shld_14_the_window_never_shrinks_from_the_right() -> None:
    peer = Peer(Host(receive_buffer_octets=200_000), timestamps=True).open(b"\x02\x04\x05\xb4\x01\x03\x03\x07")
    edge = 0
    at = 1
    for i in range(120):
        octets = 1 + 37 * i % 1448
        peer.send("A", at, 1, bytes(octets))
        at += octets
        peer.after(50 * MS)
        assert peer.last is not None
        advertised = peer.last.ack - peer.isn + (peer.last.window << 2)
        assert edge <= advertised <= 200_000 + 4 * (i + 1)
        edge = advertised


def test_rfc7323_paws_drops_the_past_and_says_so() -> None:
    peer = Peer(Host(), timestamps=True, ts_val=0xFFFFFFF0).open()
    peer.ts_val = 10
    peer.send("PA", 1, 1, b"new")
    peer.sent()
    peer.ts_val = 0xFFFFFFF5
    peer.send("PA", 4, 1, b"old")
    assert peer.sent() == ["A 1 4"]
    assert peer.read() == b"new"
    assert peer.host.tcp.counters.drop_paws == 1
    peer.send("R", 4)
    assert [told.kind for told in peer.host.told()] == [RESET]


def test_rfc7323_the_timestamp_echoed_is_that_of_the_segment_next_in_order() -> None:
    peer = Peer(Host(), timestamps=True).open()
    peer.ts_val = 6000
    peer.send("A", 100, 1, b"later")
    peer.sent()
    assert peer.last is not None
    assert peer.last.options[8][4:] == (5000).to_bytes(4, "big")
    peer.ts_val = 6001
    peer.send("A", 1, 1, bytes(99))
    peer.sent()
    assert peer.last.options[8][4:] == (6001).to_bytes(4, "big")


def test_a_segment_with_urg_is_taken_in_line() -> None:
    peer = Peer(Host()).open()
    peer.send("UPA", 1, 1, b"urgent")
    assert peer.read() == b"urgent"
