"""connect(): what programs see while a replica opens a connection, and when it does not. Replicas by hand."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time

import pytest

from neatctl.core.channel.records import ABORT, ACCEPTED, CLOSE, CONNECT, DATA, OPENING, OPTION, REFUSED, RESET, SEND
from neatctl.core.channel.socket_options import NODELAY
from neatctl.core.sockets import POLLERR, POLLHUP, POLLIN, POLLOUT, Poll, Socket, Stack, create_connection
from tests.core.sockets.desk import CLIENT, ROOM, Desk, HandReplica, Program, Said, record

OURS = bytes((10, 77, 0, 2))
PEER = ("10.77.0.1", 8000)
ENDS = (8000).to_bytes(2, "big") + (40000).to_bytes(2, "big") + CLIENT + OURS
ID = 7000


@pytest.fixture
def stack(program: Program) -> Stack:
    """An application that the replicas know: it listens."""
    return program.stack


def asked(desk: Desk, stack: Stack) -> tuple[HandReplica, Said]:
    """The one CONNECT, and who got it."""
    stack.flush()
    found = [(replica, said) for replica in desk.replicas for said in replica.heard()]
    assert len(found) == 1
    assert found[0][1].kind == CONNECT
    return found[0]


def begun(desk: Desk, stack: Stack) -> tuple[Socket, HandReplica, Said]:
    """A socket that does not block and connects."""
    sock = stack.socket()
    sock.setblocking(False)
    with pytest.raises(BlockingIOError) as error:
        sock.connect(PEER)
    assert error.value.errno == errno.EINPROGRESS
    return sock, *asked(desk, stack)


def opening(said: Said, id: int = ID) -> bytes:
    return record(OPENING, id, said.id, 0, ENDS)


def opened(id: int = ID) -> bytes:
    return record(ACCEPTED, id, 0, ROOM, ENDS)


def test_a_connection_that_opens(two_replicas: Desk, stack: Stack) -> None:
    sock, replica, said = begun(two_replicas, stack)
    assert said.value == 12
    assert said.payload == (8000).to_bytes(2, "big") + bytes(2) + CLIENT + bytes(4)
    with Poll(stack) as poll:
        poll.register(sock, POLLIN | POLLOUT)
        assert poll.poll(0) == []
        assert sock.connect_ex(PEER) == errno.EALREADY
        replica.say(opening(said))
        assert poll.poll(0) == []
        assert sock.getsockname() == ("10.77.0.2", 40000)
        with pytest.raises(OSError, match="not connected"):
            sock.getpeername()
        replica.say(opened())
        assert poll.poll(5) == [(sock, POLLOUT)]
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert sock.getpeername() == PEER
    assert sock.connect_ex(PEER) == 0
    assert sock.connect_ex(PEER) == errno.EISCONN
    sock.send(b"hello")
    stack.flush()
    assert [(s.kind, s.id, s.payload) for s in replica.heard()] == [(SEND, ID, b"hello")]
    replica.say(record(DATA, ID, payload=b"you too"))
    sock.settimeout(5)
    assert sock.recv(10) == b"you too"
    sock.close()
    assert [(s.kind, s.id) for s in replica.heard()] == [(CLOSE, ID)]


@pytest.mark.parametrize("named", [True, False])
def test_a_connection_that_is_refused(two_replicas: Desk, stack: Stack, named: bool) -> None:
    sock, replica, said = begun(two_replicas, stack)
    with Poll(stack) as poll:
        poll.register(sock, POLLOUT)
        if named:
            replica.say(opening(said), record(RESET, ID, errno.ECONNREFUSED))
        else:
            replica.say(record(REFUSED, 0, said.id, errno.ECONNREFUSED))
        assert poll.poll(5) == [(sock, POLLOUT | POLLERR | POLLHUP)]
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    with pytest.raises(OSError, match="not connected"):
        sock.recv(1)
    assert sock.connect_ex(PEER) == errno.ECONNABORTED
    assert sock.connect_ex(PEER) == errno.EINPROGRESS  # It may try again.
    asked(two_replicas, stack)


def play(desk: Desk, answer: list[int]) -> threading.Thread:
    """A thread that answers the next CONNECT: opens it, or fails it with an errno."""

    def run() -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for replica in desk.replicas:
                for said in replica.heard():
                    if said.kind == CONNECT and answer[0]:
                        replica.say(opening(said), record(RESET, ID, answer[0]))
                        return
                    if said.kind == CONNECT:
                        replica.say(opening(said), opened())
                        return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("error", [errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EADDRINUSE])
def test_a_call_that_waits_says_how_it_ended(two_replicas: Desk, stack: Stack, error: int) -> None:
    sock = stack.socket()
    thread = play(two_replicas, [error])
    with pytest.raises(OSError, match=os.strerror(error)):
        sock.connect(PEER)
    thread.join()
    thread = play(two_replicas, [0])
    sock.connect(PEER)
    thread.join()
    assert sock.getpeername() == PEER


def test_create_connection_binds_sets_the_timeout_and_cleans_up(two_replicas: Desk, stack: Stack) -> None:
    thread = play(two_replicas, [0])
    with create_connection(stack, PEER, 5.0, ("10.77.0.2", 40000)) as sock:
        assert sock.gettimeout() == 5.0
        assert sock.getsockname() == ("10.77.0.2", 40000)
    thread.join()
    for replica in two_replicas.replicas:
        replica.heard()
    with pytest.raises(TimeoutError):
        create_connection(stack, PEER, 0.01)
    assert [s.kind for r in two_replicas.replicas for s in r.heard()] == [CONNECT]


def test_closed_before_the_replica_answers(two_replicas: Desk, stack: Stack) -> None:
    sock, replica, said = begun(two_replicas, stack)
    sock.close()
    replica.say(opening(said), opened())
    with Poll(stack) as poll:
        poll.poll(0.01)
    stack.flush()
    assert [(s.kind, s.id) for s in replica.heard()] == [(ABORT, ID)]


def test_closed_before_it_is_established(two_replicas: Desk, stack: Stack) -> None:
    sock, replica, said = begun(two_replicas, stack)
    replica.say(opening(said))
    assert sock.getsockname()[1] == 40000
    sock.close()
    replica.say(opened())
    stack.turn()
    stack.flush()
    assert [(s.kind, s.id) for s in replica.heard()] == [(CLOSE, ID)]


def test_shutdown_gives_the_attempt_up(two_replicas: Desk, stack: Stack) -> None:
    sock, replica, said = begun(two_replicas, stack)
    replica.say(opening(said))
    stack.turn()
    sock.shutdown(socket.SHUT_WR)
    stack.flush()
    assert [(s.kind, s.id) for s in replica.heard()] == [(ABORT, ID)]
    assert sock.connect_ex(PEER) == errno.EINPROGRESS
    asked(two_replicas, stack)


def test_the_replica_dies_meanwhile(two_replicas: Desk, stack: Stack) -> None:
    mortal = two_replicas.add_replica(3)
    while len(stack.links) < 3:
        stack.sleep(100_000)
    sock = stack.socket()
    sock.setblocking(False)
    while True:
        sock.connect_ex(PEER)
        replica, _ = asked(two_replicas, stack)
        if replica is mortal:
            break
        sock.shutdown(socket.SHUT_RDWR)
    two_replicas.remove_replica(mortal)
    with Poll(stack) as poll:
        poll.register(sock, POLLOUT)
        assert poll.poll(5) == [(sock, POLLOUT | POLLERR | POLLHUP)]
    assert sock.connect_ex(PEER) == errno.ECONNRESET


def test_options_and_a_bound_end_go_with_it(two_replicas: Desk, stack: Stack) -> None:
    sock = stack.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind(("10.77.0.2", 4000))
    assert sock.connect_ex(PEER) == errno.EINPROGRESS
    replica, said = asked(two_replicas, stack)
    ends = (8000).to_bytes(2, "big") + (4000).to_bytes(2, "big") + CLIENT + OURS
    assert said.payload == ends + NODELAY.to_bytes(4, "big") + (1).to_bytes(4, "big")
    replica.say(opening(said))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    stack.flush()
    assert [(s.kind, s.id, s.value, s.second) for s in replica.heard()] == [(OPTION, ID, NODELAY, 0)]


def test_a_bound_port_has_one_replica_and_others_spread(two_replicas: Desk, stack: Stack) -> None:
    chosen: dict[int, set[int]] = {}
    for port in [0] * 40 + [5000] * 4 + [5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008]:
        sock = stack.socket()
        sock.setblocking(False)
        sock.bind(("", port))
        sock.connect_ex(PEER)
        chosen.setdefault(port, set()).add(asked(two_replicas, stack)[0].index)
    assert chosen[0] == {1, 2}
    assert len(chosen[5000]) == 1
    assert set.union(*(chosen[port] for port in range(5000, 5009))) == {1, 2}


def test_what_cannot_be_connected(stack: Stack) -> None:
    sock = stack.socket()
    for address, kind in (
        (("no address", 80), socket.gaierror),
        (("10.77.0.1", 70000), OverflowError),
        (("10.77.0.1", 0), ConnectionRefusedError),
    ):
        with pytest.raises(kind):
            sock.connect(address)
    sock.close()
    with pytest.raises(OSError, match="Bad file"):
        sock.connect(PEER)


def test_without_a_replica_there_is_no_way(stack: Stack) -> None:
    for link in stack.links:
        link.accepting = False
    sock = stack.socket()
    sock.setblocking(False)
    assert sock.connect_ex(PEER) == errno.ENETDOWN


@pytest.mark.parametrize(
    "records",
    [
        (record(OPENING, 0, 1, 0, ENDS),),
        (record(OPENING, ID, 1, 0, ENDS[:-1]),),
        (record(REFUSED, 0, 1, 5, b"more"),),
        (record(OPENING, ID, 1, 0, ENDS), opened(), opened()),
        (record(30, 0),),
    ],
)
def test_answers_that_cannot_be_cost_the_link(two_replicas: Desk, stack: Stack, records: tuple[bytes, ...]) -> None:
    sock, replica, _ = begun(two_replicas, stack)
    replica.say(*records)
    stack.turn()
    assert stack.faults == 1
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
