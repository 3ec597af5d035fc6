"""Two of our machines over a bad wire, and garbage from a peer that knows the numbers.

Octets arrive in order and exactly once, both ends close, every timer ends, nothing is left over; whatever segment
comes in whatever state, nothing raises, and the machine keeps its invariants.
"""

from __future__ import annotations

import random
from errno import ECONNRESET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neatctl.core.channel.records import ABORT, CLOSE, CONSUMED, OPTION, SEND, SHUT
from neatctl.core.native import COMPILED
from neatctl.core.tcp.tcb import Tcb
from tests.core.tcp.host import LISTENER, MS, Host, Peer
from tests.core.tcp.wire import Program, Weather, Wire

MANY = 60 if COMPILED else 15
slow = settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow])

weathers = st.builds(
    Weather,
    loss=st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.25]),
    duplicate=st.sampled_from([0.0, 0.1]),
    delay_us=st.sampled_from([20, 1_000, 50_000]),
    jitter_us=st.sampled_from([0, 300]),
    reorder=st.sampled_from([0.0, 0.1]),
    reorder_us=st.sampled_from([500, 20_000]),
)


def settle(wire: Wire) -> None:
    """Nothing is left of a connection on either side."""
    for host in (wire.client, wire.server):
        assert host.tcp.tables.flows == {}
        assert host.tcp.connections == 0
        assert host.tcp.deadline() == -1
        assert host.tcp.pending == 0
        assert host.tcp.tables.numbered() == []


