"""Who gets a frame: the invariant is that no segment of a live flow reaches another replica."""

from __future__ import annotations

from collections import Counter as Tally

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from neatctl.nic.steering import ALL
from neatctl.nic.tracking import MAX_REPLICA
from tests.nic import frames as f
from tests.nic.switch import Switch

CLIENTS = [f"10.77.1.{i}" for i in range(1, 41)]
SECOND = 1_000_000


def test_new_flows_spread_over_the_open_queues_and_stay() -> None:
    switch = Switch([1, 2, 3, 4])
    owners = {client: switch.open_connection(client, 4000) for client in CLIENTS}
    assert set(owners.values()) == {1, 2, 3, 4}
    for client, owner in owners.items():
        assert switch.inbound(f.tcp(client, 4000, f.ACK, b"GET /")) == owner


@pytest.mark.parametrize("client", [f.CLIENT, f.CLIENT6])
def test_scaling_moves_new_flows_only(client: str) -> None:
    switch = Switch([1])
    assert switch.open_connection(client, 4000) == 1
    switch.queues([2, 3], draining=[1])
    for _ in range(3):
        assert switch.inbound(f.tcp(client, 4000, f.ACK, b"data")) == 1
    assert {switch.inbound(f.tcp(other, 4000, f.SYN)) for other in CLIENTS} == {2, 3}


def test_an_untracked_segment_goes_to_an_open_queue_which_will_answer_rst() -> None:
    switch = Switch([1, 2], flows=4)
    replica = switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK))
    assert replica in {1, 2}
    assert switch.count("flow_unknown") == 1
    assert switch.tracking.count == 0


def test_a_closed_queue_gets_nothing_and_its_flows_wait_for_its_rebirth() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.queues([2], closed=[1])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 0
    assert switch.drops() == {"drop_queue_closed": 1}
    switch.queues([1, 2])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 1, "the reborn replica answers with RST"


def test_a_syn_for_a_flow_of_a_dead_replica_is_a_new_flow() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.queues([2], closed=[1])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN)) == 2
    switch.queues([1, 2])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 2


@pytest.mark.parametrize("last", [[("in", f.RST)], [("out", f.RST)], [("out", f.FIN | f.ACK), ("in", f.FIN | f.ACK)]])
def test_a_syn_after_the_end_of_a_flow_is_a_new_flow(last: list[tuple[str, int]]) -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    for way, flags in last:
        if way == "in":
            assert switch.inbound(f.tcp(f.CLIENT, 4000, flags)) == 1
        else:
            switch.outbound(f.tcp(f.CLIENT, 4000, flags, reply=True), 1)
    switch.queues([2], draining=[1])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 1, "TIME-WAIT is the old replica's"
    switch.outbound(f.tcp(f.CLIENT, 4000, f.RST, reply=True), 1)
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN)) == 2
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 2


def test_a_stray_syn_does_not_take_a_live_flow_away() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.inbound(f.tcp(f.CLIENT, 4000, f.FIN | f.ACK))
    switch.queues([2], draining=[1])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN)) == 1, "it is for its replica to challenge"
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 1


def test_a_syn_sent_again_to_a_draining_replica_begins_elsewhere() -> None:
    switch = Switch([1])
    switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN))
    switch.queues([2], draining=[1])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN)) == 2
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 2


def test_a_syn_for_a_flow_of_a_dead_incarnation_is_a_new_flow() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.tracking.reborn(1, SECOND)
    switch.queues([2], draining=[1])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.SYN), 2 * SECOND) == 2


def test_a_port_that_is_used_again_is_followed_from_the_beginning() -> None:
    switch = Switch([1])
    for _ in range(2):
        switch.open_connection(f.CLIENT, 4000)
        switch.inbound(f.tcp(f.CLIENT, 4000, f.FIN | f.ACK))
        assert [state for _, _, state in switch.tracking.flows()] == ["closing"]
        switch.outbound(f.tcp(f.CLIENT, 4000, f.FIN | f.ACK, reply=True), 1)
        assert [state for _, _, state in switch.tracking.flows()] == ["gone"]


def test_flows_of_a_replica_that_was_collected_are_unknown() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.queues([2])
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 2
    assert (switch.tracking.count, switch.count("flow_unknown")) == (0, 1)


@pytest.mark.parametrize("server", [f.CLIENT, f.CLIENT6])
def test_the_answer_to_a_replicas_syn_comes_back_to_it(server: str) -> None:
    switch = Switch(range(1, 9))
    for port in range(5000, 5040):
        replica = port % 8 + 1
        switch.outbound(f.tcp(server, 80, f.SYN, reply=True, server_port=port), replica)
        assert switch.inbound(f.tcp(server, 80, f.SYN | f.ACK, server_port=port)) == replica


