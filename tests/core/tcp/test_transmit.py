"""What is sent and when: windows, super-frames, Nagle, silly windows, probes, close with data, full queues."""

from __future__ import annotations

from itertools import pairwise

import pytest

from neatctl.core.channel.records import NODELAY, OPTION, SEND, SHUT, THEN_CLOSE, THEN_SHUT
from neatctl.core.tcp.states import CLOSE_WAIT, FIN_WAIT_1, FIN_WAIT_2
from tests.core.tcp.host import MS, Host, Peer

SECOND = 1000 * MS
MSS = 1460


def test_rfc6928_the_initial_window_is_ten_segments_in_one_super_frame() -> None:
    host = Host()
    peer = Peer(host).open()
    peer.write(bytes(30_000))
    [frame] = host.sent()
    assert (len(frame.data), frame.gso_size) == (10 * MSS, MSS)


def test_without_segmentation_in_the_device_each_segment_is_a_frame() -> None:
    host = Host(gso_octets=0)
    peer = Peer(host).open()
    peer.write(bytes(range(256)) * 20)
    sent = host.sent()
    assert [len(frame.data) for frame in sent] == [1460, 1460, 1460, 740]
    assert {frame.gso_size for frame in sent} == {0}
    assert b"".join(frame.data for frame in sent) == bytes(range(256)) * 20
    assert [frame.flags for frame in sent] == ["A", "A", "A", "PA"]


def test_slow_start_then_everything_arrives_once_and_in_order() -> None:
    host = Host()
    peer = Peer(host, window=60_000).open()
    data = bytes(i * 31 + (i >> 8) & 0xFF for i in range(64_000))
    for i in range(0, 256_000, 64_000):
        peer.write(data)
        assert host.config.send_buffer_octets > i
    got = b""
    rounds = 0
    while len(got) < 256_000:
        for frame in host.sent():
            assert frame.seq - peer.our_isn == 1 + len(got)
            got += frame.data
        peer.send("A", 1, 1 + len(got))
        rounds += 1
    assert got == 4 * data
    assert rounds < 9
    assert host.tcp.counters.retransmits == 0


def test_must_58_small_writes_of_a_burst_leave_as_one_segment() -> None:
    peer = Peer(Host()).open()
    for _ in range(5):
        peer.write(b"0123456789")
    assert peer.sent() == ["PA 1 1 50"]


def test_shld_7_nagle_holds_the_second_small_segment_until_the_first_is_acknowledged() -> None:
    peer = Peer(Host()).open()
    peer.write(b"a" * 10)
    assert peer.sent() == ["PA 1 1 10"]
    peer.write(b"b" * 10)
    assert peer.sent() == []
    peer.write(b"c" * MSS)
    assert peer.sent() == ["A 11 1 1460"]
    peer.send("A", 1, 11)
    assert peer.sent() == ["PA 1471 1 10"]


def test_must_17_nagle_can_be_turned_off() -> None:
    peer = Peer(Host()).open()
    peer.host.say(OPTION, peer.id, NODELAY, 1)
    for i in range(3):
        peer.write(b"a" * 10)
        assert peer.sent() == [f"PA {1 + 10 * i} 1 10"]


def test_the_tail_of_a_long_answer_does_not_wait_for_an_ack() -> None:
    peer = Peer(Host()).open()
    peer.write(bytes(2000))
    assert peer.sent() == ["PA 1 1 2000"]


@pytest.mark.parametrize("flag", [THEN_SHUT, THEN_CLOSE])
def test_the_last_octets_and_fin_share_a_segment(flag: int) -> None:
    peer = Peer(Host()).open()
    peer.send("PA", 1, 1, b"GET")
    peer.write(b"x" * 200, flag)
    assert peer.sent() == ["FPA 1 4 200"]
    assert peer.tcb.state == FIN_WAIT_1