@slow
@given(
    st.integers(0, 1 << 30),
    weathers,
    weathers,
    st.integers(0, 60_000),
    st.integers(0, 30_000),
    st.sampled_from([1, 100, 5_000, 60_000]),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.fixed_dictionaries(
        {
            "gso_octets": st.sampled_from([0, 61440]),
            "mtu": st.sampled_from([576, 1500]),
            "receive_buffer_octets": st.sampled_from([3_000, 40_000, 262_144]),
            "send_buffer_octets": st.sampled_from([5_000, 1 << 20]),
            "app_octets": st.sampled_from([1 << 18, 1 << 20]),
            "nic_octets": st.sampled_from([1 << 17, 1 << 20]),
        }
    ),
)
def test_octets_arrive_in_order_and_exactly_once(
    seed: int,
    there: Weather,
    back: Weather,
    up: int,
    down: int,
    chunk: int,
    lazy: float,
    changes: dict[str, object],
) -> None:
    wire = Wire(seed, there, back, **changes)
    rng = random.Random(seed)
    sent, answered = rng.randbytes(up), rng.randbytes(down)
    chunk = max(chunk, (up + down) // 400)
    client = Program(wire.client, sent, rng, chunk, lazy, polite=True)
    server = Program(wire.server, answered, rng, chunk, lazy, polite=True)
    wire.programs = [client, server]
    wire.connect(40000)
    wire.run()
    # Who closes last may see a reset when its peer gave up retransmitting to a machine that had all.
    assert client.got == answered, (len(client.got), down, client.error, server.error)
    assert server.got == sent, (len(server.got), up, client.error, server.error)
    assert client.ended
    assert server.ended
    settle(wire)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_server_that_closes_with_its_answer(loss: float) -> None:
    for seed in range(20):
        wire = Wire(seed, Weather(loss=loss), Weather(loss=loss))
        rng = random.Random(seed)
        answer = rng.randbytes(20_000)
        client = Program(wire.client, b"", rng, 5_000, 0.0, polite=True)
        server = Program(wire.server, answer, rng, 5_000, 0.0, polite=False)
        wire.programs = [client, server]
        wire.connect(40000)
        wire.run()
        assert client.got == answer
        assert client.error in {0, ECONNRESET}
        settle(wire)


def test_five_per_cent_loss_is_repaired_without_many_timeouts() -> None:
    timeouts = 0
    for seed in range(10):
        wire = Wire(seed, Weather(loss=0.05), Weather(loss=0.05), gso_octets=0)
        rng = random.Random(seed)
        data = rng.randbytes(1_000_000)
        wire.programs = [
            Program(wire.client, data, rng, 60_000, 0.0, polite=True),
            Program(wire.server, b"", rng, 60_000, 0.0, polite=True),
        ]
        wire.connect(40000)
        wire.run()
        assert wire.programs[1].got == data
        timeouts += wire.client.tcp.counters.retransmission_timeouts
    assert timeouts < 10 * 5


numbers = st.one_of(st.integers(-3, 40), st.integers(-70_000, 400_000), st.integers(0, 0xFFFFFFFF))
segments = st.tuples(
    st.sets(st.sampled_from("FSRPAU")),
    numbers,
    numbers,
    st.sampled_from([0, 1, 20, 1460, 3000]),
    st.sampled_from([0, 1, 500, 65535]),
    st.one_of(
        st.just(b""),
        st.binary(max_size=40),
        st.builds(lambda n: b"\x01\x01\x08\x0a" + n.to_bytes(4, "big") + bytes(4), st.integers(0, 0xFFFFFFFF)),
        st.builds(
            lambda a, b: (
                b"\x01\x01\x05\x0a" + (a & 0xFFFFFFFF).to_bytes(4, "big") + (b & 0xFFFFFFFF).to_bytes(4, "big")
            ),
            numbers,
            numbers,
        ),
    ),
)
calls = st.tuples(
    st.sampled_from([SEND, SHUT, CLOSE, ABORT, CONSUMED, OPTION]),
    st.integers(1, 5000),
)
pauses = st.sampled_from([1, 300, 45 * MS, 250 * MS, 5_000 * MS, 70_000 * MS])


def check(host: Host) -> None:
    """What holds of every connection at any time."""
    for flow in host.tcp.tables.flows.values():
        if not isinstance(flow, Tcb):
            continue
        assert flow.snd_una <= flow.snd_nxt
        assert flow.snd_nxt <= max(flow.data_end(), flow.iss + 1) + (1 if flow.fin_queued else 0)
        assert 0 <= flow.unread + flow.held_octets <= host.config.receive_buffer_octets + 8
        assert flow.rcv_nxt <= flow.rcv_adv + 1
        assert 0 <= flow.room + flow.room_owed + flow.buffer.octets <= host.config.send_buffer_octets
    listener = host.tcp.tables.listeners[LISTENER]
    assert 0 <= listener.half_open <= host.tcp.connections


@settings(max_examples=10 * MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.booleans(),
    st.booleans(),
    st.lists(st.one_of(segments, segments, segments, calls, pauses), max_size=40),
)
def test_nothing_that_arrives_in_any_state_raises_or_breaks_what_must_hold(
    opened: bool, timestamps: bool, events: list[object]
) -> None:
    host = Host(app_octets=1 << 13, nic_octets=1 << 15, gso_octets=3000)
    peer = Peer(host, timestamps=timestamps)
    peer.open(then_ack=False)
    if opened:
        peer.acknowledge()
    for event in events:
        if isinstance(event, int):
            host.pass_time(event)
        elif isinstance(event, tuple) and len(event) == 2:
            kind, value = event
            tcb = host.tcp.tables.with_id(peer.id) if peer.id else None
            if tcb is None:
                continue
            if kind == SEND and not tcb.fin_queued and value <= tcb.room:
                host.say(SEND, peer.id, payload=bytes(value))
            elif kind == CONSUMED:
                host.say(CONSUMED, peer.id, min(value, tcb.unread))
            elif kind == OPTION:
                host.say(OPTION, peer.id, 1, value & 1)
            elif kind != SEND:
                host.say(kind, peer.id)
        elif isinstance(event, tuple):
            flags, seq, ack, octets, window, options = event
            peer.send("".join(sorted(flags)), seq, ack, bytes(octets), window, options)
        check(host)
        host.sent()
        host.told()
        check(host)
    host.tcp.detach(1, host.now)
    for _ in range(5):
        host.sent()
    # A FIN that nobody acknowledges goes eight times more, at the pace that earlier timeouts have left.
    host.pass_time(1_200_000 * MS)
    assert host.tcp.tables.flows == {}
    assert host.tcp.deadline() == -1
