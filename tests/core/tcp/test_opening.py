"""How connections begin: LISTEN, SYN-SENT, SYN-RECEIVED, options, the backlog. RFC 9293 sections 3.5 and 3.10.7."""

from __future__ import annotations

from errno import ECONNREFUSED, ETIMEDOUT

import pytest

from neatctl.core.channel.records import ACCEPTED, DATA, RESET, TAKEN
from neatctl.core.tcp.opening import HalfOpen
from neatctl.core.tcp.states import CLOSED, ESTABLISHED, SYN_RECEIVED, SYN_SENT
from tests.core.tcp.host import APP, CLIENT, LISTENER, MS, PORT, SERVER, Host, Peer

LINUX_SYN = bytes.fromhex("020405b4 0402080a 00001388 00000000 01030307")
SECOND = 1000 * MS


def opener(host: Host, port: int = 50000) -> Peer:
    """The peer of a connection that the machine under test opens to port 80."""
    peer = Peer(host, port=80, local_port=port)
    peer.id = host.tcp.connect(APP, SERVER, port, CLIENT, 80, host.now)
    [syn] = host.sent()
    assert syn.flags == "S"
    peer.our_isn, peer.last = syn.seq, syn
    return peer


def test_a_passive_open_in_three_steps() -> None:
    host = Host()
    peer = Peer(host)
    peer.send("S", 0, options=LINUX_SYN)
    [answer] = host.sent()
    peer.our_isn = answer.seq
    assert peer.note(answer) == "SA 0 1"
    assert host.told() == []
    peer.send("A", 1, 1)
    assert peer.sent() == []
    [told] = host.told()
    assert (told.kind, told.value, told.second) == (ACCEPTED, LISTENER, host.config.send_buffer_octets)
    assert told.payload == (40000).to_bytes(2, "big") + (80).to_bytes(2, "big") + CLIENT + SERVER
    assert peer.tcb.state == ESTABLISHED


def test_must_14_shld_5_the_syn_ack_offers_what_was_offered() -> None:
    peer = Peer(Host())
    peer.open(LINUX_SYN)
    assert peer.last is not None
    assert peer.last.options == {
        2: (1460).to_bytes(2, "big"),
        4: b"",
        8: peer.last.options[8][:4] + (5000).to_bytes(4, "big"),
        3: b"\x03",
    }


def test_no_option_is_answered_that_was_not_offered() -> None:
    peer = Peer(Host())
    peer.open(options=b"")
    assert peer.last is not None
    assert list(peer.last.options) == [2]
    peer.write(bytes(100))
    assert peer.sent() == ["PA 1 1 100"]
    assert peer.last.options == {}


@pytest.mark.parametrize(
    ("options", "mtu", "mss"),
    [
        (b"", 1500, 536),
        (b"\x02\x04\x05\xb4", 1500, 1460),
        (b"\x02\x04\x23\x00", 1500, 1460),
        (b"\x02\x04\x05\xb4", 576, 536),
        (b"\x02\x04\x00\x01", 1500, 88),
    ],
)
def test_must_15_must_16_the_send_mss_is_the_least_of_both_ends(options: bytes, mtu: int, mss: int) -> None:
    peer = Peer(Host(mtu=mtu, gso_octets=0)).open(options)
    peer.write(bytes(20_000))
    assert {note.split()[-1] for note in peer.sent()[:3]} == {str(mss)}


def test_timestamps_take_their_octets_from_the_segment() -> None:
    peer = Peer(Host(gso_octets=0), timestamps=True).open()
    peer.write(bytes(20_000))
    assert peer.sent()[0] == "A 1 1 1448"


def test_shld_1_must_8_isns_differ_by_connection_and_grow_by_the_clock() -> None:
    host = Host()
    first = Peer(host, port=1001).open().our_isn
    assert abs(Peer(host, port=1002).open().our_isn - first) > 1000
    later = Host()
    later.now += 4000
    assert (Peer(later, port=1001).open().our_isn - first) & 0xFFFFFFFF == 1000


