"""Loss recovery with SACK: RACK, proportional rate reduction, what is taken back. RFC 8985, 6937, 2883, 3522, 4015."""

from __future__ import annotations

import pytest

from neatctl.core.channel.records import OPTION
from neatctl.core.channel.socket_options import CONGESTION, CONGESTIONS
from neatctl.core.tcp.tcb import FAST, LOSS, OPEN
from tests.core.tcp.host import MS, Host, Peer

MSS = 1000
ROUND_TRIP = 40 * MS
OPTIONS = b"\x02\x04\x03\xe8\x04\x02\x01\x01"


def loaded(segments: int, timestamps: bool = False) -> Peer:
    """A connection with SACK over a path of 40 ms, ten of its segments in flight for as long."""
    mss = b"\x02\x04\x03\xf4" if timestamps else OPTIONS
    peer = Peer(Host(gso_octets=0), timestamps=timestamps).open(mss, then_ack=False)
    peer.host.pass_time(ROUND_TRIP)
    peer.acknowledge()
    peer.write(bytes(segments * MSS))
    assert len(peer.sent()) == min(segments, 10)
    peer.host.pass_time(ROUND_TRIP)
    return peer


def sack(peer: Peer, ack: int, *blocks: tuple[int, int], echo: int | None = None) -> None:
    """An ACK with SACK blocks, counted in segments from the first octet; `echo`: the timestamp that it echoes."""
    edges = b"".join(((peer.our_isn + 1 + edge * MSS) & 0xFFFFFFFF).to_bytes(4, "big") for b in blocks for edge in b)
    options = b"\x01\x01\x05" + bytes((2 + len(edges),)) + edges if blocks else b""
    if echo is not None:
        options = b"\x01\x01\x08\x0a" + peer.ts_val.to_bytes(4, "big") + echo.to_bytes(4, "big") + options
    peer.send("A", 1, 1 + ack * MSS, options=options or b"\x01")


