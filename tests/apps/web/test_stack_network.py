"""The web server over the real socket library and rings: what a replica sees of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from neatctl.apps.web.http import Options, Service
from neatctl.apps.web.server import Server
from neatctl.apps.web.stack_network import StackNetwork
from neatctl.core.channel.records import ABORT, CLOSE, CONSUMED, OPTION, SEND, SHUT, TAKEN, THEN_CLOSE, THEN_SHUT
from tests.apps.web.exchange import SECONDS, responses, small_site
from tests.apps.web.replica_side import ReplicaSide

SMALL = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
FINAL = b"GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"

Heard = list[tuple[int, int, int, int, bytes]]


class Bench:
    """A server on the library, and the replica that it is linked to."""

    def __init__(self, replica: ReplicaSide) -> None:
        self.replica = replica
        self.stack = replica.stack()
        self.server = Server(
            StackNetwork(self.stack, 80), Service(small_site(), Options(max_requests=100)), lambda: SECONDS
        )
        self.now = 0

    def turn(self, count: int = 2) -> Heard:
        """What the replica hears after it flushed and the server turned."""
        self.replica.flush()
        for _ in range(count):
            self.server.turn(self.server.network.poll(0), self.now)
        self.stack.flush()
        return [record for record in self.replica.heard() if record[0] not in (TAKEN, CONSUMED, OPTION)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    replica = ReplicaSide(str(tmp_path))
    made = Bench(replica)
    yield made
    made.stack.close()
    replica.close()


def test_a_reply_and_the_close_after_it_are_one_record(bench: Bench) -> None:
    for ident in range(1, 20):
        bench.replica.accepted(ident)
        bench.replica.data(ident, FINAL)
    heard = bench.turn(1)
    assert [(kind, flags, ident) for kind, flags, ident, _, _ in heard] == [
        (SEND, THEN_CLOSE, ident) for ident in range(1, 20)
    ]
    assert {responses(payload)[0].body for *_, payload in heard} == {b"twenty octets, NEaT\n"}
    assert not bench.server.clients


def test_a_kept_connection(bench: Bench) -> None:
    bench.replica.accepted(1)
    assert bench.turn() == []
    for part in (SMALL, SMALL + SMALL[:10], SMALL[10:]):
        bench.replica.data(1, part)
        ((kind, flags, ident, _, payload),) = bench.turn()
        assert (kind, flags, ident) == (SEND, 0, 1)
        assert responses(payload)[0].status == 200
    bench.replica.end(1)
    assert [record[:3] for record in bench.turn()] == [(CLOSE, 0, 1)]


def test_a_large_reply_waits_for_room(bench: Bench) -> None:
    bench.replica.accepted(1, room=1000)
    bench.replica.data(1, LARGE)
    got = b""
    while len(got) < 502000:
        heard = bench.turn()
        assert all(kind == SEND and len(payload) <= 65536 for kind, _, _, _, payload in heard)
        assert sum(len(payload) for *_, payload in heard) <= 90000
        got += b"".join(payload for *_, payload in heard)
        bench.replica.room(1, 90000)
    (response,) = responses(got)
    assert response.body == bytes(range(251)) * 2000
    bench.replica.data(1, SMALL)
    assert responses(bench.turn()[0][4])[0].body == b"twenty octets, NEaT\n"


def test_a_full_ring_holds_nobody_up_for_ever(bench: Bench) -> None:
    for ident in range(1, 9):
        bench.replica.accepted(ident)
        bench.replica.data(ident, LARGE)
    got: dict[int, bytes] = dict.fromkeys(range(1, 9), b"")
    for _ in range(300):
        for _, _, ident, _, payload in bench.turn():
            got[ident] += payload
    assert [len(responses(octets)[0].body) for octets in got.values()] == [502000] * 8


def test_a_refusal_ends_with_a_fin_and_lingers(bench: Bench) -> None:
    bench.replica.accepted(1)
    bench.replica.data(1, b"BAD\r\n\r\n")
    heard = bench.turn()
    assert (heard[0][0], heard[0][1]) in ((SEND, THEN_SHUT), (SEND, 0))
    assert heard[0][1] == THEN_SHUT or heard[1][0] == SHUT
    bench.replica.data(1, b"more")
    assert bench.turn() == []
    bench.replica.end(1)
    assert [record[0] for record in bench.turn()] == [CLOSE]


def test_resets_and_the_death_of_a_replica_end_connections_only(bench: Bench) -> None:
    for ident in (1, 2, 3):
        bench.replica.accepted(ident)
        bench.replica.data(ident, SMALL)
    assert len(bench.turn()) == 3
    bench.replica.reset(2, errno.ECONNRESET)
    bench.replica.data(3, SMALL)
    assert [(kind, ident) for kind, _, ident, _, _ in bench.turn()] == [(SEND, 3)]
    assert bench.server.counters()["lost"] == 1
    bench.stack.links[0].close(errno.ECONNRESET)
    bench.stack.links.clear()
    bench.turn()
    assert not bench.server.clients
    assert bench.server.counters()["lost"] == 3


def test_drained(bench: Bench) -> None:
    for ident in (1, 2):
        bench.replica.accepted(ident)
        bench.replica.data(ident, SMALL)
    bench.turn()
    bench.replica.accepted(3, room=10)
    bench.replica.data(3, LARGE)
    bench.turn()
    bench.server.drain(0)
    assert sorted(record[:3] for record in bench.turn()) == [(CLOSE, 0, 1), (CLOSE, 0, 2)]
    bench.now = 11_000_000
    assert [record[0] for record in bench.turn()] == [ABORT]
    assert bench.server.done()
