"""Explicit congestion notification: who agrees on it, what is marked, echoed and answered. RFC 3168."""

from __future__ import annotations

import pytest

from neatctl.core.channel.records import ACCEPTED
from neatctl.core.tcp.layer import TcpLayer
from tests.core.tcp.host import APP, CLIENT, MS, PORT, SERVER, Host, Peer

MSS = 1000
MSS_OPTION = b"\x02\x04\x03\xe8"
ECT, CE = 2, 3


def agreed(segments: int = 0) -> Peer:
    """A connection that a peer with ECN opened, with so many segments written."""
    peer = Peer(Host(gso_octets=0))
    peer.send("SEW", 0, options=MSS_OPTION)
    [answer] = peer.host.sent()
    assert (answer.flags, answer.ecn) == ("SAE", 0)
    peer.our_isn = answer.seq
    peer.acknowledge()
    if segments:
        peer.write(bytes(segments * MSS))
    return peer


@pytest.mark.parametrize("flags", ["S", "SE", "SW"])
def test_who_does_not_ask_for_it_does_not_get_it(flags: str) -> None:
    peer = Peer(Host())
    peer.send(flags, 0, options=MSS_OPTION)
    [answer] = peer.host.sent()
    assert answer.flags == "SA"
    peer.our_isn = answer.seq
    peer.acknowledge()
    peer.write(b"x")
    assert [segment.ecn for segment in peer.host.sent()] == [0]
    peer.send("PA", 1, 2, b"y", ecn=CE)
    assert peer.after(50 * MS) == ["A 2 2"]


def test_new_octets_may_be_marked_and_nothing_else() -> None:
    peer = agreed(2)
    assert [(segment.flags, segment.ecn) for segment in peer.host.sent()] == [("A", ECT), ("PA", ECT)]
    again = peer.host.pass_time(250 * MS)
    assert [(segment.flags, segment.ecn) for segment in again] == [("A", 0)]
    peer.send("PA", 1, 1, b"y")
    assert [segment.ecn for segment in peer.host.pass_time(50 * MS)] == [0]


def test_a_mark_is_echoed_until_the_peer_has_reduced_its_rate() -> None:
    peer = agreed()
    peer.send("PA", 1, 1, b"a", ecn=CE)
    assert peer.after(50 * MS) == ["AE 1 2"]
    peer.send("PA", 2, 1, b"b", ecn=ECT)
    assert peer.after(50 * MS) == ["AE 1 3"]
    peer.send("PAW", 3, 1, b"c", ecn=ECT)
    assert peer.after(50 * MS) == ["A 1 4"]
    peer.send("PAW", 4, 1, b"d", ecn=CE)
    assert peer.after(50 * MS) == ["AE 1 5"]
    assert peer.host.tcp.counters.ecn_marks_in == 2


def test_an_echo_counts_as_a_loss_once_per_window_and_is_answered() -> None:
    peer = agreed(40)
    assert len(peer.sent()) == 10
    peer.send("AE", 1, 1 + MSS)
    peer.send("AE", 1, 1 + 2 * MSS)
    assert 7 * MSS <= peer.tcb.cc.cwnd < 8 * MSS
    assert peer.host.tcp.counters.ecn_reductions == 1
    peer.send("AE", 1, 1 + 8 * MSS)
    sent = peer.sent()
    assert sent[0].startswith("AW ")
    assert all(note.startswith("A ") for note in sent[1:])
    peer.send("AE", 1, 1 + 10 * MSS)
    assert peer.host.tcp.counters.ecn_reductions == 1
    peer.send("AE", 1, 1 + 11 * MSS)
    assert peer.host.tcp.counters.ecn_reductions == 2
    assert peer.host.tcp.counters.retransmits == 0


def test_after_a_loss_the_next_new_octets_say_that_the_rate_was_reduced() -> None:
    peer = agreed(20)
    peer.sent()
    for _ in range(3):
        peer.send("A", 1, 1)
    peer.send("A", 1, 1 + 10 * MSS)
    sent = peer.host.sent()
    assert [(segment.flags, segment.ecn) for segment in sent[:2]] == [("AW", ECT), ("A", ECT)]


@pytest.mark.parametrize(("answer", "ecn"), [("SAE", ECT), ("SA", 0), ("SAEW", 0)])
def test_shld_8_an_active_open_asks_and_takes_the_answer(answer: str, ecn: int) -> None:
    host = Host(ecn=True)
    tcp: TcpLayer = host.tcp
    tcp.connect(APP, SERVER, PORT, CLIENT, 40000, host.now)
    [syn] = host.sent()
    assert (syn.flags, syn.ecn) == ("SEW", 0)
    peer = Peer(host, our_isn=syn.seq)
    peer.send(answer, 0, 1, options=MSS_OPTION)
    [accepted] = host.told()
    assert accepted.kind == ACCEPTED
    peer.id = accepted.id
    host.sent()
    peer.write(b"x")
    assert [segment.ecn for segment in host.sent()] == [ecn]


def test_a_syn_that_was_not_answered_goes_again_without_asking() -> None:
    host = Host(ecn=True)
    host.tcp.connect(APP, SERVER, PORT, CLIENT, 40000, host.now)
    assert [segment.flags for segment in host.pass_time(1100 * MS)] == ["SEW", "S"]
