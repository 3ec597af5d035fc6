"""How connections end: the ways through the closing states, TIME-WAIT, resets of either side. RFC 9293 section 3.6."""

from __future__ import annotations

import pytest

from neatctl.core.channel.records import ABORT, ACCEPTED, CLOSE, DATA, END, SHUT, THEN_CLOSE
from neatctl.core.tcp.states import CLOSE_WAIT, CLOSING, FIN_WAIT_2, LAST_ACK, TIME_WAIT
from tests.core.tcp.host import APP, LISTENER, MS, Host, Peer

SECOND = 1000 * MS
SYN_OPTIONS = b"\x02\x04\x05\xb4"


def waiting(host: Host | None = None, port: int = 40000, timestamps: bool = False) -> Peer:
    """A connection in TIME-WAIT: closed here first."""
    peer = Peer(host or Host(), port=port, timestamps=timestamps).open()
    peer.close()
    assert peer.sent() == ["FA 1 1"]
    peer.send("FA", 1, 2)
    assert peer.sent() == ["A 2 2"]
    assert peer.tcb.state == TIME_WAIT
    return peer


def test_closed_here_first_then_there() -> None:
    peer = Peer(Host()).open()
    peer.host.say(SHUT, peer.id)
    assert peer.sent() == ["FA 1 1"]
    peer.send("A", 1, 2)
    assert peer.tcb.state == FIN_WAIT_2
    peer.send("FA", 1, 2)
    assert peer.sent() == ["A 2 2"]
    assert [told.kind for told in peer.host.told()] == [END]
    assert peer.tcb.state == TIME_WAIT
    assert peer.host.tcp.connections == 0


def test_closed_there_first_then_here() -> None:
    peer = Peer(Host()).open()
    peer.send("FA", 1, 1)
    assert peer.sent() == ["A 1 2"]
    assert peer.tcb.state == CLOSE_WAIT
    peer.close()
    assert peer.sent() == ["FA 1 2"]
    assert peer.tcb.state == LAST_ACK
    peer.send("A", 2, 2)
    assert peer.key not in peer.host.tcp.tables.flows


def test_closed_on_both_sides_at_once() -> None:
    peer = Peer(Host()).open()
    peer.close()
    assert peer.sent() == ["FA 1 1"]
    peer.send("FA", 1, 1)
    assert peer.sent() == ["A 2 2"]
    assert peer.tcb.state == CLOSING
    peer.send("A", 2, 2)
    assert peer.tcb.state == TIME_WAIT


def test_must_13_time_wait_lasts_two_msl_and_is_no_connection() -> None:
    peer = waiting()
    assert (peer.host.tcp.connections, peer.host.tcp.flows()) == (0, [])
    peer.host.pass_time(59 * SECOND)
    assert peer.key in peer.host.tcp.tables.flows
    peer.host.pass_time(2 * SECOND)
    assert peer.key not in peer.host.tcp.tables.flows
    assert peer.host.tcp.deadline() == -1


def test_a_repeated_fin_is_acknowledged_and_begins_time_wait_anew() -> None:
    peer = waiting()
    peer.host.pass_time(50 * SECOND)
    peer.send("FA", 1, 2)
    assert peer.sent() == ["A 2 2"]
    peer.host.pass_time(50 * SECOND)
    assert peer.key in peer.host.tcp.tables.flows
    peer.host.pass_time(61 * SECOND)
    assert peer.key not in peer.host.tcp.tables.flows


def test_time_wait_answers_old_octets_but_no_bare_ack() -> None:
    peer = waiting()
    peer.host.pass_time(SECOND)
    peer.send("A", 2, 2)
    assert peer.sent() == []
    peer.send("PA", 1, 2, b"old")
    assert peer.sent() == ["A 2 2"]


def test_only_a_reset_in_order_ends_time_wait() -> None:
    peer = waiting()
    peer.send("R", 77)
    assert peer.key in peer.host.tcp.tables.flows
    peer.send("R", 2)
    assert peer.sent() == []
    assert peer.key not in peer.host.tcp.tables.flows


def test_may_2_a_higher_syn_takes_the_place_of_time_wait_with_a_higher_isn() -> None:
    peer = waiting()
    old = peer.our_isn
    peer.isn += 1000
    peer.open(SYN_OPTIONS)
    assert 2 < (peer.our_isn - old) & 0xFFFFFFFF < 1 << 31
    peer.send("PA", 1, 1, b"again")
    assert peer.read() == b"again"
    peer.host.pass_time(70 * SECOND)
    assert peer.host.tcp.connections == 1


def test_a_lower_syn_does_not() -> None:
    peer = waiting()
    peer.host.pass_time(SECOND)
    peer.isn -= 5
    peer.send("S", 0)
    [answer] = peer.host.sent()
    assert answer.flags == "A"
    assert peer.tcb.state == TIME_WAIT


