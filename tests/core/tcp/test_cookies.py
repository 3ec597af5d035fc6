"""SYN cookies (RFC 4987 section 3.6): when a backlog is full, and whoever answers the ACK."""

from __future__ import annotations

import pytest

from neatctl.core.channel.records import ACCEPTED, DATA, TAKEN
from neatctl.core.channel.socket_options import MAXSEG, RECEIVE_OCTETS
from neatctl.core.tcp.cookies import PERIOD_US
from neatctl.core.tcp.states import ESTABLISHED, SYN_RECEIVED
from tests.core.tcp.host import APP, LISTENER, MAC, MS, PORT, Host, Peer

LINUX_SYN = bytes.fromhex("020405b4 0402080a 00001388 00000000 01030307")


def full_host(**changes: object) -> Host:
    """A host whose backlog of one is taken by a handshake that never ends."""
    host = Host(backlog=1, **changes)  # type: ignore[arg-type]
    Peer(host, port=1).open(then_ack=False)
    return host


def test_a_full_backlog_answers_with_a_cookie_and_remembers_nothing() -> None:
    host = full_host()
    peer = Peer(host, port=2).open(LINUX_SYN, then_ack=False)
    assert peer.last is not None
    assert peer.last.options == {
        2: (1460).to_bytes(2, "big"),
        4: b"",
        8: peer.last.options[8][:4] + (5000).to_bytes(4, "big"),
        3: b"\x03",
    }
    assert (host.tcp.connections, host.tcp.counters.cookies_sent) == (1, 1)
    assert peer.after(3_600_000 * MS) == []


def test_the_ack_of_a_cookie_makes_the_connection_with_the_options_of_its_syn() -> None:
    host = full_host()
    peer = Peer(host, port=2, timestamps=True).open(b"\x02\x04\x05\xb4\x03\x03\x07", then_ack=False)
    peer.acknowledge()
    tcb = peer.tcb
    assert tcb.state == ESTABLISHED
    assert (tcb.mss, tcb.snd_scale, tcb.rcv_scale, tcb.sack_ok, tcb.ts_ok) == (1448, 7, 3, True, True)
    assert host.tcp.counters.cookies_taken == 1
    peer.write(b"answer")
    assert peer.sent() == ["PA 1 1 6"]
    assert peer.last is not None
    assert peer.last.options[8][4:] == (5000).to_bytes(4, "big")


def test_octets_in_the_ack_of_a_cookie_are_taken() -> None:
    host = full_host()
    peer = Peer(host, port=2).open(then_ack=False)
    peer.send("PA", 1, 1, b"request")
    told = host.told()
    assert [(record.kind, record.payload) for record in told][1:] == [(DATA, b"request")]
    assert told[0].kind == ACCEPTED


@pytest.mark.parametrize(
    ("options", "mss", "scale", "sack"),
    [
        (b"", 536, -1, False),
        (b"\x02\x04\x05\xb4", 1460, -1, False),
        (b"\x02\x04\x05\x00", 1200, -1, False),
        (b"\x02\x04\x00\x20", 216, -1, False),
        (b"\x03\x03\x00", 536, 0, False),
        (b"\x03\x03\x0e\x04\x02", 536, 8, True),
        (b"\x02\x04\x05\xa8\x03\x03\x05", 1440, 4, False),
    ],
)
def test_a_cookie_never_holds_more_than_was_offered(options: bytes, mss: int, scale: int, sack: bool) -> None:
    host = full_host()
    peer = Peer(host, port=2).open(options, then_ack=False)
    peer.acknowledge()
    tcb = peer.tcb
    assert (tcb.mss, tcb.snd_scale, tcb.scale_ok, tcb.sack_ok) == (mss, max(scale, 0), scale >= 0, sack)


def test_a_cookie_lives_for_its_period_and_the_next() -> None:
    for periods, alive in ((0, True), (1, True), (2, False), (3, False)):
        host = full_host()
        host.now += PERIOD_US - host.now % PERIOD_US
        peer = Peer(host, port=2).open(then_ack=False)
        host.now += periods * PERIOD_US
        Peer(host, port=3).open(then_ack=False)  # The flood goes on, so cookies are believed.
        peer.send("A", 1, 1)
        assert ([record.kind for record in host.told()] == [ACCEPTED]) == alive