def test_octets_fin_and_an_ack_of_fin_share_a_segment() -> None:
    peer = Peer(Host()).open()
    peer.send("FPA", 1, 1, b"last")
    peer.write(b"answer", THEN_CLOSE)
    assert peer.sent() == ["FPA 1 6 6"]
    peer.send("A", 6, 8)
    assert peer.host.tcp.connections == 0
    assert peer.host.tcp.counters.closed == 1


def test_a_shut_that_follows_waits_for_nothing() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x" * 10)
    peer.sent()
    peer.write(b"y" * 10)
    peer.host.say(SHUT, peer.id)
    assert peer.sent() == ["FPA 11 1 10"]


def test_half_close_still_receives() -> None:
    peer = Peer(Host()).open()
    peer.host.say(SHUT, peer.id)
    assert peer.sent() == ["FA 1 1"]
    peer.send("PA", 1, 2, b"more")
    assert peer.tcb.state == FIN_WAIT_2
    assert peer.read() == b"more"
    assert peer.after(50 * MS) == ["A 2 5"]


def test_a_peer_that_is_half_closed_still_gets_octets() -> None:
    peer = Peer(Host()).open()
    peer.send("FA", 1, 1)
    assert peer.sent() == ["A 1 2"]
    peer.write(b"late")
    assert peer.sent() == ["PA 1 2 4"]
    assert peer.tcb.state == CLOSE_WAIT


def test_nothing_leaves_beyond_the_peers_window() -> None:
    peer = Peer(Host(), window=4000).open()
    peer.write(bytes(10_000))
    assert peer.sent() == ["A 1 1 2920"]
    peer.send("A", 1, 2921, window=4000)
    assert peer.sent() == ["A 2921 1 2920"]


def test_must_38_no_silly_segments_into_a_window_that_opens_by_small_steps() -> None:
    peer = Peer(Host(), window=2920).open()
    peer.write(bytes(10_000))
    assert peer.sent() == ["A 1 1 2920"]
    for octets in (100, 500, 1000):
        peer.send("A", 1, 2921, window=octets)
        assert peer.sent() == []
    peer.send("A", 1, 2921, window=1460)
    assert peer.sent() == ["A 2921 1 1460"]


def test_must_38_half_of_the_largest_window_is_worth_a_segment() -> None:
    peer = Peer(Host(), window=1000).open()
    peer.write(bytes(10_000))
    assert peer.sent() == ["A 1 1 1000"]
    peer.send("A", 1, 1001, window=499)
    assert peer.sent() == []
    peer.send("A", 1, 1001, window=500)
    assert peer.sent() == ["A 1001 1 500"]


