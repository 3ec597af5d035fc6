"""Exact filters: whom they send where, and what there is no room for."""

from __future__ import annotations

import pytest

from neatctl.core.native import Memory
from neatctl.nic.counters import Counters
from neatctl.nic.filters import ROOM, TCP, UDP, Filters, FiltersFull
from neatctl.nic.rss import Rss
from neatctl.nic.steering import DRAINING, OPEN, Steering
from neatctl.nic.tracking import MAX_REPLICA, Tracking
from tests.nic import frames as f

RSS = Rss(bytes(range(40)))


def key(port: int) -> bytes:
    return bytes([10, 77, 0, 1, 10, 77, 0, 2]) + port.to_bytes(2, "big") + b"\0\x50"


def hashed(octets: bytes) -> int:
    return RSS.hash(Memory(octets), 0, len(octets))


def steer(steering: Steering, port: int, flags: int) -> int:
    frame = f.tcp(f.CLIENT, port, flags)
    return steering.inbound(Memory(frame), 0, len(frame), 0)


def test_a_filter_goes_before_rss_and_a_tracked_flow_before_both() -> None:
    steering = Steering(RSS, Tracking(100), Counters())
    steering.set_states({1: OPEN, 2: OPEN, 3: OPEN}, 0)
    where = {port: steer(steering, port, f.SYN) for port in range(4000, 4030)}
    other = {port: replica % 3 + 1 for port, replica in where.items()}
    filters = Filters()
    for port, replica in other.items():
        filters.add(key(port), hashed(key(port)), replica)
    steering.set_filters(filters)
    assert {port: steer(steering, port, f.ACK) for port in where} == where, "tracked before"
    fresh = Steering(RSS, Tracking(100), Counters())
    fresh.set_states({1: OPEN, 2: OPEN, 3: OPEN}, 0)
    fresh.set_filters(filters)
    assert {port: steer(fresh, port, f.SYN) for port in where} == other
    fresh.set_filters(None)
    assert {port: steer(fresh, port, f.ACK) for port in where} == other, "tracked since"


def test_a_filter_for_a_replica_that_takes_no_new_flows_is_passed_over() -> None:
    steering = Steering(RSS, Tracking(100), Counters())
    steering.set_states({1: OPEN, 2: DRAINING}, 0)
    filters = Filters()
    filters.add(key(4000), hashed(key(4000)), 2)
    steering.set_filters(filters)
    assert steer(steering, 4000, f.SYN) == 1


def test_8190_filters_fit_and_one_more_is_an_error() -> None:
    filters = Filters()
    for port in range(ROOM):
        filters.add(key(port), hashed(key(port)), 1 + port % 7)
    with pytest.raises(FiltersFull, match="8,190"):
        filters.add(key(ROOM), hashed(key(ROOM)), 1)
    filters.add(key(5), hashed(key(5)), 9)
    found = [filters.replica(Memory(key(port)), 12, TCP, hashed(key(port))) for port in range(ROOM + 1)]
    assert found == [9 if port == 5 else 1 + port % 7 for port in range(ROOM)] + [0]
    assert filters.count == ROOM


def test_a_filter_is_for_one_protocol() -> None:
    filters = Filters()
    octets = key(4000)
    filters.add(octets, hashed(octets), 1)
    filters.add(octets, hashed(octets), 2, UDP)
    assert [filters.replica(Memory(octets), 12, protocol, hashed(octets)) for protocol in (TCP, UDP, 132)] == [1, 2, 0]
    assert filters.count == 2
    with pytest.raises(ValueError, match="protocol 132"):
        filters.add(octets, hashed(octets), 1, 132)


def test_what_a_filter_decides_is_counted_and_udp_is_filtered_too() -> None:
    counters = Counters()
    steering = Steering(RSS, Tracking(100), counters)
    steering.set_states({1: OPEN, 2: OPEN}, 0)
    frame = f.udp(f.CLIENT, 4000)
    octets = frame[26:38]
    free = steering.inbound(Memory(frame), 0, len(frame), 0)
    filters = Filters()
    filters.add(octets, hashed(octets), 3 - free, UDP)
    steering.set_filters(filters)
    assert steering.inbound(Memory(frame), 0, len(frame), 0) == 3 - free
    assert counters.read()["filtered"] == 1


@pytest.mark.parametrize(("octets", "replica"), [(key(1)[:-1], 1), (key(1), 0), (key(1), MAX_REPLICA + 1)])
def test_what_is_no_filter_is_refused(octets: bytes, replica: int) -> None:
    with pytest.raises(ValueError, match=r"flow key|replicas"):
        Filters().add(octets, 0, replica)
