"""UDP over the bridge: datagrams and ICMP errors as packets on one side, socket calls on the other."""

from __future__ import annotations

import errno
import select
import socket
import struct

import pytest

from neatctl.testbed.bridge.addresses import pack_address
from neatctl.testbed.bridge.requests import Op
from tests.core.ip.frames import icmp, udp
from tests.core.ip.frames import ipv4 as packet
from tests.testbed.bridge.bridge_client import PEER, STACK, Caller

UDP, ICMP = 17, 1
PORT, PEER_PORT = 53, 40000
FIONREAD = 0x541B


@pytest.fixture
def sock(caller: Caller) -> int:
    """The descriptor of a bound socket."""
    fd = caller.value(Op.SOCKET, "!iii", socket.AF_INET, socket.SOCK_DGRAM, 0)
    assert caller.value(Op.BIND, "!i", fd, rest=pack_address(("", PORT))) == 0
    return fd


def inject(caller: Caller, octets: bytes) -> None:
    assert caller.value(Op.INJECT, rest=octets) == len(octets)


def sendto(fd: int, octets: bytes, address: bytes) -> bytes:
    return struct.pack("!iiH", fd, 0, len(address)) + address + octets


def test_a_waiting_recvfrom_gets_one_datagram_and_its_sender(caller: Caller, sock: int) -> None:
    waiting = caller.ask(Op.RECVFROM, struct.pack("!iIi", sock, 100, 0))
    assert caller.answer(waiting, 0.02) is None
    for data in (b"first", b"second"):
        inject(caller, packet(udp(data, PORT, source_port=PEER_PORT), UDP))
    answer = caller.answer(waiting)
    assert answer is not None
    sender = pack_address((PEER, PEER_PORT))
    assert (answer.result, answer.body) == (5, len(sender).to_bytes(2, "big") + sender + b"first")
    assert struct.unpack("=i", caller.call(Op.IOCTL, "!iI", sock, FIONREAD).body) == (6,)
    assert caller.call(Op.RECV, "!iIi", sock, 3, 0).body == b"sec"
    assert caller.call(Op.RECV, "!iIi", sock, 3, socket.MSG_DONTWAIT).error == errno.EAGAIN


def test_what_is_sent_leaves_at_once(caller: Caller, sock: int) -> None:
    assert caller.value(Op.SENDTO, rest=sendto(sock, b"answer", pack_address((PEER, PEER_PORT)))) == 6
    sent = caller.packet(0)
    assert sent is not None
    octets = sent[1]
    assert octets[12:20] == socket.inet_aton(STACK) + socket.inet_aton(PEER)
    assert struct.unpack("!HHH", octets[20:26]) == (PORT, PEER_PORT, 14)
    assert octets[28:] == b"answer"


def test_a_connected_socket_sends_to_its_peer_and_is_refused(caller: Caller, sock: int) -> None:
    assert caller.call(Op.SEND, "!ii", sock, 0, rest=b"x").error == errno.EDESTADDRREQ
    assert caller.value(Op.CONNECT, "!i", sock, rest=pack_address((PEER, PEER_PORT))) == 0
    assert caller.value(Op.SEND, "!ii", sock, 0, rest=b"question") == 8
    sent = caller.packet(0)
    assert sent is not None
    inject(caller, packet(icmp(3, 3, bytes(4) + sent[1][:28]), ICMP))
    polled = caller.call(Op.POLL, "!i", 0, rest=struct.pack("=iHH", sock, select.POLLIN, 0))
    assert struct.unpack("=iHH", polled.body)[2] & select.POLLERR
    assert caller.call(Op.RECV, "!iIi", sock, 3, 0).error == errno.ECONNREFUSED
    assert caller.call(Op.RECV, "!iIi", sock, 3, socket.MSG_DONTWAIT).error == errno.EAGAIN


def test_calls_of_connections_are_not_its(caller: Caller, sock: int) -> None:
    assert caller.call(Op.LISTEN, "!ii", sock, 5).error == errno.EOPNOTSUPP
    assert caller.call(Op.ACCEPT, "!ii", sock, 0).error == errno.EOPNOTSUPP
    kind = caller.call(Op.GETSOCKOPT, "!iiiI", sock, socket.SOL_SOCKET, socket.SO_TYPE, 4)
    assert struct.unpack("=i", kind.body) == (socket.SOCK_DGRAM,)
    assert caller.call(Op.SOCKET, "!iii", socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_TCP).error == (
        errno.EPROTONOSUPPORT
    )
    assert caller.value(Op.CLOSE, "!i", sock) == 0
    inject(caller, packet(udp(b"late", PORT), UDP))
    refused = caller.packet(0)
    assert refused is not None
    assert refused[1][20:22] == bytes((3, 3))
