"""Clients that break the protocol, die in the middle or ask for too much; frames of both kinds of link."""

from __future__ import annotations

import errno
import random
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.testbed.bridge import client_session, one_thread
from neatctl.testbed.bridge.hello import BadHello, options_of, text_of
from neatctl.testbed.bridge.one_thread import BridgeOptions
from neatctl.testbed.bridge.raw_link import PEER_MAC, STACK_MAC, RawLink
from neatctl.testbed.bridge.requests import MAX_MESSAGE, BadStream, Framer, Op, read_packet_body, request
from tests.testbed.bridge.bridge_client import PEER, STACK, Caller, RawPeer


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 1 << 31), st.integers(0, 99), st.binary(max_size=50)), max_size=5),
    st.data(),
)
def test_requests_cut_anywhere_are_the_same_requests(sent: list[tuple[int, int, bytes]], data: st.DataObject) -> None:
    octets = b"".join(request(*each) for each in sent)
    framer = Framer()
    got = []
    while octets:
        cut = data.draw(st.integers(1, len(octets)))
        got += framer.feed(octets[:cut])
        octets = octets[cut:]
    assert [(each.number, each.op, each.body) for each in got] == sent


@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_requests_or_a_bad_stream(octets: bytes) -> None:
    framer = Framer()
    try:
        framer.feed(octets)
    except BadStream:
        return
    framer.feed(b"")


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.0\r\n\r\n", bytes(4), (MAX_MESSAGE + 1).to_bytes(4, "big"), request(1, Op.SOCKET, bytes(12))],
    ids=["http", "zeros", "too long", "no hello"],
)
def test_who_does_not_speak_the_protocol_is_told_and_closed(stranger: Caller, octets: bytes) -> None:
    stranger.sock.sendall(octets)
    answer = stranger.answer(1 if octets[4:8] == b"\0\0\0\1" else 0)
    assert answer is not None
    assert answer.error == errno.EPROTO
    with pytest.raises(ConnectionResetError):
        stranger.answer(5)


def test_a_hello_that_cannot_be_says_why_and_may_be_repeated(stranger: Caller) -> None:
    answer = stranger.hello("mtu=3")
    assert answer.error == errno.EINVAL
    assert answer.body.startswith(b"mtu is 68 to 65535, not '3'")
    answer = stranger.hello("address=192.168.0.1/16,mtu=1400")
    assert answer.body.startswith(b"address=192.168.0.1/16,gateway=,address6=,gateway6=,mtu=1400,link=raw")


@pytest.mark.parametrize("text", ["mtu", "speed=3", "address=10.0.0.1", "address=::1/64", "link=token-ring", "mtu=-1"])
def test_bad_options_are_refused(text: str) -> None:
    with pytest.raises(BadHello):
        options_of(text, BridgeOptions())


def test_options_are_what_their_text_says() -> None:
    options = options_of("address=192.168.0.1/16,gateway=192.168.0.9,link=ethernet", BridgeOptions())
    assert options_of(text_of(options), BridgeOptions()) == options


def test_a_client_that_dies_in_a_blocking_call_leaves_nothing_waiting(caller: Caller) -> None:
    """The fixture sees that the session ends."""
    fd = caller.listening()
    caller.ask(Op.ACCEPT, struct.pack("!ii", fd, 0))
    caller.ask(Op.READ_PACKET, struct.pack("!q", -1))
    caller.sock.sendall(request(9, Op.SEND, bytes(100))[:50])


def test_calls_that_wait_are_bounded(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_session, "MAX_WAITING", 20)
    numbers = [caller.ask(Op.READ_PACKET, struct.pack("!q", -1)) for _ in range(21)]
    answer = caller.answer(numbers[-1])
    assert answer is not None
    assert answer.error == errno.ENOBUFS


def test_packets_that_nobody_reads_are_bounded_and_counted(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_thread, "MAX_HELD_PACKETS", 5)
    peer = RawPeer(caller)
    for _ in range(8):
        peer.send("A", 0, 0)
    lost = []
    while (answer := caller.call(Op.READ_PACKET, "!q", 0)).error == 0:
        lost.append(read_packet_body(answer.body)[2])
    assert lost == [3, 0, 0, 0, 0]


def test_a_client_that_reads_no_answers_is_not_worked_for(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_session, "MAX_UNSENT", 1 << 14)
    caller.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        caller.sock.sendall(request(8, Op.CLOCK) * 1_000_000)


def test_the_raw_link_answers_for_every_neighbour() -> None:
    link = RawLink()
    sender, target = socket.inet_aton(STACK), socket.inet_aton(PEER)
    head = bytes.fromhex("0001080006040001")
    asked = b"\xff" * 6 + STACK_MAC + b"\x08\x06" + head + STACK_MAC + sender + bytes(6) + target
    packet, reply = link.leaving(asked)
    assert packet is None
    assert reply is not None
    assert reply[:12] == STACK_MAC + PEER_MAC
    assert reply[21] == 2
    assert reply[22:28] + reply[28:32] == PEER_MAC + target
    announced = b"\xff" * 6 + STACK_MAC + b"\x08\x06" + head + STACK_MAC + sender + bytes(6) + sender
    assert link.leaving(announced) == (None, None)
    assert link.leaving(PEER_MAC + STACK_MAC + b"\x08\x00" + b"E") == (b"E", None)


def test_an_ethernet_link_leaves_arp_to_the_client(stranger: Caller) -> None:
    assert stranger.hello("link=ethernet").error == 0
    head = bytes.fromhex("08060001080006040001")
    asked = b"\xff" * 6 + PEER_MAC + head + PEER_MAC + socket.inet_aton(PEER) + bytes(6) + socket.inet_aton(STACK)
    assert stranger.value(Op.INJECT, rest=asked) == len(asked)
    found = stranger.packet()
    assert found is not None
    assert found[1][:12] == PEER_MAC + STACK_MAC
    assert found[1][12:14] == b"\x08\x06"


@pytest.mark.parametrize("seed", range(3))
def test_requests_with_any_fields_are_answered_or_wait(caller: Caller, seed: int) -> None:
    """Numbers that are likely to mean something, in every place; the session goes on."""
    rng = random.Random(seed)
    numbers = [0, 1, 2, 3, 4, 5, 6, 13, 17, 20, 255, 0x541B, 0x5421, 65535, 1 << 31, (1 << 32) - 1]
    ops = [op for op in Op if op not in (Op.HELLO, Op.CANCEL)] + [77]
    for fd in range(3, 7):
        assert caller.value(Op.SOCKET, "!iii", socket.AF_INET, socket.SOCK_STREAM, 0) == fd
    number = 0
    for number in range(200, 700):
        words = rng.choices(numbers, k=rng.randint(0, 4))
        body = b"".join(word.to_bytes(4, "big") for word in words) + rng.randbytes(rng.choice([0, 0, 1, 2, 8, 16, 40]))
        caller.sock.sendall(request(number, rng.choice(ops), body))
    assert caller.call(Op.CLOCK).error == 0
    refused = caller.call(Op.CLOSE, "!i", 1 << 20)
    assert refused.error == errno.EBADF