def test_a_cookie_is_bound_to_its_connection_and_isn() -> None:
    host = full_host()
    peer = Peer(host, port=2).open(then_ack=False)
    host.output.neighbours.learn(bytes((10, 77, 0, 9)), MAC, host.now)
    for change in (
        {"port": 3},
        {"address": bytes((10, 77, 0, 9))},
        {"isn": peer.isn + 1},
        {"our_isn": peer.our_isn + 1},
    ):
        other = Peer(**({"host": host, "port": 2, "our_isn": peer.our_isn} | change))  # type: ignore[arg-type]
        other.send("A", 1, 1)
        assert "R" in {segment.flags for segment in host.sent()}
    assert host.told() == []
    assert host.tcp.counters.cookies_refused == 4
    peer.acknowledge()
    assert (host.tcp.counters.cookies_refused, host.tcp.counters.cookies_taken) == (4, 1)


def test_no_cookie_is_believed_when_none_was_sent_for_a_minute() -> None:
    host = full_host()
    peer = Peer(host, port=2).open(then_ack=False)
    host.now += 2 * PERIOD_US
    peer.send("A", 1, 1)
    assert peer.sent() == ["R 1"]
    assert host.told() == []
    assert host.tcp.counters.cookies_refused == 0


def test_a_replica_born_after_the_syn_takes_the_cookie_of_another() -> None:
    peer = Peer(full_host(), port=2).open(LINUX_SYN, then_ack=False)
    born = Host(generation=7)
    born.now = peer.host.now + 3_000 * MS
    peer.host = born
    peer.send("PA", 1, 1, b"request")
    assert [record.kind for record in born.told()] == [ACCEPTED, DATA]
    assert peer.tcb.mss == 1460


def test_another_boot_does_not_take_it() -> None:
    peer = Peer(full_host(), port=2).open(then_ack=False)
    peer.host = Host(isn_key=bytes(16))
    peer.send("A", 1, 1)
    assert peer.sent() == ["R 1"]


def test_connections_that_nobody_takes_are_bounded_with_cookies_too() -> None:
    host = full_host()
    peers = [Peer(host, port=port).open(then_ack=False) for port in (2, 3)]
    for peer in peers:
        peer.send("A", 1, 1)
    assert [record.kind for record in host.told()] == [ACCEPTED]
    assert (peers[1].sent(), host.tcp.counters.drop_listen_overflow) == ([], 1)
    Peer(host, port=4).send("S", 0)
    assert host.sent() == []
    host.say(TAKEN, LISTENER, 1)
    peers[1].send("PA", 1, 1, b"again")
    assert [record.kind for record in host.told()] == [ACCEPTED, DATA]


def test_a_cookie_is_made_with_the_options_of_the_listener() -> None:
    host = full_host()
    host.tcp.listen(LISTENER, APP, "", PORT, 1, {MAXSEG: 1000, RECEIVE_OCTETS: 1 << 20})
    peer = Peer(host, port=2).open(b"\x02\x04\x05\xb4\x03\x03\x07", then_ack=False)
    assert peer.last is not None
    assert peer.last.options == {2: (1000).to_bytes(2, "big"), 3: b"\x05"}
    peer.acknowledge()
    assert (peer.tcb.mss, peer.tcb.rcv_scale) == (1000, 5)


def test_a_flood_costs_no_memory_and_a_real_handshake_gets_through() -> None:
    host = full_host()
    for port in range(1000, 1400):
        Peer(host, port=port).send("S", 0, options=LINUX_SYN)
    assert host.tcp.connections == 1
    assert {segment.flags for segment in host.sent()} == {"SA"}
    Peer(host, port=2).open().write(b"x")
    assert host.tcp.tables.flows[Peer(host, port=1).key].state == SYN_RECEIVED
