"""The bridge as a test tool drives it: calls that wait, packets in and out, errno values as Linux has them."""

from __future__ import annotations

import errno
import select
import socket
import struct

import pytest

from neatctl.testbed.bridge.addresses import pack_address
from neatctl.testbed.bridge.requests import Op, read_packet_body
from tests.testbed.bridge.bridge_client import PEER, PORT, STACK, Caller, RawPeer, ipv4

STREAM = socket.SOCK_STREAM
NONBLOCK = socket.SOCK_NONBLOCK
RDHUP = 0x2000


@pytest.fixture
def peer(caller: Caller) -> RawPeer:
    return RawPeer(caller)


@pytest.fixture
def accepted(caller: Caller, peer: RawPeer) -> int:
    """The descriptor of a connection with `peer`."""
    fd = caller.listening()
    peer.shake_hands()
    return caller.value(Op.ACCEPT, "!ii", fd, 0)


def polled(caller: Caller, fd: int, events: int, timeout_ms: int = 0) -> int:
    """The revents of one descriptor."""
    answer = caller.call(Op.POLL, "!i", timeout_ms, rest=struct.pack("=iHH", fd, events, 0))
    assert answer.error == 0
    got: int = struct.unpack("=iHH", answer.body)[2]
    assert answer.result == (got != 0)
    return got


def test_a_waiting_accept_does_not_stop_the_packets_that_end_it(caller: Caller, peer: RawPeer) -> None:
    fd = caller.listening()
    waiting = caller.ask(Op.ACCEPT, struct.pack("!ii", fd, 0))
    assert caller.answer(waiting, 0.02) is None
    peer.shake_hands()
    answer = caller.answer(waiting)
    assert answer is not None
    assert (answer.result, answer.error) == (fd + 1, 0)
    assert answer.body == pack_address((PEER, peer.port))
    name = caller.call(Op.GETSOCKNAME, "!i", fd + 1)
    assert name.body == pack_address((STACK, PORT))
    assert caller.call(Op.GETPEERNAME, "!i", fd + 1).body == pack_address((PEER, peer.port))


def test_what_a_packet_causes_has_happened_when_inject_answers(caller: Caller, peer: RawPeer, accepted: int) -> None:
    assert caller.call(Op.RECV, "!iIi", accepted, 100, socket.MSG_DONTWAIT).error == errno.EAGAIN
    peer.send("PA", 1, 1, b"hello")
    assert struct.unpack("=i", caller.call(Op.IOCTL, "!iI", accepted, 0x541B).body) == (5,)
    answer = caller.call(Op.RECV, "!iIi", accepted, 100, socket.MSG_DONTWAIT)
    assert (answer.result, answer.body) == (5, b"hello")


def test_answers_come_out_of_order(caller: Caller, peer: RawPeer, accepted: int) -> None:
    reading = caller.ask(Op.RECV, struct.pack("!iIi", accepted, 4, 0))
    whole = caller.ask(Op.RECV, struct.pack("!iIi", accepted, 8, socket.MSG_WAITALL))
    packet = caller.ask(Op.READ_PACKET, struct.pack("!q", -1))
    assert caller.value(Op.CLOSE, "!i", 3) == 0
    assert caller.answer(reading, 0.02) is None
    peer.send("PA", 1, 1, b"abcdef")
    first, ack = caller.answer(reading), caller.answer(packet)
    assert first is not None
    assert first.body == b"abcd"
    assert ack is not None
    assert ack.error == 0
    assert caller.answer(whole, 0.02) is None
    peer.send("PA", 7, 1, b"ghijklmn")
    rest = caller.answer(whole)
    assert rest is not None
    assert rest.body == b"efghijkl"


def test_data_that_nobody_acknowledges_is_sent_again_after_the_time_out(
    caller: Caller, peer: RawPeer, accepted: int
) -> None:
    assert caller.value(Op.SEND, "!ii", accepted, 0, rest=b"x" * 100) == 100
    first, text = peer.sent_at()
    assert text == "PA 1 1 100"
    assert struct.unpack("=i", caller.call(Op.IOCTL, "!iI", accepted, 0x5411).body) == (100,)
    assert struct.unpack("=i", caller.call(Op.IOCTL, "!iI", accepted, 0x894B).body) == (0,)
    again, text = peer.sent_at()
    assert text == "PA 1 1 100"
    assert 1_000 < again - first < 3_000_000
    peer.send("A", 1, 101)
    assert struct.unpack("=i", caller.call(Op.IOCTL, "!iI", accepted, 0x5411).body) == (0,)