def test_rfc6191_timestamps_decide_where_there_are_any() -> None:
    peer = waiting(timestamps=True)
    peer.isn -= 100_000
    peer.ts_val += 1
    peer.open(SYN_OPTIONS)
    assert peer.host.tcp.counters.time_waits_reused == 1
    old = waiting(Host(), timestamps=True)
    old.ts_val -= 1
    old.isn += 100_000
    old.send("S", 0)
    assert [segment.flags for segment in old.host.sent()] == ["A"]


def test_the_number_of_time_waits_is_bounded() -> None:
    host = Host()
    host.tcp.tables.waits.limit = 20
    for port in range(1, 31):
        waiting(host, port)
    assert len(host.tcp.tables.flows) == 20
    assert host.tcp.counters.time_waits_early == 10
    host.pass_time(61 * SECOND)
    assert host.tcp.tables.flows == {}


def test_an_abort_resets_the_peer_and_tells_nobody() -> None:
    peer = Peer(Host()).open()
    peer.write(b"x" * 10)
    peer.sent()
    peer.host.say(ABORT, peer.id)
    assert peer.sent() == ["RA 11 1"]
    assert peer.host.told() == []
    assert (peer.host.tcp.connections, peer.host.tcp.deadline()) == (0, -1)


def test_shld_3_octets_after_close_are_answered_by_reset() -> None:
    peer = Peer(Host()).open()
    peer.write(b"bye", THEN_CLOSE)
    assert peer.sent() == ["FPA 1 1 3"]
    peer.send("PA", 1, 1, b"too late")
    assert peer.sent() == ["RA 5 1"]
    assert peer.host.told() == []


def test_shld_3_a_close_with_octets_not_handed_over_is_a_reset() -> None:
    host = Host(app_octets=1024)
    peer = Peer(host).open()
    for i in range(4):
        peer.send("PA", 1 + 400 * i, 1, bytes(400))
    peer.close()
    assert peer.sent() == ["RA 1 1601"]


def test_fin_wait_2_of_a_closed_socket_ends_by_itself() -> None:
    peer = Peer(Host()).open()
    peer.close()
    peer.sent()
    peer.send("A", 1, 2)
    peer.host.pass_time(59 * SECOND)
    assert peer.host.tcp.connections == 1
    peer.host.pass_time(2 * SECOND)
    assert peer.host.tcp.connections == 0


def test_fin_wait_2_of_a_socket_that_only_shut_lasts_until_it_is_closed() -> None:
    peer = Peer(Host()).open()
    peer.host.say(SHUT, peer.id)
    peer.sent()
    peer.send("A", 1, 2)
    peer.host.pass_time(600 * SECOND)
    peer.send("PA", 1, 2, b"still")
    assert peer.read() == b"still"
    peer.host.say(CLOSE, peer.id)
    peer.host.pass_time(61 * SECOND)
    assert peer.host.tcp.connections == 0


def test_must_12_an_application_that_is_gone_resets_its_connections_and_drops_its_listeners() -> None:
    host = Host()
    done = [Peer(host, port=port).open() for port in (1, 2)]
    half = Peer(host, port=3).open(then_ack=False)
    waiting(host, port=4)
    host.tcp.detach(APP, host.now)
    sent = host.sent()
    assert sorted(segment.key for segment in sent) == sorted(peer.key for peer in [*done, half])
    assert {segment.flags for segment in sent} == {"RA"}
    assert host.tcp.connections == 0
    stranger = Peer(host, port=5)
    stranger.send("S", 0)
    assert stranger.sent() == ["RA 0 1"]
    host.tcp.attach(APP, host.app_producer)
    host.tcp.listen(LISTENER, APP, "", 80, 5)
    again = Peer(host, port=6).open()
    again.write(b"served")
    assert again.sent() == ["PA 1 1 6"]


@pytest.mark.parametrize("flags", ["S", "A", "FA", "PA", "SA", "F", ""])
def test_a_segment_for_no_connection_is_reset_as_the_rfc_says(flags: str) -> None:
    peer = Peer(Host(), local_port=81, our_isn=5000)
    peer.send(flags, 10, 20, b"abc" if "S" not in flags else b"")
    length = (0 if "S" in flags else 3) + ("S" in flags) + ("F" in flags)
    assert peer.sent() == ["R 20" if "A" in flags else f"RA {2**32 - 5000} {10 + length}"]


def test_a_reset_for_no_connection_is_not_answered() -> None:
    peer = Peer(Host(), local_port=81)
    for flags in ("R", "RA"):
        peer.send(flags, 1)
    assert peer.sent() == []
    assert peer.host.tcp.counters.drop_reset == 2


def test_an_ack_at_a_listener_is_reset() -> None:
    peer = Peer(Host())
    peer.send("A", 1, 20)
    assert peer.sent() == ["R 20"]


def test_records_are_told_in_order_even_when_the_peer_ends_at_once() -> None:
    peer = Peer(Host()).open(then_ack=False)
    peer.send("FPA", 1, 1, b"all in one")
    assert [told.kind for told in peer.host.told()] == [ACCEPTED, DATA, END]