def test_octets_with_the_third_step_are_delivered() -> None:
    peer = Peer(Host()).open(then_ack=False)
    peer.send("PA", 1, 1, b"GET")
    told = peer.host.told()
    assert [(record.kind, record.payload[:3]) for record in told][1:] == [(DATA, b"GET")]
    assert told[0].kind == ACCEPTED


def test_a_lost_syn_ack_is_repeated_five_times_then_forgotten_without_a_word() -> None:
    peer = Peer(Host()).open(then_ack=False)
    assert peer.after(31 * SECOND) == ["SA 0 1"] * 4
    assert peer.after(33 * SECOND) == ["SA 0 1"]
    assert peer.host.tcp.connections == 0
    assert peer.host.told() == []
    assert peer.host.tcp.counters.half_open_timeouts == 1


def test_a_repeated_syn_is_answered_by_the_same_syn_ack() -> None:
    peer = Peer(Host()).open(then_ack=False)
    peer.send("S", 0, options=b"\x02\x04\x05\xb4")
    assert peer.sent() == ["SA 0 1"]
    peer.acknowledge()
    assert peer.tcb.state == ESTABLISHED


def test_an_unacceptable_ack_in_syn_received_is_reset() -> None:
    peer = Peer(Host()).open(then_ack=False)
    peer.send("A", 1, 77)
    assert peer.sent() == ["R 77"]
    assert peer.tcb.state == SYN_RECEIVED
    peer.acknowledge()


def test_must_11_a_reset_in_syn_received_returns_to_listen() -> None:
    host = Host(backlog=1)
    Peer(host).open(then_ack=False).send("R", 1)
    assert (host.sent(), host.told(), host.tcp.connections) == ([], [], 0)
    Peer(host, port=2).open()


def test_another_syn_in_the_window_of_syn_received_returns_to_listen() -> None:
    host = Host(backlog=1)
    peer = Peer(host).open(then_ack=False)
    peer.send("S", 5)
    assert host.tcp.connections == 0
    Peer(host, port=2).open()


def test_the_backlog_counts_handshakes_and_connections_not_taken() -> None:
    host = Host(backlog=3)
    Peer(host, port=1).open(then_ack=False)
    done = [Peer(host, port=port).open(then_ack=False) for port in (2, 3)]
    for peer in done:
        peer.send("A", 1, 1)
    late = Peer(host, port=4)
    late.send("S", 0)
    assert [segment.flags for segment in host.sent()] == ["SA"]
    assert (host.tcp.counters.cookies_sent, host.tcp.connections) == (1, 3)
    host.say(TAKEN, LISTENER, 2)
    host.app.receive()
    Peer(host, port=5).open(then_ack=False)
    Peer(host, port=6).open(then_ack=False)
    late.send("S", 0)
    assert (host.tcp.counters.cookies_sent, host.tcp.connections) == (2, 5)


def test_when_nobody_takes_connections_a_syn_is_dropped() -> None:
    host = Host(backlog=2)
    for port in (1, 2):
        Peer(host, port=port).open(then_ack=False).send("A", 1, 1)
    late = Peer(host, port=4)
    late.send("S", 0)
    assert late.sent() == []
    assert host.tcp.counters.drop_listen_overflow == 1


def test_a_replica_has_no_more_connections_than_it_may() -> None:
    host = Host(max_connections=2)
    for port in (1, 2):
        Peer(host, port=port).open()
    Peer(host, port=3).send("S", 0)
    assert host.sent() == []
    assert host.tcp.counters.drop_connections == 1


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_must_57_must_63_a_syn_from_no_host_is_dropped_in_silence(address: str) -> None:
    host = Host()
    peer = Peer(host, address=bytes(int(part) for part in address.split(".")))
    for flags in ("S", "A", "FA"):
        peer.send(flags, 0)
    assert host.sent() == []
    assert host.tcp.counters.drop_address == 3


def test_a_syn_from_the_endpoint_itself_is_dropped() -> None:
    host = Host()
    Peer(host, address=SERVER, port=80).send("S", 0)
    assert host.sent() == []
    assert host.tcp.counters.drop_address == 1