def test_a_blocking_send_waits_for_room_and_sends_all(caller: Caller, peer: RawPeer, accepted: int) -> None:
    octets = 1_040_000
    peer.window = 0
    peer.send("A", 1, 1)
    assert caller.value(Op.SEND, "!ii", accepted, 0, rest=bytes(octets)) == octets
    sending = caller.ask(Op.SEND, struct.pack("!ii", accepted, 0) + bytes(30_000))
    assert caller.answer(sending, 0.02) is None
    assert polled(caller, accepted, select.POLLIN | select.POLLOUT) in (0, select.POLLOUT)
    assert caller.value(Op.CANCEL, "!I", sending) == 1
    cancelled = caller.answer(sending)
    assert cancelled is not None
    assert cancelled.error == errno.EINTR


def test_a_reset_is_one_error_then_the_end(caller: Caller, peer: RawPeer, accepted: int) -> None:
    waiting = caller.ask(Op.POLL, struct.pack("!i", -1) + struct.pack("=iHH", accepted, select.POLLIN | RDHUP, 0))
    assert caller.answer(waiting, 0.02) is None
    peer.send("R", 1)
    answer = caller.answer(waiting)
    assert answer is not None
    assert answer.result == 1
    found = struct.unpack("=iHH", answer.body)[2]
    assert found & (select.POLLERR | select.POLLHUP | select.POLLIN) == select.POLLERR | select.POLLHUP | select.POLLIN
    error = caller.call(Op.GETSOCKOPT, "!iiiI", accepted, socket.SOL_SOCKET, socket.SO_ERROR, 4)
    assert struct.unpack("=i", error.body) == (errno.ECONNRESET,)
    assert caller.value(Op.RECV, "!iIi", accepted, 10, 0) == 0
    assert caller.call(Op.SEND, "!ii", accepted, 0, rest=b"x").error == errno.EPIPE


def test_poll_tells_of_listeners_ends_and_bad_descriptors(caller: Caller, peer: RawPeer) -> None:
    fd = caller.listening()
    fresh = caller.value(Op.SOCKET, "!iii", socket.AF_INET, STREAM, 0)
    assert polled(caller, fd, select.POLLIN) == 0
    assert polled(caller, fresh, select.POLLIN | select.POLLOUT) == select.POLLOUT | select.POLLHUP
    assert polled(caller, 99, select.POLLIN) == select.POLLNVAL
    assert polled(caller, fd, select.POLLIN, 20) == 0
    peer.shake_hands()
    assert polled(caller, fd, select.POLLIN, -1) == select.POLLIN
    connection = caller.value(Op.ACCEPT, "!ii", fd, NONBLOCK)
    assert polled(caller, connection, select.POLLIN | select.POLLOUT | RDHUP) == select.POLLOUT
    peer.send("FA", 1, 1)
    assert polled(caller, connection, select.POLLIN | RDHUP) == select.POLLIN | RDHUP
    assert caller.value(Op.RECV, "!iIi", connection, 10, 0) == 0
    assert caller.value(Op.SHUTDOWN, "!ii", connection, socket.SHUT_WR) == 0
    assert peer.sent() == "A 1 2"
    assert peer.sent() == "FA 1 2"


