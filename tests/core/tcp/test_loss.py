"""Losses: the timer and its back-off, fast retransmit, NewReno, SACK. RFC 6298, 5681, 6582, 3042, 6675."""

from __future__ import annotations

from errno import EHOSTUNREACH, ETIMEDOUT

import pytest

from neatctl.core.channel.records import NODELAY, OPTION, RESET, SHUT, THEN_CLOSE
from neatctl.core.tcp.loss import MIN_RTO_US
from tests.core.tcp.host import MS, Host, Peer

SECOND = 1000 * MS
ROUND_TRIP = 20 * MS
MSS = 1000
MSS_OPTION = b"\x02\x04\x03\xe8"
SACK_PERMITTED = MSS_OPTION + b"\x04\x02\x01\x01"


def loaded(segments: int = 10, sack: bool = False, extra: int = 0) -> Peer:
    """A connection with ten segments in flight (the initial window), each a frame of its own."""
    peer = Peer(Host(gso_octets=0)).open(SACK_PERMITTED if sack else MSS_OPTION, then_ack=False)
    peer.host.pass_time(ROUND_TRIP)
    peer.acknowledge()
    peer.write(bytes(segments * MSS + extra))
    assert len(peer.sent()) == min(segments, 10)
    return peer


def sack(peer: Peer, ack: int, *blocks: tuple[int, int]) -> None:
    """An ACK with SACK blocks, counted in segments from the first octet."""
    edges = b"".join(((peer.our_isn + 1 + edge * MSS) & 0xFFFFFFFF).to_bytes(4, "big") for b in blocks for edge in b)
    options = b"\x01\x01\x05" + bytes((2 + len(edges),)) + edges
    peer.send("A", 1, 1 + ack * MSS, options=options)


def segment(number: int, push: bool = False) -> str:
    """What a note says of segment `number`."""
    return f"{'PA' if push else 'A'} {1 + number * MSS} 1 {MSS}"


def test_must_19_the_timer_doubles_from_200_ms_to_a_minute() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x")
    assert peer.sent() == ["PA 1 1 1"]
    begin = peer.host.now
    times = []
    for _ in range(11):
        while not (sent := peer.after(5 * MS)):
            pass
        assert sent == ["PA 1 1 1"]
        times.append(peer.host.now - begin)
    gaps = [after - before for before, after in zip([0, *times], times, strict=False)]
    expected = [min(MIN_RTO_US << i, 60 * SECOND) for i in range(11)]
    assert all(abs(gap - want) <= 10 * MS for gap, want in zip(gaps, expected, strict=True))


def test_must_20_the_connection_ends_after_fifteen_retransmissions() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x")
    assert peer.after(30 * 60 * SECOND).count("PA 1 1 1") == 16
    assert [(told.kind, told.value) for told in peer.host.told()] == [(RESET, ETIMEDOUT)]
    assert (peer.host.tcp.connections, peer.host.tcp.deadline()) == (0, -1)


@pytest.mark.parametrize("options", [b"\x02\x04\x03\xe8", b"\x02\x04\x03\xe8\x04\x02\x01\x01"])
@pytest.mark.parametrize("late", [True, False])
def test_f_rto_gives_a_window_back_that_a_late_acknowledgment_cost(options: bytes, late: bool) -> None:
    peer = Peer(Host(gso_octets=0)).open(options)
    tcb = peer.tcb
    peer.write(bytes(12_000))
    peer.sent()
    window = tcb.cc.cwnd
    while not peer.host.tcp.counters.retransmission_timeouts:
        peer.after(10 * MS)
    peer.send("A", 1, 3001)
    assert peer.sent()[-1] == "PA 11001 1 1000", "one of the two may have been the tail probe"
    peer.send("A", 1, 5001 if late else 3001)
    if late:
        assert peer.sent() == []
        assert tcb.cc.cwnd >= window
    else:
        assert peer.sent()[:1] == ["A 3001 1 1000"]
        assert tcb.cc.cwnd <= 3000
    assert peer.host.tcp.counters.recoveries_undone == late


