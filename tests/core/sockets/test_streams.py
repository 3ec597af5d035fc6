"""Sockets as a program sees them, over real rings; the replica is played by hand, record by record."""

from __future__ import annotations

import errno
import io
import socket as kernel
import threading
import time

import pytest

from neatctl.core.channel.records import (
    ABORT,
    CLOSE,
    CONSUMED,
    END,
    MAX_SEND,
    NODELAY,
    OPTION,
    RESET,
    ROOM,
    SEND,
    SHUT,
    TAKEN,
    THEN_CLOSE,
    THEN_SHUT,
)
from neatctl.core.control.messages import Setup
from neatctl.core.sockets.flow import CREDIT_LUMP_OCTETS
from tests.core.sockets.desk import Desk, Program, Said, record


def kinds(said: list[Said]) -> list[tuple[int, int]]:
    return [(each.kind, each.flags) for each in said]


# ---- accept ----
def test_accept_gives_both_ends_addresses(program: Program) -> None:
    program.replica.accepted(1, port=40123)
    sock, address = program.server.accept()
    assert address == ("10.77.0.1", 40123)
    assert sock.getpeername() == ("10.77.0.1", 40123)
    assert sock.getsockname() == ("10.77.0.2", 80)
    assert program.server.getsockname() == ("0.0.0.0", 80)


def test_accept_takes_from_the_replicas_in_turn_and_tells_each_how_many(program: Program) -> None:
    one, two = program.desk.replicas
    for id in range(1, 5):
        one.accepted(id, port=1000 + id)
    for id in range(1, 3):
        two.accepted(id, port=2000 + id)
    ports = [program.server.accept()[1][1] for _ in range(6)]
    assert ports == [1001, 2001, 1002, 2002, 1003, 1004]
    program.stack.flush()
    assert [(s.kind, s.id, s.value) for s in one.heard()] == [(TAKEN, one.listener(), 4)]
    assert [(s.kind, s.id, s.value) for s in two.heard()] == [(TAKEN, two.listener(), 2)]


def test_a_connection_that_comes_before_the_answer_to_listen_is_not_lost(two_replicas: Desk) -> None:
    replica = two_replicas.replicas[0]
    with two_replicas.stack() as stack:

        def early(setup: Setup) -> None:
            if setup.subsockets:
                replica.accepted(7)

        replica.before_done = early
        try:
            server = stack.socket()
            server.bind(("", 0))
            server.listen()
        finally:
            replica.before_done = lambda setup: None
        server.settimeout(0)
        assert server.accept()[1] == ("10.77.0.1", 40000)


def test_a_connection_for_a_listener_that_was_closed_is_reset(program: Program) -> None:
    replica = program.replica
    listener = replica.listener()
    replica.accepted(1)
    program.stack.turn()
    program.server.close()
    assert [(s.kind, s.id) for s in replica.heard()] == [(ABORT, 1)]
    replica.accepted(2, listener=listener)
    program.stack.turn()
    program.stack.flush()
    assert [(s.kind, s.id) for s in replica.heard()] == [(ABORT, 2)]


# ---- octets that arrive ----
def test_recv_gives_octets_in_order_whatever_the_sizes(program: Program) -> None:
    sock, id = program.connection()
    program.replica.data(id, b"abcdef")
    program.replica.data(id, b"ghi")
    assert sock.recv(4) == b"abcd"
    assert sock.recv(100) == b"ef"
    assert sock.recv(0) == b""
    buffer = bytearray(2)
    assert sock.recv_into(buffer) == 2
    assert buffer == b"gh"
    program.replica.data(id, b"jkl")
    program.replica.say(record(END, id))
    rest = bytearray(8)
    assert sock.recv_into(rest, 2) == 1
    assert sock.recv_into(memoryview(rest)[1:]) == 3
    assert rest == b"ijkl\0\0\0\0"
    assert sock.recv(10) == b""
    assert sock.recv_into(rest) == 0


