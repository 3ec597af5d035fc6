"""What IP tells TCP, and TCP IP: ICMP errors that end nothing, a next hop that is doubted. RFC 9293 section 3.9.2."""

from __future__ import annotations

from errno import EHOSTUNREACH, ENETUNREACH

import pytest

from neatctl.core.channel.records import SEND
from neatctl.core.native import Memory
from neatctl.core.tcp.tcb import OPEN, Tcb
from tests.core.ip.frames import BROADCAST_MAC, LOCAL, OUR_MAC, PEER, Queue, arp, ethernet, icmp, ipv4, parse_arp
from tests.core.ip.frames import PEER_MAC as MAC
from tests.core.ip.test_input import Replica
from tests.core.tcp.host import build
from tests.core.tcp.host import record as socket_record

TCP, ARP = 6, 0x0806
KEY = PEER + LOCAL + (40000).to_bytes(2, "big") + (80).to_bytes(2, "big")
OCTETS = b"in flight"


class Conversation(Replica):
    """A connection with octets in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.application = Queue()
        self.stack.tcp.attach(1, self.application.producer)
        self.stack.tcp.listen(1, 1, "", 80, 8)
        self.hear(ethernet(arp(1, MAC, PEER, LOCAL), ARP, BROADCAST_MAC))
        (answer,) = self.say("S", 0, 0)
        self.isn = int.from_bytes(answer[38:42], "big")
        assert self.say("A", 1, 1) == []
        flow = self.stack.tcp.tables.flows[KEY]
        assert isinstance(flow, Tcb)
        self.tcb = flow
        octets = socket_record(SEND, self.tcb.id, payload=OCTETS)
        self.stack.tcp.command(1, Memory(octets), 0, len(octets), self.now)
        self.stack.transmit(self.now)
        (self.segment,) = (frame[14:] for frame in self.queue.frames())
        self.application.take()

    def say(self, flags: str, seq: int, ack: int, data: bytes = b"") -> list[bytes]:
        """A segment of the peer; what goes out for it. Numbers count from the two ISNs."""
        ours = (self.isn + ack) & 0xFFFFFFFF if ack else 0
        return self.hear(ethernet(ipv4(build(KEY, flags, 1000 + seq, ours, 65535, data, b""), TCP)))

    def time_out(self) -> list[bytes]:
        """The next retransmission; what goes out with it."""
        self.now = self.stack.tcp.deadline()
        self.stack.tcp.expire(self.now)
        self.stack.transmit(self.now)
        return self.queue.frames()


def parted(frames: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Segments, and ARP packets."""
    asking = [frame for frame in frames if frame[12:14] == ARP.to_bytes(2, "big")]
    return [frame for frame in frames if frame not in asking], asking


def check_that_nothing_changes(kind: int, code: int, pending: int) -> None:
    peer = Conversation()
    tcb = peer.tcb
    before = (tcb.cc.cwnd, tcb.cc.ssthresh, tcb.recovery, tcb.mss, tcb.rtx_us, tcb.snd_nxt - tcb.snd_una)
    assert before[2:] == (OPEN, tcb.mss, tcb.rtx_us, len(OCTETS))
    assert peer.hear(ethernet(ipv4(icmp(kind, code, bytes(4) + peer.segment[:28]), 1))) == []
    assert (tcb.cc.cwnd, tcb.cc.ssthresh, tcb.recovery, tcb.mss, tcb.rtx_us, tcb.snd_nxt - tcb.snd_una) == before
    assert (tcb.soft_error, tcb.error) == (pending, 0)
    assert peer.application.take() == [], "the application is told nothing"
    peer.say("PA", 1, 1 + len(OCTETS), b"goes on")
    assert [told[16:] for told in peer.application.take()] == [b"goes on"]
    assert tcb.snd_una == tcb.snd_nxt


def test_must_55_source_quench_changes_nothing() -> None:
    check_that_nothing_changes(4, 0, 0)


@pytest.mark.parametrize("code", [0, 1, 5])
def test_must_56_unreachable_ends_no_connection(code: int) -> None:
    check_that_nothing_changes(3, code, EHOSTUNREACH if code else ENETUNREACH)


@pytest.mark.parametrize("code", [0, 1])
def test_must_56_time_exceeded_ends_no_connection(code: int) -> None:
    check_that_nothing_changes(11, code, ENETUNREACH)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_must_56_parameter_problem_ends_no_connection(code: int) -> None:
    check_that_nothing_changes(12, code, ENETUNREACH)


def test_must_20_after_r1_retransmissions_ip_asks_for_the_next_hop() -> None:
    peer = Conversation()
    again = peer.time_out()
    assert [frame[-len(OCTETS) :] for frame in again] == [OCTETS], "the first time nothing else is done"
    again, (asked,) = parted(peer.time_out())
    assert [frame[-len(OCTETS) :] for frame in again] == [OCTETS]
    assert asked[:14] == BROADCAST_MAC + OUR_MAC + ARP.to_bytes(2, "big")
    assert parse_arp(asked).target == PEER