def test_a_single_segment_that_is_lost_costs_no_window() -> None:
    peer = Peer(Host(gso_octets=0)).open(b"\x02\x04\x03\xe8\x04\x02\x01\x01")
    peer.write(bytes(1000))
    assert peer.sent() == ["PA 1 1 1000"]
    assert peer.after(220 * MS) == ["PA 1 1 1000"]
    peer.send("A", 1, 1001)
    peer.write(bytes(7000))
    assert len(peer.sent()) == 7, "after a timeout it would be one or two"
    assert (peer.host.tcp.counters.tail_probes, peer.host.tcp.counters.retransmission_timeouts) == (1, 0)


def test_what_icmp_hinted_at_is_told_when_the_connection_times_out() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x")
    peer.sent()
    peer.host.tcp.unreachable(peer.key, 1, peer.our_isn + 1, peer.host.now)
    peer.after(30 * 60 * SECOND)
    assert [(told.kind, told.value) for told in peer.host.told()] == [(RESET, EHOSTUNREACH)]


def test_nobody_waits_long_for_a_connection_that_nobody_owns() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x", THEN_CLOSE)
    assert len(peer.after(4 * 60 * SECOND)) == 9
    assert peer.host.tcp.connections == 0
    assert peer.host.told() == []


def test_rfc6298_the_timeout_follows_the_round_trip() -> None:
    peer = Peer(Host()).open(then_ack=False)
    peer.host.pass_time(300 * MS)
    peer.acknowledge()
    assert peer.tcb.rto_us == 900 * MS
    for i in range(30):
        peer.write(b"x")
        peer.after(300 * MS)
        peer.send("A", 1, 2 + i)
    assert 300 * MS <= peer.tcb.rto_us < 330 * MS


def test_the_first_segment_in_flight_is_the_one_that_is_timed() -> None:
    peer = Peer(Host()).open(then_ack=False)
    peer.host.pass_time(100 * MS)
    peer.acknowledge()
    peer.host.say(OPTION, peer.id, NODELAY, 1)
    peer.write(b"a")
    peer.after(90 * MS)
    peer.write(b"b")
    peer.after(10 * MS)
    peer.send("A", 1, 3)
    assert peer.tcb.srtt_us == 100 * MS


def test_must_18_back_off_ends_when_a_round_trip_is_measured_and_no_sooner() -> None:
    peer = Peer(Host()).open()
    peer.write(b"a")
    assert len(peer.after(700 * MS)) == 3
    peer.send("A", 1, 2)
    peer.write(b"b")
    assert peer.after(790 * MS) == ["PA 2 1 1"]
    peer.send("A", 1, 3)
    peer.write(b"c")
    assert peer.after(1700 * MS) == ["PA 3 1 1"] * 2


def test_must_18_karn_a_retransmitted_segment_measures_nothing() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x")
    rto = peer.tcb.rto_us
    assert len(peer.after(250 * MS)) == 2
    peer.send("A", 1, 2)
    assert peer.tcb.rto_us == rto


def test_with_timestamps_a_retransmitted_segment_measures_after_all() -> None:
    peer = Peer(Host(), timestamps=True).open()
    peer.write(b"x")
    peer.after(250 * MS)
    peer.host.pass_time(150 * MS)
    peer.send("A", 1, 2)
    assert peer.tcb.srtt_us > 10 * MS


def test_the_timer_starts_again_with_each_new_acknowledgment() -> None:
    peer = loaded()
    for i in range(1, 9):
        assert peer.after(150 * MS) == []
        peer.send("A", 1, 1 + i * MSS)
    assert peer.after(150 * MS) == []
    assert peer.after(60 * MS) == [segment(8)]


def test_after_a_timeout_one_segment_then_slow_start_over_what_was_in_flight() -> None:
    peer = loaded()
    assert peer.after(210 * MS) == [segment(0)]
    peer.send("A", 1, 1 + MSS)
    assert peer.sent() == [segment(1), segment(2)]
    peer.send("A", 1, 1 + 3 * MSS)
    assert len(peer.sent()) == 4
    peer.send("A", 1, 1 + 10 * MSS)
    assert peer.sent() == []
    assert peer.tcb.cc.ssthresh == 7 * MSS