def test_a_slow_reader_does_not_hold_the_others_up(program: Program) -> None:
    slow, slow_id = program.connection()
    quick, quick_id = program.connection()
    lump = bytes(MAX_SEND)
    for _ in range(4):  # more than a ring holds: the library must have taken the first ones out
        program.replica.data(slow_id, lump)
        program.stack.turn()
    program.replica.data(quick_id, b"quick")
    assert quick.recv(10) == b"quick"
    assert sum(len(slow.recv(MAX_SEND)) for _ in range(4)) == 4 * MAX_SEND


def test_the_replica_gets_credit_in_lumps_for_what_was_read_and_not_for_what_arrived(program: Program) -> None:
    sock, id = program.connection()
    for _ in range(3):
        program.replica.data(id, bytes(CREDIT_LUMP_OCTETS // 2))
    program.stack.turn()
    program.stack.flush()
    assert program.replica.heard() == []
    for _ in range(3):
        sock.recv(CREDIT_LUMP_OCTETS)
    program.stack.flush()
    assert [(s.kind, s.value) for s in program.replica.heard()] == [(CONSUMED, CREDIT_LUMP_OCTETS)]


def test_a_reset_comes_after_the_octets_before_it_and_once(program: Program) -> None:
    sock, id = program.connection()
    program.replica.data(id, b"last words")
    program.replica.say(record(RESET, id, errno.ECONNRESET))
    assert sock.recv(100) == b"last words"
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert sock.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        sock.send(b"x")
    sock.close()
    program.stack.flush()
    assert program.replica.heard() == [], "the id is the replica's again"


def test_a_connection_that_timed_out_says_so(program: Program) -> None:
    sock, id = program.connection()
    program.replica.say(record(RESET, id, errno.ETIMEDOUT))
    with pytest.raises(TimeoutError) as caught:
        sock.recv(1)
    assert caught.value.errno == errno.ETIMEDOUT


# ---- octets that are sent ----
def test_a_blocking_send_is_seen_at_once_and_another_when_the_program_waits(program: Program) -> None:
    sock, id = program.connection()
    assert sock.send(b"now") == 3
    assert [(s.kind, s.id, s.payload) for s in program.replica.heard()] == [(SEND, id, b"now")]
    sock.setblocking(False)
    sock.send(b"later")
    assert program.replica.heard() == []
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert [s.payload for s in program.replica.heard()] == [b"later"]


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda b: memoryview(b"xx" + b)[2:]])
def test_any_buffer_can_be_sent(program: Program, make: type) -> None:
    sock, _ = program.connection()
    sock.sendall(make(b"octets"))
    assert sock.send(make(b"")) == 0
    assert [s.payload for s in program.replica.heard()] == [b"octets"]


def test_no_more_is_sent_than_the_replica_has_room_for(program: Program) -> None:
    sock, id = program.connection(timeout=0, room=10)
    assert sock.send(b"0123456789abc") == 10
    with pytest.raises(BlockingIOError) as caught:
        sock.send(b"abc")
    assert caught.value.errno == errno.EAGAIN
    program.replica.say(record(ROOM, id, 2))
    assert sock.send(b"abc") == 2
    program.stack.flush()
    assert b"".join(s.payload for s in program.replica.heard()) == b"0123456789ab"


def test_sendall_waits_for_room_and_gives_up_at_its_timeout(program: Program) -> None:
    sock, id = program.connection(timeout=0.05, room=4)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="timed out"):
        sock.sendall(b"12345")
    assert time.monotonic() - began >= 0.05
    sock.settimeout(5)
    later = threading.Timer(0.02, lambda: program.replica.say(record(ROOM, id, 100)))
    later.start()
    sock.sendall(b"678")
    later.join()
    assert b"".join(s.payload for s in program.replica.heard()) == b"1234678"


def test_large_octets_are_cut_into_records(program: Program) -> None:
    sock, _ = program.connection(timeout=0)
    data = bytes(range(256)) * 512
    assert sock.send(data) == 2 * MAX_SEND
    program.stack.flush()
    said = program.replica.heard()
    assert [len(s.payload) for s in said] == [MAX_SEND, MAX_SEND]
    assert b"".join(s.payload for s in said) == data


