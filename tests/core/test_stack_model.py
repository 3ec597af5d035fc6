"""Two whole stacks over bad links: octets in order and exactly once, both ends close, timers end, nothing grows."""

from __future__ import annotations

import gc
import random
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neatctl.core.channel.records import ABORT
from neatctl.core.native import COMPILED
from tests.core.stack_wire import SERVER, BadLink, Link, StackHost

MANY = 40 if COMPILED else 10
links = st.builds(
    BadLink,
    loss=st.sampled_from([0.0, 0.01, 0.05, 0.15]),
    duplicate=st.sampled_from([0.0, 0.05]),
    corrupt=st.sampled_from([0.0, 0.01, 0.15]),
    reorder=st.sampled_from([0.0, 0.1]),
    delay_us=st.sampled_from([30, 5_000, 50_000]),
    reorder_us=st.sampled_from([500, 20_000]),
)


def is_harsh(bad: BadLink) -> bool:
    return bad.loss + bad.corrupt > 0.1


def settle(link: Link) -> None:
    """Nothing is left of any connection, on either side."""
    for host in (link.client, link.server):
        assert host.is_empty()
        assert host.stack.tcp.deadline() == -1


@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 1 << 30),
    links,
    links,
    st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)), min_size=1, max_size=3),
    st.fixed_dictionaries(
        {
            "mtu": st.sampled_from([576, 1500]),
            "receive_buffer_octets": st.sampled_from([4_000, 262_144]),
            "send_buffer_octets": st.sampled_from([5_000, 1 << 20]),
        }
    ),
)
def test_whole_stacks_carry_octets_in_order_and_exactly_once(
    seed: int, there: BadLink, back: BadLink, sizes: list[tuple[int, int]], changes: dict[str, object]
) -> None:
    link = Link(seed, there, back, **changes)
    rng = random.Random(seed)
    sent = [rng.randbytes(up) for up, _ in sizes]
    # Connections may be accepted in another order than they were opened: all get the same answer's octets.
    answer = rng.randbytes(sizes[0][1])
    link.answers = [answer] * len(sizes)
    clients = [link.connect(40_000 + n, data) for n, data in enumerate(sent)]
    link.run()
    servers = [program for program in link.programs if program not in clients]
    for client in clients:
        # With a third of all frames lost or damaged, a handshake or an end may be given up: then no octet is wrong.
        assert client.error == 0 or (is_harsh(there) or is_harsh(back)), client.error
        assert answer.startswith(client.got)
        if not client.error and not (client.got == answer and client.ended):
            # It has nothing to send, so nothing tells it that the server's program closed, and its TCP gave up.
            assert is_harsh(there) or is_harsh(back)
            assert link.server.stack.tcp.counters.timeouts
    assert all(any(data.startswith(program.got) for data in sent) for program in servers)
    if not any(program.error for program in link.programs):
        assert sorted(bytes(program.got) for program in servers) == sorted(sent)
    settle(link)


def test_a_neighbour_learned_from_a_damaged_frame_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first SYN's source MAC is damaged: no checksum tells, and answers would go astray for a minute."""
    link = Link(1, BadLink(), BadLink())
    link.answers = [b"answer"]
    arrive = link.server.arrive
    damaged: list[bytes] = []

    def damage(frame: bytes) -> None:
        if frame[12:14] == b"\x08\x00" and not damaged:
            frame = frame[:8] + b"\x55" + frame[9:]
            damaged.append(frame)
        arrive(frame)

    monkeypatch.setattr(link.server, "arrive", damage)
    # The client need not ask, so the SYN is the first that the server hears of it.
    link.client.stack.output.neighbours.learn(SERVER, b"\x02\x00" + SERVER, link.now)
    client = link.connect(40_000, b"question")
    link.run(link.now + 15_000_000)
    assert damaged
    assert client.got == b"answer"


def sizes_of(host: StackHost) -> dict[str, int]:
    """How large what a stack keeps between connections is."""
    tables = host.stack.tcp.tables
    return {
        "flows": len(tables.flows),
        "numbered": len(tables.numbered()),
        "pending": tables.pending,
        "live": tables.live,
    }


def some_connections(link: Link, first_port: int, count: int) -> None:
    """Connections one after the other: some close in order, some are reset in the middle by either side."""
    for n in range(count):
        link.programs.clear()
        link.answers = [bytes(20_000)]
        client = link.connect(first_port + n % 100, bytes(5_000))
        if n % 3:
            link.run(link.now + 500 * (n % 7))
            for program in link.programs:
                if program.id and not program.done and (n % 3 == 1) == (program is client):
                    program.host.say(ABORT, program.id)
                    program.closed = True
        link.run()
        link.programs.clear()
        for host in (link.client, link.server):
            host._told.clear()


def test_connections_leave_neither_entries_nor_memory() -> None:
    bad = BadLink(loss=0.03, duplicate=0.05, corrupt=0.02, reorder=0.1)
    link = Link(3, bad, bad)
    some_connections(link, 40_000, 10)
    settle(link)
    kept = sizes_of(link.server)
    some_connections(link, 40_000, 10)
    gc.collect()
    before = sys.getallocatedblocks()
    some_connections(link, 40_000, 20)
    gc.collect()
    after = sys.getallocatedblocks()
    settle(link)
    assert sizes_of(link.server) == kept
    assert after - before < 400
