"""Tracking filters: what is put in is found until its time is over, in states that follow the segments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.tracking import CLOSING, ESTABLISHED, GONE, NEW, TCP4, TCP6, Tracking

FIN, SYN, RST, ACK = 1, 2, 4, 16
SECOND = 1_000_000


def key(number: int) -> Memory:
    return Memory(number.to_bytes(36, "big")[::-1])


def table(flows: int = 8) -> Tracking:
    return Tracking(flows, time_wait_us=60 * SECOND, new_us=100 * SECOND, idle_us=1000 * SECOND)


def expire_all(tracking: Tracking, now: int) -> int:
    # What is removed counts as looked at, so that one round of the table may need two.
    return tracking.expire(now, tracking.slots) + tracking.expire(now, tracking.slots)


# So many that each of the 17 slots is somebody's first choice, and so few that runs meet and wrap around the end.
HASHES = [i * 0x2F0B4C47 & 0xFFFFFFFF for i in range(40)]

operations = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "find", "remove", "remove", "expire"]),
        st.integers(0, 20),
        st.sampled_from([TCP4, TCP6]),
        st.sampled_from(HASHES),
    ),
    min_size=20,
    max_size=60,
)


@settings(max_examples=120, deadline=None)
@given(operations)
def test_it_behaves_as_a_dictionary_of_bounded_size(steps: list[tuple[str, int, int, int]]) -> None:
    tracking = table(12)
    model: dict[tuple[int, int], tuple[int, int]] = {}
    hashes: dict[tuple[int, int], int] = {}
    now = 0
    for verb, number, kind, hashed in steps:
        now += 30 * SECOND
        flow = (number, kind)
        hashed = hashes.setdefault(flow, hashed)
        slot = tracking.find(key(number), kind, hashed)
        assert (slot >= 0) == (flow in model)
        if slot >= 0:
            assert tracking.replica(slot) == model[flow][0]
        if verb == "insert" and slot < 0:
            inserted = tracking.insert(key(number), kind, hashed, number + 1, ESTABLISHED, now)
            assert (inserted >= 0) == (len(model) < 12)
            if inserted >= 0:
                model[flow] = (number + 1, now)
        elif verb == "remove" and slot >= 0:
            tracking.remove(slot)
            del model[flow]
        elif verb == "expire":
            expire_all(tracking, now)
            model = {flow: (replica, seen) for flow, (replica, seen) in model.items() if now - seen <= 1000 * SECOND}
        assert tracking.count == len(model)
    assert sorted(replica for _, replica, _ in tracking.flows()) == sorted(replica for replica, _ in model.values())


def test_addresses_and_kinds_part_flows_of_the_same_hash() -> None:
    tracking = table()
    tracking.insert(key(1), TCP4, 5, 1, NEW, 0)
    assert tracking.find(key(2), TCP4, 5) == -1
    assert tracking.find(key(1), TCP6, 5) == -1
    assert tracking.find(key(1), TCP4, 5) >= 0


@pytest.mark.parametrize(
    ("segments", "state"),
    [
        ([], NEW),
        ([("in", SYN)], NEW),
        ([("in", ACK)], ESTABLISHED),
        ([("in", ACK), ("in", FIN | ACK)], CLOSING),
        ([("in", ACK), ("out", FIN | ACK)], CLOSING),
        ([("in", ACK), ("in", FIN | ACK), ("in", FIN | ACK)], CLOSING),
        ([("in", ACK), ("in", FIN | ACK), ("in", ACK)], CLOSING),
        ([("in", ACK), ("in", FIN | ACK), ("out", FIN | ACK)], GONE),
        ([("in", ACK), ("out", FIN | ACK), ("in", FIN | ACK)], GONE),
        ([("in", ACK), ("out", FIN | ACK), ("in", FIN | ACK), ("in", ACK)], GONE),
        ([("out", RST)], GONE),
        ([("in", RST)], GONE),
        ([("in", ACK), ("in", RST), ("in", RST)], GONE),
        # A forged RST ends nothing for the replica: the flow goes on, and the NIC with it.
        ([("in", ACK), ("in", RST), ("in", ACK)], ESTABLISHED),
        ([("in", FIN | ACK), ("in", RST), ("in", ACK)], CLOSING),
        ([("in", FIN | ACK), ("out", FIN | ACK), ("in", RST), ("in", ACK)], GONE),
    ],
)
def test_states_follow_the_segments(segments: list[tuple[str, int]], state: int) -> None:
    tracking = table()
    slot = tracking.insert(key(1), TCP4, 9, 1, NEW, 0)
    for way, flags in segments:
        if way == "in":
            tracking.arrived(slot, flags, 0)
        else:
            tracking.left(slot, flags, 0)
    assert tracking.state(slot) == state


@pytest.mark.parametrize(("state", "limit"), [(NEW, 100), (ESTABLISHED, 1000), (CLOSING, 1000), (GONE, 60)])
def test_each_state_has_its_time(state: int, limit: int) -> None:
    tracking = table()
    tracking.insert(key(1), TCP4, 9, 1, state, 10 * SECOND)
    assert expire_all(tracking, (10 + limit) * SECOND) == 0
    assert expire_all(tracking, (10 + limit) * SECOND + 2048) == 1
    assert tracking.count == 0


def test_a_segment_begins_the_time_anew_and_limits_can_be_changed() -> None:
    tracking = table()
    slot = tracking.insert(key(1), TCP4, 9, 1, ESTABLISHED, 0)
    tracking.arrived(slot, ACK, 900 * SECOND)
    assert expire_all(tracking, 1800 * SECOND) == 0
    tracking.set_limits(SECOND, SECOND, 5 * SECOND)
    assert expire_all(tracking, 1800 * SECOND) == 1


def test_times_beyond_32_bits_of_ticks_count() -> None:
    tracking = table()
    weeks = 49 * 24 * 3600 * SECOND
    tracking.insert(key(1), TCP4, 9, 1, GONE, 2 * weeks)
    assert expire_all(tracking, 2 * weeks + 59 * SECOND) == 0
    assert expire_all(tracking, 2 * weeks + 61 * SECOND) == 1


def test_flows_of_a_dead_incarnation_are_kept_for_time_wait_unless_seen_again() -> None:
    tracking = table()
    tracking.insert(key(1), TCP4, 9, 1, ESTABLISHED, SECOND)
    seen = tracking.insert(key(2), TCP4, 8, 1, ESTABLISHED, SECOND)
    tracking.insert(key(3), TCP4, 7, 2, ESTABLISHED, SECOND)
    tracking.reborn(1, 20 * SECOND)
    tracking.insert(key(4), TCP4, 6, 1, ESTABLISHED, 20 * SECOND)
    tracking.arrived(seen, ACK, 30 * SECOND)
    assert expire_all(tracking, 59 * SECOND) == 0
    assert expire_all(tracking, 70 * SECOND) == 1
    assert tracking.find(key(1), TCP4, 9) == -1


def test_expiry_is_incremental() -> None:
    tracking = table(100)
    for i in range(100):
        tracking.insert(key(i), TCP4, i * 0x1234567 & 0xFFFFFFFF, 1, GONE, 0)
    rounds = []
    while tracking.count:
        rounds.append(tracking.expire(61 * SECOND, 10))
        assert len(rounds) <= 50
    assert max(rounds) <= 10
    assert sum(rounds) == tracking.expired == 100


def test_in_a_full_table_a_gone_flow_of_the_same_run_makes_room() -> None:
    tracking = table(4)
    for i in range(4):
        tracking.insert(key(i), TCP4, 0x8000, i + 1, ESTABLISHED, 0)
    assert tracking.insert(key(9), TCP4, 0x8000, 9, NEW, 0) == -1
    tracking.left(tracking.find(key(2), TCP4, 0x8000), RST, 0)
    assert tracking.insert(key(9), TCP4, 0x8000, 9, NEW, 0) >= 0
    assert (tracking.count, tracking.evicted) == (4, 1)
    assert tracking.find(key(2), TCP4, 0x8000) == -1
    slot = tracking.find(key(9), TCP4, 0x8000)
    assert (tracking.replica(slot), tracking.state(slot)) == (9, NEW)
    assert all(tracking.find(key(i), TCP4, 0x8000) >= 0 for i in (0, 1, 3))


def test_a_flow_costs_64_octets() -> None:
    flows = 3 * 50_000
    assert Tracking(flows).memory.octets <= 64 * flows + 128