def test_a_listener_of_an_address_comes_before_one_of_any() -> None:
    host = Host()
    host.tcp.listen(9, APP, "10.77.0.2", 80, 10)
    peer = Peer(host).open(then_ack=False)
    peer.send("A", 1, 1)
    assert [told.value for told in host.told()] == [9]


def test_must_41_a_closed_listener_resets_its_handshakes_and_leaves_connections_alone() -> None:
    host = Host()
    established = Peer(host, port=1).open()
    Peer(host, port=2).open(then_ack=False)
    host.tcp.unlisten(LISTENER, host.now)
    assert [segment.flags for segment in host.sent()] == ["RA"]
    stranger = Peer(host, port=3)
    stranger.send("S", 0)
    assert stranger.sent() == ["RA 0 1"]
    established.send("PA", 1, 1, b"x")
    assert established.read() == b"x"


def test_an_active_open_in_three_steps() -> None:
    host = Host()
    peer = opener(host)
    assert peer.last is not None
    assert set(peer.last.options) == {2, 3, 4, 8}
    peer.send("SA", 0, 1, options=LINUX_SYN)
    assert peer.sent() == ["A 1 1"]
    [told] = host.told()
    assert (told.kind, told.id, told.value) == (ACCEPTED, peer.id, 0)


def test_an_active_open_to_a_plain_peer_uses_no_option() -> None:
    host = Host(gso_octets=0)
    peer = opener(host)
    peer.send("SA", 0, 1)
    assert peer.sent() == ["A 1 1"]
    assert peer.last is not None
    assert (peer.last.options, peer.last.window) == ({}, 65535)
    peer.write(bytes(600))
    assert peer.sent() == ["A 1 1 536", "PA 537 1 64"]


def test_must_10_simultaneous_open() -> None:
    host = Host()
    peer = opener(host)
    peer.send("S", 0)
    assert peer.sent() == ["SA 0 1"]
    assert peer.tcb.state == SYN_RECEIVED
    peer.send("SA", 0, 1)
    assert peer.sent() == ["A 1 1"]
    peer.send("A", 1, 1)
    assert peer.tcb.state == ESTABLISHED
    assert [told.kind for told in host.told()] == [ACCEPTED]


def test_a_wrong_ack_in_syn_sent_is_reset_and_changes_nothing() -> None:
    peer = opener(Host())
    peer.send("SA", 0, 9)
    assert peer.sent() == ["R 9"]
    peer.send("R", 0)
    assert peer.tcb.state == SYN_SENT
    peer.send("SA", 0, 1)
    assert peer.tcb.state == ESTABLISHED


def test_a_refusal_in_syn_sent() -> None:
    host = Host()
    peer = opener(host)
    peer.send("RA", 0, 1)
    assert [(told.kind, told.id, told.value) for told in host.told()] == [(RESET, peer.id, ECONNREFUSED)]
    assert host.tcp.connections == 0


def test_must_23_a_syn_is_tried_for_at_least_three_minutes() -> None:
    host = Host()
    peer = opener(host)
    begin = host.now
    assert peer.after(175 * SECOND) == ["S 0"] * 7
    assert host.told() == []
    peer.after(130 * SECOND)
    assert [(told.kind, told.value) for told in host.told()] == [(RESET, ETIMEDOUT)]
    assert host.now - begin > 180 * SECOND


def test_port_unreachable_refuses_a_syn_and_must_56_net_unreachable_does_not() -> None:
    host = Host()
    peer = opener(host)
    host.tcp.unreachable(peer.key, 0, peer.our_isn, host.now)
    assert host.told() == []
    host.tcp.unreachable(peer.key, 3, peer.our_isn + 1, host.now)
    assert host.told() == []
    host.tcp.unreachable(peer.key, 3, peer.our_isn, host.now)
    assert [(told.kind, told.value) for told in host.told()] == [(RESET, ECONNREFUSED)]


