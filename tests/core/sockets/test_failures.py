"""What a program sees when replicas die, are reborn or break the rules: their connections fail, nothing else does."""

from __future__ import annotations

import errno

import pytest

from neatctl.core.channel.records import ACCEPTED, DATA, END, MAX_SEND, ROOM, SEND
from neatctl.core.sockets import POLLERR, POLLHUP, POLLIN, POLLOUT, Poll, Stack
from tests.core.sockets.desk import Desk, HandReplica, Program, record


def await_links(program: Program, *keys: tuple[int, int]) -> None:
    """Let the program wait until it has these links."""
    poll = Poll(program.stack)
    for _ in range(1000):
        if sorted((link.replica, link.generation) for link in program.stack.links) == sorted(keys):
            return
        poll.poll(0.005)
    raise AssertionError(f"no links {keys}")


def test_a_replicas_death_resets_its_connections_and_no_others(program: Program) -> None:
    desk = program.desk
    stays, dies = desk.replicas
    kept, kept_id = program.connection(stays, timeout=0)
    lost, lost_id = program.connection(dies, timeout=0)
    dies.data(lost_id, b"before")
    poll = Poll(program.stack)
    poll.register(kept, POLLIN)
    poll.register(lost, POLLIN | POLLOUT)
    assert poll.poll(0) == [(lost, POLLIN | POLLOUT)]
    desk.remove_replica(dies)
    try:
        await_links(program, stays.key)
        assert poll.poll(0) == [(lost, POLLIN | POLLOUT | POLLERR | POLLHUP)]
        assert lost.recv(10) == b"before"
        with pytest.raises(ConnectionResetError):
            lost.recv(10)
        lost.close()
        assert kept.send(b"alive") == 5
        program.stack.flush()
        assert [s.payload for s in stays.heard()] == [b"alive"]
        stays.data(kept_id, b"too")
        assert poll.poll(0) == [(kept, POLLIN)]
    finally:
        reborn = desk.add_replica(dies.index)
    # The listening socket goes on, in the reborn replica too.
    await_links(program, stays.key, reborn.key)
    fresh, _ = program.connection(reborn, timeout=0)
    fresh.send(b"hello")
    program.stack.flush()
    assert [s.payload for s in reborn.heard()] == [b"hello"]


def test_connections_that_nobody_accepted_die_with_their_replica(program: Program) -> None:
    desk = program.desk
    stays, dies = desk.replicas
    dies.accepted(1, port=1111)
    stays.accepted(2, port=2222)
    program.stack.turn()
    desk.remove_replica(dies)
    try:
        await_links(program, stays.key)
        assert program.server.accept()[1][1] == 2222
        program.server.settimeout(0)
        with pytest.raises(BlockingIOError):
            program.server.accept()
    finally:
        desk.add_replica(dies.index)


def test_a_program_that_sleeps_learns_of_a_death(program: Program) -> None:
    desk = program.desk
    dies = desk.replicas[1]
    sock, _ = program.connection(dies, timeout=5)
    desk.remove_replica(dies)
    try:
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    finally:
        desk.add_replica(dies.index)


BAD = {
    "too short": b"short",
    "no such kind": record(99, 101),
    "an application's kind": record(SEND, 101, payload=b"x"),
    "an end with octets": record(END, 101, payload=b"x"),
    "too many octets": record(DATA, 101, payload=bytes(MAX_SEND + 1)),
    "a connection without addresses": record(ACCEPTED, 55),
    "a connection twice": record(ACCEPTED, 101, 1, 1, bytes(12)),
}


@pytest.fixture(params=list(BAD.values()), ids=list(BAD))
def bad(request: pytest.FixtureRequest) -> bytes:
    octets: bytes = request.param
    return octets


def test_a_replica_that_breaks_the_rules_loses_its_link(program: Program, bad: bytes) -> None:
    good_replica, bad_replica = program.desk.replicas
    kept, kept_id = program.connection(good_replica, timeout=0)
    lost = program.connection(bad_replica, timeout=0)[0]
    program._ids = 100
    twin, twin_id = program.connection(bad_replica, timeout=0)
    assert twin_id == 101
    bad_replica.say(bad)
    good_replica.data(kept_id, b"fine")
    for _ in range(3):
        program.stack.turn()
    for sock in (lost, twin):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert kept.recv(10) == b"fine"
    assert program.stack.faults == 1
    Poll(program.stack).poll(0.01)
    assert [link.replica for link in program.stack.links] == [good_replica.index]


@pytest.mark.parametrize("index", [1 << 40, -8])
def test_an_index_that_cannot_be_is_the_replicas_fault(two_replicas: Desk, index: int) -> None:
    with two_replicas.stack() as stack:
        program = Program(two_replicas, stack)
        replica = two_replicas.replicas[0]
        sock, _ = program.connection(replica, timeout=0, room=1 << 29)
        _spoil_head(replica, index)
        with pytest.raises(ConnectionResetError):
            sock.sendall(bytes(8 * MAX_SEND))
        assert stack.faults == 1


def _spoil_head(replica: HandReplica, index: int) -> None:
    """Write a head that cannot be into the ring to the replica."""
    consumer, _ = replica.link()
    consumer.memory.store64(128, index)


def test_room_without_end_is_a_fault(program: Program) -> None:
    sock, id = program.connection(timeout=0)
    program.replica.say(record(ROOM, id, 0x7FFFFFFF), record(ROOM, id, 0x7FFFFFFF))
    program.stack.turn()
    program.stack.turn()
    with pytest.raises(ConnectionResetError):
        sock.send(b"x")


def test_a_stack_that_is_not_there(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError):
        Stack.connect_to(f"{tmp_path}", "test")


def test_a_server_that_does_not_answer(two_replicas: Desk) -> None:
    with pytest.raises(TimeoutError, match="is neatctl up") as caught:
        Stack.connect_to(two_replicas.run, "test", "ipc", timeout_s=0.05)
    assert caught.value.errno == errno.ETIMEDOUT