@pytest.mark.parametrize(
    ("op", "form", "fields", "rest", "error"),
    [
        (Op.SOCKET, "!iii", (socket.AF_UNIX, STREAM, 0), b"", errno.EAFNOSUPPORT),
        (Op.SOCKET, "!iii", (socket.AF_INET, STREAM, 17), b"", errno.EPROTONOSUPPORT),
        (Op.SOCKET, "!iii", (socket.AF_INET, STREAM | 0x40, 0), b"", errno.EINVAL),
        (Op.BIND, "!i", (3,), pack_address(("192.0.2.1", 80)), errno.EADDRNOTAVAIL),
        (Op.BIND, "!i", (3,), b"\x02\x00\x00", errno.EINVAL),
        (Op.BIND, "!i", (3,), pack_address(("::1", 80)), errno.EAFNOSUPPORT),
        (Op.ACCEPT, "!ii", (3, 0), b"", errno.EINVAL),
        (Op.RECV, "!iIi", (3, 10, 0), b"", errno.ENOTCONN),
        (Op.RECV, "!iIi", (77, 10, 0), b"", errno.EBADF),
        (Op.SHUTDOWN, "!ii", (3, 2), b"", errno.ENOTCONN),
        (Op.FCNTL, "!iiq", (3, 4444, 0), b"", errno.EINVAL),
        (Op.IOCTL, "!iI", (3, 4444), b"", errno.ENOTTY),
        (Op.GETPEERNAME, "!i", (3,), b"", errno.ENOTCONN),
        (Op.GETSOCKOPT, "!iiiI", (3, socket.IPPROTO_TCP, 12345, 4), b"", errno.ENOPROTOOPT),
        (Op.SETSOCKOPT, "!iii", (3, socket.IPPROTO_TCP, socket.TCP_NODELAY), b"\x01", errno.EINVAL),
        (99, "!", (), b"", errno.ENOSYS),
        (Op.CLOSE, "!i", (3,), b"too much", errno.EPROTO),
        (Op.LISTEN, "!i", (3,), b"", errno.EPROTO),
        (Op.INJECT, "!", (), b"", errno.EMSGSIZE),
    ],
)
def test_errno_values_are_those_of_linux(
    caller: Caller, op: int, form: str, fields: tuple[int, ...], rest: bytes, error: int
) -> None:
    assert caller.value(Op.SOCKET, "!iii", socket.AF_INET, STREAM, 0) == 3
    answer = caller.call(op, form, *fields, rest=rest)
    assert (answer.result, errno.errorcode[answer.error]) == (-1, errno.errorcode[error])


def test_options_flags_and_times(caller: Caller, accepted: int) -> None:
    level = socket.IPPROTO_TCP
    assert caller.value(Op.SETSOCKOPT, "!iii", accepted, level, socket.TCP_NODELAY, rest=struct.pack("=i", 1)) == 0
    assert caller.call(Op.GETSOCKOPT, "!iiiI", accepted, level, socket.TCP_NODELAY, 4).body == struct.pack("=i", 1)
    wait = struct.pack("=qq", 0, 30_000)
    assert caller.value(Op.SETSOCKOPT, "!iii", accepted, socket.SOL_SOCKET, socket.SO_RCVTIMEO, rest=wait) == 0
    assert caller.call(Op.RECV, "!iIi", accepted, 10, 0).error == errno.EAGAIN
    assert caller.value(Op.FCNTL, "!iiq", accepted, 3, 0) == 2
    assert caller.value(Op.FCNTL, "!iiq", accepted, 4, 0o4000) == 0
    assert caller.value(Op.FCNTL, "!iiq", accepted, 3, 0) == 2 | 0o4000
    assert caller.call(Op.RECV, "!iIi", accepted, 10, 0).error == errno.EAGAIN
    before, after = (read_packet_body(caller.call(Op.CLOCK).body) for _ in range(2))
    assert before[0] <= after[0]
    assert before[1] - before[0] == after[1] - after[0]


def test_a_descriptor_closed_under_a_waiting_call_ends_it(caller: Caller, accepted: int) -> None:
    waiting = caller.ask(Op.RECV, struct.pack("!iIi", accepted, 10, 0))
    assert caller.answer(waiting, 0.02) is None
    assert caller.value(Op.CLOSE, "!i", accepted) == 0
    answer = caller.answer(waiting)
    assert answer is not None
    assert answer.error == errno.EBADF
    assert caller.value(Op.SOCKET, "!iii", socket.AF_INET, STREAM, 0) == accepted


def test_ping_is_answered_and_a_segment_for_no_socket_is_reset(caller: Caller, peer: RawPeer) -> None:
    echo = b"\x08\x00\xf7\xff\x00\x00\x00\x00"
    ends = socket.inet_aton(PEER) + socket.inet_aton(STACK)
    assert caller.value(Op.INJECT, rest=ipv4(ends, 1, echo)) == 28
    found = caller.packet()
    assert found is not None
    assert found[1][9] == 1
    assert found[1][20] == 0
    peer.send("S", 0)
    assert peer.sent() == "RA 0 1"
