"""Path MTU (RFC 1191, 5927, 4821), local ports (RFC 6056), TIME-WAIT and connect (RFC 6191), bounded memory."""

from __future__ import annotations

from errno import EADDRINUSE, EADDRNOTAVAIL

import pytest

from neatctl.core.channel.records import DATA, URGENT
from neatctl.core.tcp.path_mtu import AGE_US
from neatctl.core.tcp.ports import FIRST_PORT, LAST_PORT, SHARES
from tests.core.tcp.host import APP, CLIENT, MS, SERVER, Host, Peer, build

SECOND = 1000 * MS


def sending(octets: int = 4000, **changes: object) -> Peer:
    """A peer to which so many octets are in flight, in segments of 1,460."""
    peer = Peer(Host(gso_octets=0, **changes)).open()  # type: ignore[arg-type]
    peer.write(bytes(octets))
    peer.sent()
    return peer


def too_big(peer: Peer, mtu: int, seq: int = 1, quoted_octets: int = 1500) -> None:
    peer.host.tcp.too_big(peer.key, (peer.our_isn + seq) & 0xFFFFFFFF, mtu, quoted_octets, peer.host.now)


def test_rfc1191_what_is_in_flight_goes_again_in_smaller_segments_at_once() -> None:
    peer = sending()
    too_big(peer, 1000)
    assert peer.sent() == ["A 1 1 960", "A 961 1 960", "A 1921 1 960", "A 2881 1 960", "PA 3841 1 160"]
    assert peer.tcb.cc.cwnd == 14600
    assert peer.host.tcp.counters.paths_narrowed == 1


def test_rfc5927_a_number_that_is_not_in_flight_is_not_believed() -> None:
    peer = sending()
    peer.send("A", 1, 1461)
    for seq in (0, 1460, 4001, 100_000, -5):
        too_big(peer, 1000, seq)
    assert (peer.tcb.mss, peer.host.tcp.counters.drop_unreachable) == (1460, 5)


def test_rfc5927_nothing_is_believed_of_a_datagram_that_would_have_fitted() -> None:
    peer = sending()
    too_big(peer, 1000, quoted_octets=1000)
    too_big(peer, 1500)
    too_big(peer, 9000)
    assert (peer.tcb.mss, peer.host.tcp.counters.drop_too_big) == (1460, 3)


@pytest.mark.parametrize(("mtu", "mss"), [(68, 512), (1, 512), (576, 536), (0, 1452)])
def test_no_router_makes_segments_smaller_than_512_and_one_without_a_number_gets_the_next_plateau(
    mtu: int, mss: int
) -> None:
    peer = sending()
    too_big(peer, mtu)
    assert peer.tcb.mss == mss


def test_a_new_connection_to_the_same_host_begins_with_what_is_known() -> None:
    peer = sending()
    too_big(peer, 1000)
    second = Peer(peer.host, port=2).open()
    other = Peer(peer.host, port=2, address=bytes((10, 77, 0, 9)))
    peer.host.output.neighbours.learn(other.address, bytes(6), peer.host.now)
    other.open()
    assert (second.tcb.mss, other.tcb.mss) == (960, 1460)


def test_after_ten_minutes_full_segments_are_tried_again() -> None:
    peer = sending()
    too_big(peer, 1000)
    peer.sent()
    peer.send("A", 1, 4001)
    second = Peer(peer.host, port=2).open()
    peer.host.pass_time(AGE_US + SECOND)
    assert (peer.tcb.mss, second.tcb.mss, Peer(peer.host, port=3).open().tcb.mss) == (1460, 1460, 1460)


def test_rfc4821_a_black_hole_is_left_by_smaller_segments() -> None:
    peer = sending()
    notes = peer.after(2 * SECOND)
    assert "A 1 1 1024" in notes
    assert peer.host.tcp.counters.black_holes >= 1
    peer.send("A", 1, 1025)
    assert peer.sent()[0] == "A 1025 1 1024"


def test_a_small_segment_that_vanishes_is_no_black_hole() -> None:
    peer = sending(100)
    assert set(peer.after(60 * SECOND)) == {"PA 1 1 100"}
    assert (peer.host.tcp.counters.black_holes, peer.tcb.mss) == (0, 1460)


def test_rfc6056_ports_are_of_the_replica_and_differ() -> None:
    hosts = [Host(index=1), Host(index=2)]
    ports = []
    for host in hosts:
        for _ in range(20):
            host.tcp.connect(APP, SERVER, 0, CLIENT, 80, host.now)
        ports.append({segment.key[10] << 8 | segment.key[11] for segment in host.sent()})
    assert [len(found) for found in ports] == [20, 20]
    assert not ports[0] & ports[1]
    assert all(FIRST_PORT <= port <= LAST_PORT for found in ports for port in found)