def numbers(notes: list[str]) -> list[int]:
    """Which segments were sent."""
    return [(int(note.split()[1]) - 1) // MSS for note in notes]


def stamp(peer: Peer) -> int:
    """The timestamp of the last segment sent."""
    assert peer.last is not None
    return int.from_bytes(peer.last.options[8][:4], "big")


def test_rfc8985_one_segment_that_is_overtaken_is_lost_after_a_quarter_of_the_round_trip() -> None:
    peer = loaded(10)
    sack(peer, 0, (1, 2))
    assert peer.sent() == []
    assert peer.after(9 * MS) == []
    assert numbers(peer.after(8 * MS)) == [0]
    assert peer.tcb.recovery == FAST


def test_rfc8985_a_segment_that_is_only_late_is_not_sent_again() -> None:
    peer = loaded(10)
    sack(peer, 0, (1, 2))
    peer.after(5 * MS)
    sack(peer, 2)
    assert peer.after(30 * MS) == []
    assert (peer.tcb.recovery, peer.host.tcp.counters.retransmits) == (OPEN, 0)


def test_rfc8985_on_a_path_that_reorders_three_reported_segments_are_no_proof() -> None:
    peer = loaded(14)
    sack(peer, 0, (1, 2))
    sack(peer, 2)
    peer.sent()
    peer.host.pass_time(5 * MS)
    sack(peer, 2, (3, 8))
    assert 2 not in numbers(peer.sent())
    assert numbers(peer.after(20 * MS))[0] == 2


def test_rfc8985_a_lost_retransmission_is_noticed_without_a_timeout() -> None:
    peer = loaded(40)
    sack(peer, 0, (1, 6))
    assert numbers(peer.sent())[0] == 0
    peer.host.pass_time(ROUND_TRIP)
    sack(peer, 0, (1, 12))
    assert 0 in numbers(peer.sent())
    assert peer.host.tcp.counters.retransmission_timeouts == 0


def test_rfc6937_the_rate_comes_down_by_what_arrives() -> None:
    peer = loaded(60)
    sent = []
    for reported in range(4, 11):
        sack(peer, 0, (1, reported))
        sent.append(len(peer.sent()))
    # ssthresh is 7 of 10: seven segments for ten that arrive.
    assert peer.tcb.cc.ssthresh == 7 * MSS
    assert sum(sent) == 7
    assert max(sent) <= 3


def test_rfc6937_after_many_losses_it_grows_by_what_arrives_and_no_burst() -> None:
    peer = loaded(60)
    sack(peer, 0, (9, 10))
    assert numbers(peer.after(30 * MS)) == [10, 0]
    peer.host.pass_time(ROUND_TRIP)
    sack(peer, 1, (9, 11))
    assert numbers(peer.sent()) == [1, 2, 3]


def test_recovery_ends_with_cwnd_at_ssthresh() -> None:
    peer = loaded(60)
    sack(peer, 0, (1, 10))
    peer.sent()
    sack(peer, 10)
    assert (peer.tcb.recovery, peer.tcb.cc.cwnd // MSS) == (OPEN, 7)


def test_rfc3522_an_echo_of_the_first_transmission_undoes_a_fast_retransmit() -> None:
    peer = loaded(40, timestamps=True)
    original = stamp(peer)
    sack(peer, 0, (1, 4), echo=original)
    assert 0 in numbers(peer.sent())
    peer.host.pass_time(5 * MS)
    sack(peer, 4, echo=original)
    assert peer.tcb.recovery == OPEN
    assert peer.tcb.cc.cwnd >= 10 * MSS
    assert peer.host.tcp.counters.recoveries_undone == 1


def test_rfc3522_an_echo_of_the_retransmission_undoes_nothing() -> None:
    peer = loaded(40, timestamps=True)
    original = stamp(peer)
    peer.host.pass_time(5 * MS)
    sack(peer, 0, (1, 4), echo=original)
    peer.sent()
    peer.host.pass_time(ROUND_TRIP)
    sack(peer, 10, echo=stamp(peer))
    assert (peer.tcb.recovery, peer.tcb.cc.cwnd // MSS) == (OPEN, 7)
    assert peer.host.tcp.counters.recoveries_undone == 0


def test_rfc3522_a_timeout_that_came_too_early_is_undone() -> None:
    peer = loaded(10, timestamps=True)
    original = stamp(peer)
    peer.after(500 * MS)
    assert (peer.tcb.recovery, peer.tcb.cc.cwnd) == (LOSS, MSS)
    sack(peer, 5, echo=original)
    assert peer.sent() == []
    assert (peer.tcb.recovery, peer.tcb.cc.cwnd >= 10 * MSS) == (OPEN, True)


def test_rfc2883_duplicates_of_all_that_was_sent_again_undo_the_decrease() -> None:
    peer = loaded(40)
    sack(peer, 0, (1, 4))
    assert numbers(peer.sent())[0] == 0
    sack(peer, 10)
    assert peer.tcb.cc.cwnd < 10 * MSS
    peer.sent()
    sack(peer, 10, (0, 1))
    assert peer.tcb.cc.cwnd >= 10 * MSS
    assert peer.host.tcp.counters.duplicates_reported == 1


def test_rfc8985_reported_duplicates_make_it_more_patient() -> None:
    peer = loaded(40)
    sack(peer, 0, (1, 4))
    peer.sent()
    sack(peer, 10, (0, 1))
    assert peer.tcb.repair is not None
    assert peer.tcb.repair.steps == 2
    peer.sent()
    sack(peer, 10, (0, 1))
    sack(peer, 10, (0, 1))
    assert peer.tcb.repair.steps == 3
    sack(peer, 10, (0, 1))
    assert peer.tcb.repair.steps == 3, "once in a round trip"


@pytest.mark.parametrize("name", CONGESTIONS)
def test_each_algorithm_can_be_chosen_at_any_time_and_goes_on_from_the_same_window(name: str) -> None:
    peer = loaded(40)
    sack(peer, 3)
    window = peer.tcb.cc.cwnd
    peer.host.say(OPTION, peer.id, CONGESTION, CONGESTIONS.index(name))
    assert peer.tcb.cc.cwnd == window
    peer.sent()
    flight = peer.tcb.snd_nxt - peer.tcb.snd_una
    sack(peer, 3, (4, 9))
    assert peer.tcb.cc.ssthresh == int(flight * {"cubic": 0.7, "reno": 0.5}[name])