def test_a_full_ring_pushes_back_and_nothing_is_lost_or_out_of_order(program: Program) -> None:
    """The ring holds three of the largest records; a close that found it full follows the octets."""
    sock, id = program.connection(timeout=0, room=1 << 29)
    other, other_id = program.connection(timeout=0)
    data = bytes(range(256)) * 4096
    sent = sock.send(data)
    assert MAX_SEND <= sent < len(data)
    with pytest.raises(BlockingIOError):
        sock.send(data)
    with pytest.raises(BlockingIOError):
        other.send(b"x")
    other.close()
    said = program.replica.heard(1)
    program.stack.turn()  # one record's room is not enough for more than what waits
    said += program.replica.heard()
    sock.send(b"end")
    program.stack.flush()
    program.stack.turn()
    said += program.replica.heard()
    assert b"".join(s.payload for s in said if s.id == id) == data[:sent] + b"end"
    assert [(s.kind, s.id) for s in said if s.id == other_id] == [(CLOSE, other_id)]


# ---- the end ----
def test_send_and_close_are_one_record(program: Program) -> None:
    for end, flags in (("close", THEN_CLOSE), ("shutdown", THEN_SHUT)):
        sock, _ = program.connection(timeout=0)
        sock.send(b"bye")
        if end == "close":
            sock.close()
        else:
            sock.shutdown(kernel.SHUT_WR)
        program.stack.flush()
        assert kinds(program.replica.heard()) == [(SEND, flags)]
    sock, _ = program.connection(timeout=0)
    assert sock.send_and_close(b"bye") == 3
    program.stack.flush()
    assert kinds(program.replica.heard()) == [(SEND, THEN_CLOSE)]
    assert sock.fileno() == -1


def test_a_close_is_never_put_on_somebody_elses_octets(program: Program) -> None:
    one, one_id = program.connection(timeout=0)
    two, two_id = program.connection(timeout=0)
    one.send(b"1")
    two.send(b"2")
    one.close()
    program.stack.flush()
    assert [(s.kind, s.flags, s.id) for s in program.replica.heard()] == [
        (SEND, 0, one_id),
        (SEND, 0, two_id),
        (CLOSE, 0, one_id),
    ]


def test_what_was_flushed_is_not_changed_any_more(program: Program) -> None:
    sock, _ = program.connection()
    sock.send(b"bye")
    sock.close()
    assert kinds(program.replica.heard()) == [(SEND, 0), (CLOSE, 0)]


def test_half_closing_leaves_the_other_half_open(program: Program) -> None:
    sock, id = program.connection()
    sock.shutdown(kernel.SHUT_WR)
    assert kinds(program.replica.heard()) == [(SHUT, 0)]
    with pytest.raises(BrokenPipeError):
        sock.send(b"x")
    program.replica.data(id, b"still")
    assert sock.recv(10) == b"still"
    program.replica.say(record(END, id))
    assert sock.recv(10) == b""
    sock.close()
    assert kinds(program.replica.heard()) == [(CLOSE, 0)]


def test_closing_with_octets_unread_resets(program: Program) -> None:
    sock, id = program.connection()
    program.replica.data(id, b"nobody reads this")
    program.stack.turn()
    sock.close()
    assert kinds(program.replica.heard()) == [(ABORT, 0)]
    program.replica.data(id, b"nor this")
    program.stack.turn()
    assert program.stack.faults == 0, "records that were on their way are no fault"


def test_leaving_the_stack_resets_what_is_open(two_replicas: Desk) -> None:
    stack = two_replicas.stack()
    program = Program(two_replicas, stack)
    _, id = program.connection()
    consumer, _ = program.replica.link()
    stack.close()
    octets = consumer.receive()
    assert octets is not None
    assert (octets[0], int.from_bytes(octets[4:8], "big")) == (ABORT, id)


# ---- waiting ----
def test_timeouts_and_not_blocking(program: Program) -> None:
    sock, id = program.connection(timeout=0.03)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="timed out"):
        sock.recv(1)
    assert 0.03 <= time.monotonic() - began < 2
    assert sock.gettimeout() == 0.03
    sock.setblocking(False)
    assert sock.gettimeout() == 0
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    with pytest.raises(BlockingIOError):
        sock.recv_into(bytearray(1))
    program.server.settimeout(0)
    with pytest.raises(BlockingIOError):
        program.server.accept()
    sock.settimeout(None)
    assert sock.gettimeout() is None
    assert sock.getblocking()
    later = threading.Timer(0.05, lambda: program.replica.data(id, b"at last"))
    later.start()
    assert sock.recv(10) == b"at last"  # asleep meanwhile, and woken by the doorbell
    later.join()
    assert program.stack.sleeps > 0