def test_a_syn_whose_answer_another_replica_would_get_does_not_leave() -> None:
    switch = Switch([1, 2], flows=1)
    syn = f.tcp(f.CLIENT, 80, f.SYN, reply=True, server_port=5000)
    assert switch.outbound(syn, 1)
    assert switch.outbound(syn, 1)
    assert not switch.outbound(syn, 2)
    assert switch.count("flow_conflict") == 1
    left = {}
    for port in range(5001, 5021):  # The table is full.
        answered = switch.inbound(f.tcp(f.CLIENT, 80, f.ACK, server_port=port))
        left[port] = answered == 1
        assert switch.outbound(f.tcp(f.CLIENT, 80, f.SYN, reply=True, server_port=port), 1) == left[port]
        assert switch.outbound(f.tcp(f.CLIENT, 80, f.SYN | f.ACK, reply=True, server_port=port), 1)
    assert set(left.values()) == {True, False}
    switch.queues([2])
    assert switch.outbound(syn, 2)
    assert switch.inbound(f.tcp(f.CLIENT, 80, f.SYN | f.ACK, server_port=5000)) == 2


def test_a_new_driver_learns_of_a_flow_from_the_syn_that_is_sent_again() -> None:
    frames = [(f.tcp(f.CLIENT, 80, f.SYN, reply=True, server_port=port), port % 8 + 1, port) for port in range(64)]
    for switch in (Switch(range(1, 9)), Switch(range(1, 9))):
        for syn, replica, port in frames:
            assert switch.outbound(syn, replica)
            assert switch.inbound(f.tcp(f.CLIENT, 80, f.SYN | f.ACK, server_port=port)) == replica


def test_a_replica_cannot_take_another_ones_flow() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.queues([1, 2])
    for flags in (f.SYN, f.RST, f.FIN | f.ACK):
        switch.outbound(f.tcp(f.CLIENT, 4000, flags, reply=True), 2)
        assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 1
    assert switch.told(f.key_of(f.CLIENT, 4000), 2)
    assert switch.inbound(f.tcp(f.CLIENT, 4000, f.ACK)) == 1
    assert switch.count("flow_conflict") == 2
    assert {state for _, _, state in switch.tracking.flows()} == {"established"}


@pytest.mark.parametrize("client", [f.CLIENT, f.CLIENT6])
def test_a_flow_that_was_told_is_tracked(client: str) -> None:
    switch = Switch([1, 2, 3])
    for port, replica in ((4000, 1), (4001, 2), (4002, 3)):
        assert switch.told(f.key_of(client, port), replica)
        assert switch.inbound(f.tcp(client, port, f.ACK)) == replica
    assert not switch.told(bytes(13), 1), "no key has 13 octets"


def test_a_full_table_steers_by_rss_and_counts() -> None:
    switch = Switch([1, 2, 3, 4], flows=8)
    first = [switch.inbound(f.tcp(client, 4000, f.SYN)) for client in CLIENTS]
    assert switch.count("flows_new") == 8
    assert switch.count("flows_full") == len(CLIENTS) - 8
    assert [switch.inbound(f.tcp(client, 4000, f.ACK)) for client in CLIENTS] == first, "while nobody scales"


def test_icmp_errors_follow_the_flow_that_they_quote() -> None:
    switch = Switch([1])
    switch.open_connection(f.CLIENT, 4000)
    switch.queues(range(2, 9), draining=[1])
    error = f.unreachable(f.tcp(f.CLIENT, 4000, f.ACK, b"data", reply=True))
    assert switch.inbound(error) == 1
    assert switch.count("flow_unknown") == 0
    udp = f.ethernet(f.ipv4(f.udp_header(53, 4000, b"data"), 17, f.SERVER, f.CLIENT))
    assert switch.inbound(f.unreachable(udp)) == switch.inbound(f.udp(f.CLIENT, 4000))


def test_a_quoted_syn_opens_nothing_and_a_quoted_rst_ends_nothing() -> None:
    switch = Switch([1])
    switch.inbound(f.unreachable(f.tcp(f.CLIENT, 4000, f.SYN, reply=True)))
    assert switch.tracking.count == 0
    switch.open_connection(f.CLIENT, 4000)
    switch.inbound(f.unreachable(f.tcp(f.CLIENT, 4000, f.RST, reply=True)))
    assert [state for _, _, state in switch.tracking.flows()] == ["established"]


