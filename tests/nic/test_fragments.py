"""Later fragments follow their first one, for as long as a receiver would wait for them."""

from __future__ import annotations

import pytest

from neatctl.nic.counters import DROP_FRAGMENT
from neatctl.nic.fragments import LIFETIME_US
from tests.nic import frames as f
from tests.nic.switch import Switch

MORE = 0x2000


def fragment(offset: int, more: bool, client: str = f.CLIENT, identification: int = 7, protocol: int = 17) -> bytes:
    """A fragment of a UDP datagram (or another protocol), at an offset in units of 8 octets."""
    header = f.udp_header(4000, 53, bytes(1600)) if protocol == 17 else f.tcp_header(4000, 80, f.ACK)
    part = header[:64] if offset == 0 else bytes(64)
    return f.ethernet(
        f.ipv4(part, protocol, client, fragment=offset | (MORE if more else 0), identification=identification)
    )


@pytest.mark.parametrize("protocol", [6, 17])
def test_all_fragments_go_where_the_ports_of_the_first_one_lead(protocol: int) -> None:
    switch = Switch(range(1, 9))
    for i in range(1, 60):
        client = f"10.77.1.{i}"
        first = switch.inbound(fragment(0, True, client, i, protocol))
        assert first == switch.inbound(fragment(8, True, client, i, protocol)) > 0
        assert first == switch.inbound(fragment(16, False, client, i, protocol))


def test_fragments_of_a_tracked_flow_stay_with_it_after_scaling() -> None:
    switch = Switch([1])
    switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN))
    switch.queues(range(2, 9), draining=[1])
    assert switch.inbound(fragment(0, True, protocol=6)) == 1
    assert switch.inbound(fragment(8, False, protocol=6)) == 1


def test_a_fragment_before_its_first_one_is_dropped_and_counted() -> None:
    switch = Switch([1, 2])
    assert switch.inbound(fragment(8, False)) == 0
    assert switch.drops() == {"drop_fragment": 1}


def test_another_datagram_protocol_or_host_is_another_matter() -> None:
    switch = Switch([1, 2])
    switch.inbound(fragment(0, True))
    for stranger in (
        fragment(8, False, identification=8),
        fragment(8, False, identification=7 + 1024),
        fragment(8, False, client="10.77.0.3"),
        fragment(8, False, protocol=6),
    ):
        assert switch.inbound(stranger) == 0
    assert switch.counters.get(DROP_FRAGMENT) == 4


def test_without_ports_fragments_need_no_first_one() -> None:
    switch = Switch(range(1, 9))
    for i in range(1, 60):
        client = f"10.77.1.{i}"
        late = switch.inbound(fragment(8, False, client, i, protocol=1))
        assert late > 0
        assert late == switch.inbound(f.echo(client))


def fragment6(offset: int, more: bool, front: bytes = b"", following: int = 6) -> bytes:
    """A fragment of a TCP segment over IPv6, at an offset in octets; `front` stands before a first one's segment."""
    part = front + f.tcp_header(4000, 80, f.ACK, bytes(40)) if offset == 0 else bytes(64)
    header = bytes((following, 0)) + (offset | more).to_bytes(2, "big") + (77).to_bytes(4, "big")
    return f.ethernet(f.ipv6(header + part, 44), 0x86DD)


def test_fragments_of_ipv6_follow_whatever_header_comes_first() -> None:
    switch = Switch(range(1, 9))
    options = bytes((6, 0, 1, 4, 0, 0, 0, 0))
    first = switch.inbound(fragment6(0, True, options, 60))
    assert first > 0
    assert switch.inbound(fragment6(64, False, following=60)) == first
    assert switch.inbound(fragment6(64, False, following=6)) == first


def test_nobody_waits_for_ever() -> None:
    switch = Switch([1, 2])
    first = switch.inbound(fragment(0, True), now=5)
    assert switch.inbound(fragment(8, True), now=5 + LIFETIME_US) == first
    assert switch.inbound(fragment(16, False), now=6 + LIFETIME_US) == 0


def test_a_closed_queue_gets_no_fragment_either() -> None:
    switch = Switch([1])
    switch.inbound(fragment(0, True))
    switch.queues([2], closed=[1])
    assert switch.inbound(fragment(8, False)) == 0
    assert switch.drops() == {"drop_queue_closed": 1}