def test_must_36_shld_29_shld_30_a_closed_window_is_probed_with_back_off() -> None:
    peer = Peer(Host(), window=0).open()
    peer.write(b"x" * 100)
    assert peer.sent() == []
    begin = peer.host.now
    times = []
    for _ in range(5):
        while not (sent := peer.after(10 * MS)):
            pass
        assert sent == ["A 1 1 1"]
        times.append((peer.host.now - begin) // (10 * MS))
        peer.send("A", 1, 1, window=0)
    gaps = [after - before for before, after in zip([0, *times], times, strict=False)]
    assert 19 <= gaps[0] <= 22
    assert all(1.8 < after / before < 2.2 for before, after in pairwise(gaps))
    peer.send("A", 1, 1, window=500)
    assert peer.sent() == ["PA 1 1 100"]
    assert peer.host.tcp.counters.window_probes == 5
    assert peer.after(210 * MS) == ["PA 1 1 100"]


def test_a_probe_that_is_taken_is_not_sent_again() -> None:
    peer = Peer(Host(), window=0).open()
    peer.write(b"0123456789")
    assert peer.after(250 * MS) == ["A 1 1 1"]
    peer.send("A", 1, 2, window=0)
    assert peer.sent() == []
    peer.send("A", 1, 2, window=5000)
    assert peer.sent() == ["PA 2 1 9"]


def test_must_37_a_window_may_stay_closed_for_ever_if_the_peer_answers() -> None:
    peer = Peer(Host(), window=0).open()
    peer.write(b"x")
    for _ in range(40):
        peer.after(61 * SECOND)
        peer.send("A", 1, 1, window=0)
    assert peer.host.told() == []
    peer.send("A", 1, 1, window=100)
    assert peer.sent() == ["PA 1 1 1"]


def test_must_34_shld_16_shld_17_a_shrunk_window_is_waited_for() -> None:
    peer = Peer(Host(), window=10_000).open()
    peer.write(bytes(5000))
    assert peer.sent() == ["PA 1 1 5000"]
    peer.send("A", 1, 1, window=0)
    for _ in range(30):
        assert set(peer.after(61 * SECOND)) <= {"A 1 1 1"}
        peer.send("A", 1, 1, window=0)
    peer.send("A", 1, 1, window=3000)
    assert peer.sent() == ["A 1 1 1460", "A 1461 1 1460"]


def test_fin_passes_a_closed_window_when_no_octets_wait() -> None:
    peer = Peer(Host(), window=0).open()
    peer.host.say(SHUT, peer.id)
    assert peer.sent() == ["FA 1 1"]


def test_a_scaled_window_counts_in_full() -> None:
    peer = Peer(Host(), window=100).open(b"\x02\x04\x05\xb4\x03\x03\x05\x00")
    peer.write(bytes(10_000))
    assert peer.sent() == ["A 1 1 2920"]
    assert 100 << 5 == 3200


def test_after_idleness_the_window_starts_again_from_the_initial_one() -> None:
    peer = Peer(Host()).open()
    peer.write(bytes(60_000))
    end = 1
    while end < 60_001:
        end += sum(int(note.split()[-1]) for note in peer.sent())
        peer.send("A", 1, end)
    assert peer.tcb.cc.cwnd > 30_000
    peer.after(10 * SECOND)
    peer.write(bytes(60_000))
    assert peer.sent() == [f"A {end} 1 14600"]


def test_a_full_nic_queue_delays_and_loses_nothing() -> None:
    host = Host(nic_octets=1 << 13, gso_octets=0)
    peers = [Peer(host, port=port, window=8000).open() for port in range(1, 6)]
    for peer in peers:
        peer.write(bytes([peer.port]) * 8000)
    got = {peer.key: b"" for peer in peers}
    rounds = 0
    while sum(map(len, got.values())) < 5 * 8000:
        for frame in host.sent():
            got[frame.key] += frame.data
        if rounds < 5:
            assert host.tcp.pending
        rounds += 1
    assert [set(got[peer.key]) for peer in peers] == [{peer.port} for peer in peers]
    assert host.tcp.counters.queue_full > 0
    assert host.tcp.pending == 0


def test_a_full_nic_queue_is_shared_by_turns() -> None:
    host = Host(nic_octets=1 << 13, gso_octets=0)
    peers = [Peer(host, port=port).open() for port in (1, 2)]
    for peer in peers:
        for _ in range(4):
            peer.write(bytes(60_000))
    first = {frame.key for _ in range(4) for frame in host.sent()}
    assert first == {peer.key for peer in peers}


def test_a_reset_waits_for_the_nic_queue_too() -> None:
    host = Host(nic_octets=1024)
    peer = Peer(host).open()
    for i in range(20):
        Peer(host, port=1000 + i).send("A", 1, 1)
    peer.send("PA", 1, 1, b"x")
    host.tcp.detach(1, host.now)
    flags = [segment.flags for _ in range(3) for segment in host.sent() if segment.key == peer.key]
    assert flags == ["RA"]
    assert host.tcp.connections == 0


def test_a_send_without_octets_may_carry_the_end() -> None:
    peer = Peer(Host()).open()
    peer.host.say(SEND, peer.id, flags=THEN_SHUT)
    assert peer.sent() == ["FA 1 1"]