def test_arp_requests_go_to_one_and_replies_to_all() -> None:
    switch = Switch([3, 2, 5])
    assert switch.inbound(f.arp(1)) == 2
    assert switch.inbound(f.arp(2, to=f.NIC_MAC)) == ALL
    switch.queues([5], draining=[2], closed=[3])
    assert switch.inbound(f.arp(1)) == 5
    switch.queues([], draining=[2], closed=[3])
    assert switch.inbound(f.arp(1)) == 2, "its old connections need an answer as well"
    switch.queues([], closed=[2, 3])
    assert switch.inbound(f.arp(1)) == 0
    assert switch.drops() == {"drop_no_queue": 1}


def test_echo_and_udp_are_spread_over_open_queues_and_a_host_keeps_its_replica() -> None:
    switch = Switch([1, 2, 3], flows=4)
    switch.queues([1, 3], draining=[2])
    for frame_of in (f.echo, lambda client: f.udp(client, 4000)):
        shares = Tally(switch.inbound(frame_of(client)) for client in CLIENTS)
        assert set(shares) == {1, 3}
        assert switch.inbound(frame_of(CLIENTS[0])) == switch.inbound(frame_of(CLIENTS[0]))


def test_without_an_open_queue_nothing_new_gets_in() -> None:
    switch = Switch([])
    for frame in (f.tcp(f.CLIENT, 1, f.SYN), f.tcp(f.CLIENT, 1, f.ACK), f.echo(f.CLIENT), f.udp(f.CLIENT, 1)):
        assert switch.inbound(frame) == 0
    assert switch.drops() == {"drop_no_queue": 4}
    assert switch.tracking.count == 0


def test_replica_numbers_have_a_limit() -> None:
    with pytest.raises(ValueError, match=str(MAX_REPLICA)):
        Switch([MAX_REPLICA + 1])


class LiveFlowsStay(RuleBasedStateMachine):
    """Whatever is scaled, drained, killed and reborn: a live flow's segments reach its replica, or nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.switch = Switch([1, 2])
        self.states = {1: "open", 2: "open"}
        self.owners: dict[tuple[str, int], int] = {}
        self.now = 0

    def put_in_force(self) -> None:
        which = {state: [r for r, s in self.states.items() if s == state] for state in ("open", "draining", "closed")}
        self.switch.queues(which["open"], which["draining"], which["closed"], self.now)

    @rule(client=st.sampled_from(CLIENTS[:4]), port=st.integers(1, 3))
    def connect(self, client: str, port: int) -> None:
        replica = self.switch.inbound(f.tcp(client, port, f.SYN), self.now)
        owner = self.owners.get((client, port))
        if owner is not None and self.states.get(owner) in {"open", "draining"}:
            assert replica == owner
        elif replica:
            assert self.states[replica] == "open"
            self.switch.inbound(f.tcp(client, port, f.ACK), self.now)
            self.owners[client, port] = replica

    @rule(client=st.sampled_from(CLIENTS[:4]), port=st.integers(1, 3), sure=st.booleans())
    def close(self, client: str, port: int, sure: bool) -> None:
        owner = self.owners.get((client, port))
        if owner is not None and self.states.get(owner) in {"open", "draining"}:
            self.switch.inbound(f.tcp(client, port, f.FIN | f.ACK), self.now)
            if sure:
                self.switch.outbound(f.tcp(client, port, f.FIN | f.ACK, reply=True), owner, self.now)
                del self.owners[client, port]

    @rule(client=st.sampled_from(CLIENTS[:4]), port=st.integers(1, 3))
    def forge_rst(self, client: str, port: int) -> None:
        self.switch.inbound(f.tcp(client, port, f.RST), self.now)

    @rule(replica=st.integers(1, 5), state=st.sampled_from(["open", "draining", "closed"]))
    def set_state(self, replica: int, state: str) -> None:
        if state == "closed":
            # Its connections die with it; its number stays taken.
            self.owners = {flow: owner for flow, owner in self.owners.items() if owner != replica}
        elif self.states.get(replica) == "closed":
            self.switch.tracking.reborn(replica, self.now)
        self.states[replica] = state
        self.put_in_force()

    @rule(replica=st.integers(1, 5))
    def collect(self, replica: int) -> None:
        if replica not in self.owners.values():
            self.states.pop(replica, None)
            self.put_in_force()

    @rule()
    def time_passes(self) -> None:
        self.now += 20 * SECOND
        self.switch.tracking.expire(self.now, self.switch.tracking.slots)

    @invariant()
    def segments_arrive(self) -> None:
        self.now += 5_000
        for (client, port), owner in self.owners.items():
            assert self.switch.inbound(f.tcp(client, port, f.ACK, b"data"), self.now) == owner


TestLiveFlowsStay = LiveFlowsStay.TestCase
TestLiveFlowsStay.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
