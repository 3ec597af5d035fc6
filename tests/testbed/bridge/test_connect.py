"""connect(2) through the bridge: the real library and replica, with the other end spoken by hand."""

from __future__ import annotations

import errno
import select
import socket
import struct
from dataclasses import dataclass

import pytest

from neatctl.testbed.bridge.addresses import pack_address, unpack_address
from neatctl.testbed.bridge.requests import Op
from tests.testbed.bridge.bridge_client import PEER, STACK, Caller, RawPeer, ipv4

NONBLOCK = socket.SOCK_NONBLOCK
REMOTE = 8000
MSS = b"\x02\x04\x05\xb4"


@dataclass
class Client:
    """A socket of the stack that connects, and who it connects to."""

    caller: Caller
    fd: int
    peer: RawPeer

    def ask(self, host: str = PEER) -> int:
        """Begin to connect; the request's number."""
        return self.caller.ask(Op.CONNECT, struct.pack("!i", self.fd) + pack_address((host, REMOTE)))

    def connect(self, host: str = PEER) -> int:
        """The errno of connect(2); 0 if it is done."""
        return self.caller.call(Op.CONNECT, "!i", self.fd, rest=pack_address((host, REMOTE))).error

    def error(self) -> int:
        """SO_ERROR."""
        found = self.caller.call(Op.GETSOCKOPT, "!iiiI", self.fd, socket.SOL_SOCKET, socket.SO_ERROR, 4)
        number: int = struct.unpack("=i", found.body)[0]
        return number

    def polled(self) -> int:
        answer = self.caller.call(
            Op.POLL, "!i", 0, rest=struct.pack("=iHH", self.fd, select.POLLIN | select.POLLOUT, 0)
        )
        found: int = struct.unpack("=iHH", answer.body)[2]
        return found

    def name(self) -> tuple[str, int]:
        return unpack_address(self.caller.call(Op.GETSOCKNAME, "!i", self.fd).body, socket.AF_INET)


def client(caller: Caller, flags: int = 0) -> Client:
    fd = caller.value(Op.SOCKET, "!iii", socket.AF_INET, socket.SOCK_STREAM | flags, 0)
    return Client(caller, fd, RawPeer(caller, port=REMOTE))


def test_a_call_that_waits_is_answered_by_the_syn_ack(caller: Caller) -> None:
    ours = client(caller)
    waiting = ours.ask()
    assert ours.peer.sent() == "S 0"
    assert caller.answer(waiting, 0.02) is None
    ours.peer.send("SA", 0, 1, options=MSS)
    answer = caller.answer(waiting)
    assert answer is not None
    assert (answer.result, answer.error) == (0, 0)
    assert ours.peer.sent() == "A 1 1"
    assert ours.name() == (STACK, ours.peer.local_port)
    assert ours.peer.local_port >= 32768
    assert ours.connect() == errno.EISCONN
    assert caller.value(Op.SEND, "!ii", ours.fd, 0, rest=b"hello") == 5
    assert ours.peer.sent() == "PA 1 1 5"


def test_without_waiting_it_is_under_way_then_writable(caller: Caller) -> None:
    ours = client(caller, NONBLOCK)
    assert ours.connect() == errno.EINPROGRESS
    assert ours.connect() == errno.EALREADY
    assert ours.polled() == 0
    assert caller.call(Op.GETPEERNAME, "!i", ours.fd).error == errno.ENOTCONN
    assert caller.call(Op.RECV, "!iIi", ours.fd, 10, 0).error == errno.EAGAIN
    assert ours.peer.sent() == "S 0"
    assert ours.name() == (STACK, ours.peer.local_port)
    ours.peer.send("SA", 0, 1, options=MSS)
    assert ours.polled() == select.POLLOUT
    assert ours.error() == 0
    assert ours.connect() == 0
    assert ours.connect() == errno.EISCONN


@pytest.mark.parametrize("flags", [0, NONBLOCK])
def test_a_reset_refuses_and_one_may_try_again(caller: Caller, flags: int) -> None:
    ours = client(caller, flags)
    waiting = ours.ask()
    assert ours.peer.sent() == "S 0"
    ours.peer.send("RA", 0, 1)
    answer = caller.answer(waiting)
    assert answer is not None
    assert answer.error == (errno.EINPROGRESS if flags else errno.ECONNREFUSED)
    if flags:
        assert ours.polled() & (select.POLLERR | select.POLLHUP) == select.POLLERR | select.POLLHUP
        assert ours.error() == errno.ECONNREFUSED
        assert ours.connect() == errno.ECONNABORTED
    waiting = ours.ask()
    assert ours.peer.sent() == "S 0"
    ours.peer.send("SA", 0, 1, options=MSS)
    assert caller.answer(waiting) is not None
    assert ours.peer.sent() == "A 1 1"


def test_icmp_port_unreachable_refuses_a_syn(caller: Caller) -> None:
    ours = client(caller)
    waiting = ours.ask()
    packet = caller.packet()
    assert packet is not None
    ends = socket.inet_aton(PEER) + socket.inet_aton(STACK)
    body = bytes((3, 3, 0, 0)) + bytes(4) + packet[1][:28]
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big") + body[4:]
    caller.value(Op.INJECT, rest=ipv4(ends, 1, body))
    answer = caller.answer(waiting)
    assert answer is not None
    assert answer.error == errno.ECONNREFUSED


def test_what_is_known_at_once_is_told_at_once(caller: Caller) -> None:
    ours = client(caller, NONBLOCK)
    for host in ("192.0.2.1", STACK, "0.0.0.0", "224.0.0.1"):
        assert errno.errorcode[ours.connect(host)] == "ENETUNREACH", host
    caller.listening()
    other = client(caller)
    assert caller.value(Op.BIND, "!i", other.fd, rest=pack_address((STACK, 8080))) == 0
    assert other.connect() == errno.EADDRINUSE
    first, second = client(caller, NONBLOCK), client(caller, NONBLOCK)
    for each in (first, second):
        assert caller.value(Op.BIND, "!i", each.fd, rest=pack_address((STACK, 5000))) == 0
    assert first.connect() == errno.EINPROGRESS
    assert second.connect() == errno.EADDRINUSE


def test_simultaneous_open_then_a_close_in_order(caller: Caller) -> None:
    ours = client(caller)
    waiting = ours.ask()
    assert ours.peer.sent() == "S 0"
    ours.peer.send("S", 0, options=MSS)
    assert ours.peer.sent() == "SA 0 1"
    ours.peer.send("A", 1, 1)
    answer = caller.answer(waiting)
    assert answer is not None
    assert answer.error == 0
    assert caller.value(Op.CLOSE, "!i", ours.fd) == 0
    assert ours.peer.sent() == "FA 1 1"


def test_closed_while_it_connects_nothing_is_left(caller: Caller) -> None:
    ours = client(caller, NONBLOCK)
    assert ours.connect() == errno.EINPROGRESS
    assert ours.peer.sent() == "S 0"
    assert caller.value(Op.CLOSE, "!i", ours.fd) == 0
    ours.peer.send("SA", 0, 1, options=MSS)
    assert ours.peer.sent() == "R 1"


def test_a_send_time_out_is_one_of_connect(caller: Caller) -> None:
    ours = client(caller)
    wait = struct.pack("=qq", 0, 20_000)
    assert caller.value(Op.SETSOCKOPT, "!iii", ours.fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, rest=wait) == 0
    assert ours.connect() == errno.EINPROGRESS
