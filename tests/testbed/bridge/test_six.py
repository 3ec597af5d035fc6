"""IPv6 over the bridge: the same calls on sockets of AF_INET6, packets of the other family on the raw link."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from neatctl.testbed.bridge.addresses import pack_address
from neatctl.testbed.bridge.requests import Op
from tests.core.ip.frames import udp
from tests.core.ip.frames6 import LOCAL6, PEER6, ipv6, tcp6
from tests.testbed.bridge.bridge_client import Caller

PEER, STACK = "fd00:77::1", "fd00:77::2"
TCP, UDP = 6, 17
SYN, ACK = 2, 16


@pytest.fixture
def six(stranger: Caller) -> Caller:
    """A client whose stack has both families."""
    assert stranger.hello(f"address6={STACK}/64").error == 0
    return stranger


def inject(six: Caller, payload: bytes, protocol: int) -> None:
    packet = ipv6(payload, protocol)
    assert six.value(Op.INJECT, rest=packet) == len(packet)


def sent(six: Caller) -> bytes:
    """The payload of the next packet that the stack sent to the peer."""
    found = six.packet(1_000_000)
    assert found is not None
    packet = found[1]
    assert (packet[0] >> 4, packet[8:24], packet[24:40]) == (6, LOCAL6, PEER6)
    return packet[40:]


def test_a_connection_is_accepted_over_ipv6(six: Caller) -> None:
    fd = six.value(Op.SOCKET, "!iii", socket.AF_INET6, socket.SOCK_STREAM, 0)
    assert six.value(Op.BIND, "!i", fd, rest=pack_address(("::", 80))) == 0
    assert six.call(Op.GETSOCKNAME, "!i", fd).body == pack_address(("::", 80))
    assert six.value(Op.LISTEN, "!ii", fd, 5) == 0
    inject(six, tcp6(SYN, seq=100), TCP)
    answer = sent(six)
    number = int.from_bytes(answer[4:8], "big")
    assert (answer[13], int.from_bytes(answer[8:12], "big")) == (SYN | ACK, 101)
    inject(six, tcp6(ACK, seq=101, ack=(number + 1) & 0xFFFFFFFF, data=b"hello"), TCP)
    accepted = six.call(Op.ACCEPT, "!ii", fd, 0)
    assert accepted.body == pack_address((PEER, 40000))
    assert six.call(Op.RECV, "!iIi", accepted.result, 10, 0).body == b"hello"


def test_a_connection_is_opened_over_ipv6_at_once(six: Caller) -> None:
    fd = six.value(Op.SOCKET, "!iii", socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0)
    assert six.call(Op.CONNECT, "!i", fd, rest=pack_address((PEER, 8080))).error == errno.EINPROGRESS
    assert sent(six)[13] & 0x3F == SYN
    name = six.call(Op.GETSOCKNAME, "!i", fd).body
    assert name[8:24] == LOCAL6


def test_datagrams_of_both_families_have_sockets_of_their_own(six: Caller) -> None:
    fd = six.value(Op.SOCKET, "!iii", socket.AF_INET6, socket.SOCK_DGRAM, 0)
    assert six.value(Op.BIND, "!i", fd, rest=pack_address(("::", 53))) == 0
    inject(six, udp(b"question", 53, PEER6, LOCAL6), UDP)
    answer = six.call(Op.RECVFROM, "!iIi", fd, 100, 0)
    sender = pack_address((PEER, 40000))
    assert answer.body == len(sender).to_bytes(2, "big") + sender + b"question"
    assert six.value(Op.SENDTO, rest=struct.pack("!iiH", fd, 0, len(sender)) + sender + b"answer") == 6
    assert sent(six)[8:] == b"answer"
    wrong = pack_address(("10.77.0.1", 9))
    assert six.call(Op.SENDTO, rest=struct.pack("!iiH", fd, 0, len(wrong)) + wrong).error == errno.EAFNOSUPPORT


def test_without_an_address_there_are_no_such_sockets(caller: Caller) -> None:
    assert caller.call(Op.SOCKET, "!iii", socket.AF_INET6, socket.SOCK_STREAM, 0).error == errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    "wrong",
    [
        "address6=fd77::2",
        "address6=ff02::1/64",
        "address6=::/64",
        "address6=10.77.0.2/24",
        "address6=fd77::2/128",
        "gateway6=fd77::1",
        "address6=fd77::2/64,gateway6=fd77::2",
        "address6=fd77::2/64,mtu=1279",
    ],
)
def test_addresses_that_cannot_be_are_refused_with_a_reason(stranger: Caller, wrong: str) -> None:
    answer = stranger.hello(wrong)
    assert answer.error == errno.EINVAL
    assert b"6" in answer.body
    assert stranger.hello("address6=fd77::2/64,gateway6=fd77::1").error == 0