def test_what_was_not_lost_after_all_is_not_sent_again() -> None:
    peer = loaded()
    assert peer.after(210 * MS) == [segment(0)]
    peer.send("A", 1, 1 + 10 * MSS)
    assert peer.sent() == []
    assert peer.host.tcp.deadline() < 0 or peer.after(SECOND) == []


def test_rfc5681_three_duplicates_retransmit_at_once() -> None:
    peer = loaded()
    for _ in range(2):
        peer.send("A", 1, 1)
        assert peer.sent() == []
    peer.send("A", 1, 1)
    assert peer.sent() == [segment(0)]
    assert peer.tcb.cc.ssthresh == 7 * MSS
    peer.send("A", 1, 1 + 10 * MSS)
    assert peer.sent() == []
    assert peer.host.tcp.counters.retransmission_timeouts == 0


def test_rfc3042_limited_transmit_sends_new_octets_on_the_first_two_duplicates() -> None:
    peer = loaded(20)
    peer.send("A", 1, 1)
    assert peer.sent() == [segment(10)]
    peer.send("A", 1, 1)
    assert peer.sent() == [segment(11)]
    peer.send("A", 1, 1)
    assert peer.sent() == [segment(0)]


def test_rfc6582_a_partial_acknowledgment_retransmits_the_next_hole() -> None:
    peer = loaded()
    for _ in range(3):
        peer.send("A", 1, 1)
    assert peer.sent() == [segment(0)]
    for hole in (3, 6):
        peer.send("A", 1, 1 + hole * MSS)
        assert peer.sent() == [segment(hole)]
    peer.send("A", 1, 1 + 10 * MSS)
    assert peer.tcb.recovery == 0
    assert peer.tcb.cc.cwnd <= 7 * MSS
    assert peer.host.tcp.counters.fast_retransmits == 1


def test_duplicates_inflate_the_window_during_recovery() -> None:
    peer = loaded(20)
    for _ in range(3):
        peer.send("A", 1, 1)
    peer.sent()
    sent = []
    for _ in range(8):
        peer.send("A", 1, 1)
        sent += peer.sent()
    assert sent
    assert sent[0] == segment(10)


def test_a_window_update_or_octets_are_no_duplicates() -> None:
    peer = loaded()
    for i in range(6):
        peer.send("A", 1, 1, window=60_000 + i)
        peer.send("A", 1 + i, 1, b"x")
    assert [note for note in peer.sent() if note == segment(0)] == []
    assert peer.host.tcp.counters.duplicate_acks_in == 0


def test_rfc6675_holes_below_three_reported_segments_go_again_and_nothing_else() -> None:
    peer = loaded(sack=True)
    peer.host.pass_time(ROUND_TRIP)
    sack(peer, 0, (1, 3))
    assert peer.sent() == []
    sack(peer, 0, (1, 3), (4, 6))
    assert peer.sent() == [segment(0), segment(3)]
    sack(peer, 0, (1, 3), (4, 10))
    assert peer.sent() == []
    peer.send("A", 1, 1 + 10 * MSS)
    assert peer.sent() == []
    assert peer.host.tcp.counters.retransmits == 2


def test_rfc6675_recovery_goes_on_with_new_octets_while_the_pipe_allows() -> None:
    peer = loaded(30, sack=True)
    sack(peer, 0, (1, 9))
    sent = peer.sent()
    assert sent[0] == segment(0)
    assert sent[1:] == [segment(number) for number in range(10, 10 + len(sent) - 1)]
    assert len(sent) - 1 == 5


def test_a_hole_near_the_end_is_repaired_by_the_partial_acknowledgment() -> None:
    peer = loaded(sack=True)
    sack(peer, 0, (1, 8), (9, 10))
    assert peer.sent()[0] == segment(0)
    sack(peer, 8, (9, 10))
    assert peer.sent() == [segment(8)]