# ---- settings and errors ----
def test_nodelay_is_told_and_handed_on_by_a_listening_socket(program: Program) -> None:
    sock, id = program.connection()
    assert sock.getsockopt(kernel.IPPROTO_TCP, kernel.TCP_NODELAY) == 0
    sock.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_NODELAY, 1)
    program.stack.flush()
    assert [(s.kind, s.id, s.value, s.second) for s in program.replica.heard()] == [(OPTION, id, NODELAY, 1)]
    program.server.setsockopt(kernel.IPPROTO_TCP, kernel.TCP_NODELAY, 1)
    program.replica.accepted(99)
    heir, _ = program.server.accept()
    assert heir.getsockopt(kernel.IPPROTO_TCP, kernel.TCP_NODELAY) == 1


def test_options_that_are_not_there_say_so(program: Program) -> None:
    program.server.setsockopt(kernel.SOL_SOCKET, kernel.SO_REUSEADDR, 1)
    with pytest.raises(OSError, match="not supported") as caught:
        program.server.setsockopt(kernel.SOL_SOCKET, kernel.SO_BROADCAST, 1)
    assert caught.value.errno == errno.ENOPROTOOPT
    with pytest.raises(OSError, match="not supported"):
        program.server.getsockopt(kernel.SOL_SOCKET, kernel.SO_BROADCAST)
    with pytest.raises(io.UnsupportedOperation, match="Poll"):
        program.server.fileno()


def test_a_port_is_shared_by_those_that_all_say_so(program: Program, two_replicas: Desk) -> None:
    sockets = [program.stack.socket() for _ in range(3)]
    with two_replicas.stack() as another:
        sockets.append(another.socket())
        for sock in sockets:
            sock.bind(("", 90))
        for sock in sockets[1:]:
            sock.setsockopt(kernel.SOL_SOCKET, kernel.SO_REUSEPORT, 1)
            sock.listen()
            assert sock.getsockopt(kernel.SOL_SOCKET, kernel.SO_REUSEPORT) == 1
        with pytest.raises(OSError, match="in use by test"):
            sockets[0].listen()
        assert sum(subsocket.port == 90 for subsocket in program.replica.setup.subsockets) == 3


def test_binding_where_one_cannot(program: Program) -> None:
    sock = program.stack.socket()
    sock.bind(("10.77.0.2", 80))
    with pytest.raises(OSError, match="in use by test") as caught:
        sock.listen()
    assert caught.value.errno == errno.EADDRINUSE
    other = program.stack.socket()
    other.bind(("10.77.0.9", 81))
    with pytest.raises(OSError, match=r"10\.77\.0\.2") as caught:
        other.listen()
    assert caught.value.errno == errno.EADDRNOTAVAIL
    with pytest.raises(OverflowError):
        program.stack.socket().bind(("", 65536))
    with pytest.raises(kernel.gaierror):
        program.stack.socket().bind(("no address", 1))
    with pytest.raises(OSError, match="Invalid argument"):
        other.bind(("", 82))


def test_a_closed_socket_and_one_without_connection(program: Program) -> None:
    sock, _ = program.connection()
    sock.close()
    sock.close()
    for call in (lambda: sock.recv(1), lambda: sock.send(b"x"), sock.getpeername, sock.listen, sock.accept):
        with pytest.raises(OSError, match="Bad file") as caught:
            call()
        assert caught.value.errno == errno.EBADF
    fresh = program.stack.socket()
    for call in (lambda: fresh.recv(1), lambda: fresh.send(b"x"), fresh.getpeername):
        with pytest.raises(OSError, match="not connected") as caught:
            call()
        assert caught.value.errno == errno.ENOTCONN
    with pytest.raises(OSError, match="Invalid argument"):
        fresh.accept()
