"""Poll as a program sees it: what it reports, when it sleeps and what wakes it."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from neatctl.core.channel.records import END, RESET, ROOM, SEND
from neatctl.core.sockets import POLLERR, POLLHUP, POLLIN, POLLOUT, Poll
from tests.core.sockets.desk import Program, record


def test_a_listening_socket_and_connections_are_reported_while_they_are_ready(program: Program) -> None:
    poll = Poll(program.stack)
    poll.register(program.server, POLLIN)
    assert poll.poll(0) == []
    program.replica.accepted(1)
    assert poll.poll(0) == [(program.server, POLLIN)]
    assert poll.poll(0) == [(program.server, POLLIN)], "level-triggered"
    sock, _ = program.server.accept()
    sock.setblocking(False)
    assert poll.poll(0) == []
    poll.register(sock, POLLIN | POLLOUT)
    assert poll.poll(0) == [(sock, POLLOUT)]
    program.replica.data(1, b"abc")
    assert poll.poll(0) == [(sock, POLLIN | POLLOUT)]
    poll.modify(sock, POLLIN)
    sock.recv(2)
    assert poll.poll(0) == [(sock, POLLIN)]
    sock.recv(2)
    assert poll.poll(0) == []
    program.replica.say(record(END, 1))
    assert poll.poll(0) == [(sock, POLLIN)]
    poll.unregister(sock)
    assert poll.poll(0) == []
    with pytest.raises(OSError, match="No such") as caught:
        poll.modify(sock, POLLIN)
    assert caught.value.errno == errno.ENOENT


def test_errors_and_hang_ups_are_reported_unasked(program: Program) -> None:
    poll = Poll(program.stack)
    sock, id = program.connection(timeout=0)
    poll.register(sock, 0)
    assert poll.poll(0) == []
    program.replica.say(record(RESET, id, errno.ECONNRESET))
    assert poll.poll(0) == [(sock, POLLERR | POLLHUP)]
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    assert poll.poll(0) == [(sock, POLLHUP)]
    sock.close()
    assert poll.poll(0) == [], "a closed socket is forgotten"


def test_room_makes_a_socket_writable(program: Program) -> None:
    poll = Poll(program.stack)
    sock, id = program.connection(timeout=0, room=3)
    poll.register(sock, POLLOUT)
    assert poll.poll(0) == [(sock, POLLOUT)]
    sock.send(b"abc")
    assert poll.poll(0) == []
    program.replica.say(record(ROOM, id, 1))
    assert poll.poll(0) == [(sock, POLLOUT)]


def test_a_full_ring_makes_its_sockets_unwritable_until_there_is_room(program: Program) -> None:
    poll = Poll(program.stack)
    sock, _ = program.connection(timeout=0, room=1 << 29)
    poll.register(sock, POLLOUT)
    with pytest.raises(BlockingIOError):
        sock.sendall(bytes(1 << 20))
    assert poll.poll(0) == []
    woken = threading.Timer(0.05, program.replica.heard)
    woken.start()
    began = time.monotonic()
    assert poll.poll(10) == [(sock, POLLOUT)]
    assert time.monotonic() - began < 5, "the replica's doorbell wakes the sleeping program"
    woken.join()


def test_what_was_sent_is_handed_over_at_the_next_poll(program: Program) -> None:
    poll = Poll(program.stack)
    sock, _ = program.connection(timeout=0)
    poll.register(sock, POLLIN)
    sock.send(b"one")
    sock.send(b"two")
    assert program.replica.heard() == []
    poll.poll(0)
    assert [(s.kind, s.payload) for s in program.replica.heard()] == [(SEND, b"one"), (SEND, b"two")]


def test_data_is_reported_in_place_of_the_socket(program: Program) -> None:
    poll = Poll(program.stack)
    sock, id = program.connection(timeout=0)
    poll.register(sock, POLLIN, data="mine")
    with pytest.raises(OSError, match="exists"):
        poll.register(sock, POLLIN)
    with pytest.raises(OSError, match="not connected"):
        poll.register(program.stack.socket(), POLLIN)
    program.replica.data(id, b"x")
    assert poll.poll(0) == [("mine", POLLIN)]


def test_two_polls_see_the_same_socket(program: Program) -> None:
    sock, id = program.connection(timeout=0)
    one, two = Poll(program.stack), Poll(program.stack)
    one.register(sock, POLLIN)
    two.register(sock, POLLIN)
    program.replica.data(id, b"x")
    assert one.poll(0) == two.poll(0) == [(sock, POLLIN)]
    one.unregister(sock)
    assert one.poll(0) == []
    assert two.poll(0) == [(sock, POLLIN)]


def test_a_poll_sleeps_until_its_timeout(program: Program) -> None:
    poll = Poll(program.stack)
    poll.register(program.server, POLLIN)
    before = program.stack.sleeps
    began = time.monotonic()
    assert poll.poll(0.3) == []
    assert 0.3 <= time.monotonic() - began < 3
    assert 0 < program.stack.sleeps - before < 20, "it sleeps, and does not look again and again"


def test_a_record_wakes_a_sleeping_poll(program: Program) -> None:
    poll = Poll(program.stack)
    sock, id = program.connection(timeout=0)
    poll.register(sock, POLLIN)
    later = threading.Timer(0.05, lambda: program.replica.data(id, b"x"))
    later.start()
    began = time.monotonic()
    assert poll.poll(10) == [(sock, POLLIN)]
    assert time.monotonic() - began < 5
    later.join()


def test_descriptors_of_the_system_beside_sockets(program: Program) -> None:
    reading, writing = os.pipe()
    with Poll(program.stack) as poll:
        sock, id = program.connection(timeout=0)
        poll.register(sock, POLLIN)
        poll.register(reading, POLLIN, data="wake")
        assert poll.poll(0.01) == []
        later = threading.Timer(0.05, lambda: os.write(writing, b"!"))
        later.start()
        assert poll.poll(10) == [("wake", POLLIN)]
        later.join()
        os.read(reading, 1)
        later = threading.Timer(0.05, lambda: program.replica.data(id, b"x"))
        later.start()
        assert poll.poll(10) == [(sock, POLLIN)], "doorbells wake a poll with descriptors too"
        later.join()
        os.write(writing, b"!")
        deadline = time.monotonic() + 5
        while ("wake", POLLIN) not in poll.poll(0):
            assert time.monotonic() < deadline, "a busy poll looks at its descriptors now and then"
        poll.unregister(reading)
        assert ("wake", POLLIN) not in poll.poll(0.01)
    os.close(reading)
    os.close(writing)


def test_what_one_ready_socket_costs_does_not_depend_on_how_many_are_registered(program: Program) -> None:
    """Two thousand idle connections: a turn looks at none of them."""
    poll = Poll(program.stack)
    idle = []
    for _ in range(2000):
        sock, _ = program.connection(timeout=0)
        poll.register(sock, POLLIN)
        idle.append(sock)
    busy, id = program.connection(timeout=0)
    poll.register(busy, POLLIN)
    assert poll.poll(0) == []
    poll.modify(busy, POLLIN)
    quiet = cost(poll)
    for sock in idle:
        poll.unregister(sock)
    assert quiet < 20 * cost(poll)
    program.replica.data(id, b"x")
    assert poll.poll(0) == [(busy, POLLIN)]


def cost(poll: Poll) -> float:
    """Seconds of the quickest of some turns."""
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        poll.poll(0)
        best = min(best, time.perf_counter() - began)
    return best