def test_rfc2018_what_was_reported_and_is_not_acknowledged_goes_again() -> None:
    peer = loaded(sack=True)
    sack(peer, 0, (1, 4))
    assert peer.sent() == [segment(0)]
    peer.send("A", 1, 1 + MSS)
    assert peer.sent() == []
    assert peer.after(20 * MS) == [segment(1)]
    peer.send("A", 1, 1 + 2 * MSS)
    assert peer.sent() == [segment(2), segment(3)]
    assert peer.host.tcp.counters.reports_reneged == 1


def test_after_a_timeout_what_is_reported_anew_is_passed_over() -> None:
    peer = loaded(sack=True)
    assert peer.after(420 * MS) == [segment(9, push=True), segment(0)]
    sack(peer, 1, (2, 5), (6, 9))
    assert peer.sent() == [segment(1), segment(5), segment(9, push=True)]


def test_rfc8985_a_lost_tail_is_probed_and_repaired_without_a_timeout() -> None:
    peer = loaded(sack=True)
    peer.send("A", 1, 1 + 7 * MSS)
    assert peer.after(50 * MS) == [segment(9, push=True)]
    sack(peer, 7, (9, 10))
    assert peer.sent() == [segment(7), segment(8)]
    peer.send("A", 1, 1 + 10 * MSS)
    assert peer.host.tcp.deadline() < 0 or peer.after(SECOND) == []
    assert peer.host.tcp.counters.retransmission_timeouts == 0


def test_rfc8985_a_probe_carries_new_octets_when_there_are_any() -> None:
    peer = loaded(20, sack=True)
    assert peer.after(50 * MS) == [segment(10)]
    sack(peer, 0, (1, 3), (10, 11))
    assert peer.sent()[0] == segment(0)
    assert peer.host.tcp.counters.retransmission_timeouts == 0


def test_rfc8985_there_is_one_probe_and_a_single_segment_may_wait_for_its_delayed_ack() -> None:
    peer = loaded(sack=True)
    assert len(peer.after(190 * MS)) == 1
    alone = Peer(Host()).open(SACK_PERMITTED)
    alone.write(b"x")
    assert len(alone.after(190 * MS)) == 1


def test_rfc8985_a_probe_that_repaired_a_loss_halves_the_window_and_one_that_did_not_does_not() -> None:
    for dsack in (False, True):
        peer = loaded(sack=True)
        peer.after(50 * MS)
        window = peer.tcb.cc.cwnd
        if dsack:
            sack(peer, 10, (9, 10))
        else:
            peer.send("A", 1, 1 + 10 * MSS)
        peer.write(bytes(MSS))
        peer.sent()
        peer.send("A", 1, 1 + 11 * MSS)
        assert (peer.tcb.cc.cwnd < window) is not dsack


def test_nonsense_in_sack_blocks_is_passed_over() -> None:
    peer = loaded(sack=True)
    for blocks in (((3, 2),), ((5, 500),), ((-5, -2),), ((-1, 3),), ((0, 4),), ((4, 4),)):
        sack(peer, 0, *blocks)
    assert peer.tcb.flight is None
    assert peer.tcb.recovery == 0


def test_a_lost_fin_is_sent_again() -> None:
    peer = Peer(Host()).open()
    peer.host.say(SHUT, peer.id)
    assert peer.sent() == ["FA 1 1"]
    assert peer.after(210 * MS) == ["FA 1 1"]
    peer.send("A", 1, 2)
    assert peer.after(10 * SECOND) == []


def test_a_fin_behind_lost_octets_is_sent_again_with_them() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x" * 10)
    peer.sent()
    peer.host.say(SHUT, peer.id)
    assert peer.sent() == ["FA 11 1"]
    assert peer.after(210 * MS) == ["FPA 1 1 10"]


def test_bare_acks_stand_at_snd_nxt_while_old_octets_are_sent_again() -> None:
    peer = loaded()
    assert peer.after(210 * MS) == [segment(0)]
    peer.send("FA", 1, 1)
    assert peer.sent() == [f"A {1 + 10 * MSS} 2"]


def test_every_timer_of_an_idle_connection_is_off() -> None:
    peer = loaded(3)
    peer.send("A", 1, 1 + 3 * MSS)
    peer.send("PA", 1, 1 + 3 * MSS, b"x")
    peer.after(SECOND)
    assert peer.host.tcp.deadline() == -1