def test_rfc5927_an_icmp_error_ends_no_connection_that_exists() -> None:
    host = Host()
    peer = Peer(host).open()
    peer.write(b"in flight")
    peer.sent()
    for code in range(16):
        host.tcp.unreachable(peer.key, code, peer.our_isn + 1, host.now)
    host.tcp.unreachable(bytes(12), 3, 0, host.now)
    peer.send("PA", 1, 1, b"alive")
    assert peer.read() == b"alive"
    assert host.tcp.counters.unreachables == 16


def test_must_1_numbers_wrap_in_the_middle_of_a_connection() -> None:
    peer = Peer(Host(), isn=0xFFFFFFF0)
    peer.open()
    for i in range(4):
        peer.send("PA", 1 + 10 * i, 1, bytes([i]) * 10)
    assert peer.read() == b"".join(bytes([i]) * 10 for i in range(4))
    assert peer.tcb.state != CLOSED


def test_listeners_that_share_a_port_get_a_share_of_the_peers_each() -> None:
    host = Host(backlog=100)
    host.tcp.listen(LISTENER + 1, APP, "", PORT, 100)

    def accepted_by(port: int) -> int:
        peer = Peer(host, port=port)
        peer.send("S", 0)
        [answer] = host.sent()
        peer.our_isn = answer.seq
        peer.send("A", 1, 1)
        [told] = host.told()
        return told.value

    chosen = [accepted_by(20_000 + number) for number in range(40)]
    assert min(chosen.count(LISTENER), chosen.count(LISTENER + 1)) >= 8
    host.tcp.unlisten(LISTENER, host.now)
    assert {accepted_by(30_000 + number) for number in range(8)} == {LISTENER + 1}


def test_many_handshakes_are_folded_and_become_connections_all_the_same() -> None:
    host = Host(backlog=100)
    host.tcp.tables.whole_handshakes = 4
    peers = [Peer(host, port=20_000 + n, isn=n << 20) for n in range(10)]
    for peer in peers:
        peer.send("S", 0, options=LINUX_SYN)
    for peer, answer in zip(peers, host.sent(), strict=True):
        peer.our_isn, peer.last = answer.seq, answer
    flows = [host.tcp.tables.flows[peer.key] for peer in peers]
    assert sum(isinstance(flow, HalfOpen) for flow in flows) >= 6
    assert (host.tcp.connections, len(host.tcp.flows())) == (10, 10)
    assert [segment.flags for segment in host.pass_time(1_100 * MS)] == ["SA"] * 10
    for peer in peers:
        peer.send("A", 1, 1, options=b"\x01\x01\x08\x0a" + (5001).to_bytes(4, "big") + bytes(4))
    assert [told.kind for told in host.told()] == [ACCEPTED] * 10
    assert {peer.tcb.state for peer in peers} == {ESTABLISHED}
    assert {(peer.tcb.snd_scale, peer.tcb.mss, peer.tcb.ts_recent, peer.tcb.sack_ok) for peer in peers} == {
        (7, 1448, 5001, True)
    }


def test_a_folded_handshake_ends_with_its_listener_and_by_a_reset() -> None:
    host = Host()
    first, second = Peer(host, port=20_000), Peer(host, port=20_001)
    for peer in (first, second):
        peer.send("S", 0, options=LINUX_SYN)
        [answer] = host.sent()
        peer.our_isn = answer.seq
        assert isinstance(host.tcp.tables.flows[peer.key], HalfOpen)
    first.send("R", 1)
    assert host.tcp.connections == 1
    host.tcp.unlisten(LISTENER, host.now)
    assert second.sent() == ["RA 1 1"]
    assert host.tcp.connections == 0
    assert host.tcp.tables.flows == {}


def test_a_folded_handshake_challenges_no_more_often_than_a_whole_one() -> None:
    host = Host()
    peer = Peer(host)
    peer.send("S", 0, options=LINUX_SYN)
    [answer] = host.sent()
    peer.our_isn = answer.seq
    said = []
    for _ in range(5):
        peer.send("A", 2_000_000, 1)
        said += peer.sent()
    assert said == ["A 1 1"]
    assert isinstance(host.tcp.tables.flows[peer.key], HalfOpen)