def test_rfc6056_the_first_port_depends_on_the_secret_and_the_remote_end() -> None:
    def first(**changes: object) -> int:
        remote_port = changes.pop("remote_port", 80)
        host = Host(**changes)  # type: ignore[arg-type]
        host.tcp.connect(APP, SERVER, 0, CLIENT, remote_port, host.now)  # type: ignore[arg-type]
        [syn] = host.sent()
        return syn.key[10] << 8 | syn.key[11]

    assert len({first(), first(isn_key=bytes(16)), first(remote_port=81)}) == 3


def test_rfc6056_when_all_ports_to_one_end_are_in_use_the_caller_is_told() -> None:
    host = Host()
    for _ in range((LAST_PORT + 1 - FIRST_PORT) // SHARES):
        host.tcp.connect(APP, SERVER, 0, CLIENT, 80, host.now)
    with pytest.raises(OSError, match="in use") as caught:
        host.tcp.connect(APP, SERVER, 0, CLIENT, 80, host.now)
    assert caught.value.errno == EADDRNOTAVAIL
    host.tcp.connect(APP, SERVER, 0, CLIENT, 81, host.now)
    host.tcp.connect(APP, SERVER, 50, CLIENT, 80, host.now)
    with pytest.raises(OSError, match="exists already") as caught:
        host.tcp.connect(APP, SERVER, 50, CLIENT, 80, host.now)
    assert caught.value.errno == EADDRINUSE


def waiting(host: Host, timestamps: bool) -> Peer:
    """A peer whose connection is in TIME-WAIT."""
    peer = Peer(host, timestamps=timestamps).open()
    peer.close()
    peer.sent()
    peer.send("FA", 1, 2)
    peer.sent()
    return peer


def test_rfc6191_a_syn_with_timestamps_reopens_what_had_none_whatever_its_number() -> None:
    peer = waiting(Host(), timestamps=False)
    peer.isn -= 500
    peer.timestamps = True
    peer.open()
    assert peer.host.tcp.counters.time_waits_reused == 1


def test_rfc6191_without_newer_timestamp_or_number_time_wait_stays() -> None:
    peer = waiting(Host(), timestamps=True)
    peer.isn -= 500
    peer.ts_val -= 1
    peer.send("S", 0)
    assert [note.split()[0] for note in peer.sent()] == ["A"]
    assert peer.host.tcp.counters.time_waits_reused == 0


def test_an_active_open_out_of_time_wait_begins_above_the_old_numbers() -> None:
    host = Host()
    peer = waiting(host, timestamps=False)
    rest = peer.tcb
    host.tcp.connect(APP, SERVER, 80, CLIENT, peer.port, host.now)
    [syn] = host.sent()
    assert 0 < (syn.seq - rest.snd_nxt) & 0xFFFFFFFF < 1 << 31


def test_out_of_order_octets_of_a_replica_are_bounded_and_given_back() -> None:
    host = Host()
    peers = [Peer(host, port=port).open() for port in (1, 2)]
    peers[0].send("A", 11, 1, bytes(1000))
    peers[0].send("A", 2011, 1, bytes(1000))
    assert host.tcp.tables.kept == 2 * (1000 + 128)
    peers[0].send("A", 1, 1, bytes(10))
    assert host.tcp.tables.kept == 1000 + 128
    peers[1].send("FA", 11, 1, bytes(1000))
    peers[1].send("R", 1)
    assert host.tcp.tables.kept == 1000 + 128
    peers[0].send("A", 1011, 1, bytes(1000))
    assert host.tcp.tables.kept == 0
    host.tcp.tables.kept = 64 << 20
    peers[0].send("A", 4011, 1, bytes(1000))
    assert host.tcp.counters.drop_out_of_order == 1


def test_must_31_must_32_must_62_urgent_octets_are_told_of_and_stay_in_line() -> None:
    host = Host()
    peer = Peer(host).open()
    for seq, data, pointer in ((1, b"abc", 5), (4, b"def", 2), (7, b"ghi", 0)):
        urgent(peer, seq, data, pointer)
    told = [(told.kind, told.value or told.payload) for told in host.told()]
    assert told == [(URGENT, 5), (DATA, b"abc"), (DATA, b"def"), (DATA, b"ghi")]
    assert host.tcp.counters.urgent_in == 1


def test_an_urgent_pointer_may_run_ahead_of_its_octets() -> None:
    host = Host()
    peer = Peer(host).open()
    urgent(peer, 1, b"", 40)
    urgent(peer, 1, b"", 40)
    urgent(peer, 1, b"abc", 50)
    assert [(told.kind, told.value) for told in host.told()] == [(URGENT, 40), (URGENT, 50), (DATA, 0)]


def urgent(peer: Peer, seq: int, data: bytes, pointer: int) -> None:
    octets = bytearray(build(peer.key, "UA", peer.isn + seq, peer.our_isn + 1, 65535, data, b""))
    octets[18:20] = pointer.to_bytes(2, "big")
    octets[16:18] = ((int.from_bytes(octets[16:18], "big") - pointer - 1) % 0xFFFF + 1).to_bytes(2, "big")
    peer.host.arrive(peer.key, bytes(octets))
