"""IPv6 input: what a peer gets back for what it sends, and what is dropped for which reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.ip.frames import OUR_MAC, PEER_MAC, Queue, checksum, ethernet, icmp, ipv4, udp
from tests.core.ip.frames6 import (
    ALL_NODES,
    DESTINATION,
    FAR6,
    FRAGMENT,
    HOP_BY_HOP,
    ICMPV6,
    LOCAL6,
    NOTHING,
    PEER6,
    ROUTING,
    TCP,
    UDP,
    Replica6,
    fragment_header,
    fragments6,
    frame6,
    group_frame,
    icmpv6,
    ipv6,
    options_header,
    parse_icmpv6,
    pseudo,
    solicitation,
    tcp6,
)

PING = icmpv6(128, 0, b"\x12\x34\x00\x01payload!!")
PAD = b"\x01\x04\0\0\0\0"
UNKNOWN_SKIP, UNKNOWN_DROP, UNKNOWN_TELL, UNKNOWN_TELL_UNICAST = (
    bytes((kind, 4, 0, 0, 0, 0)) for kind in (0x1E, 0x5E, 0x9E, 0xDE)
)


def test_ping_comes_back_with_its_octets() -> None:
    (frame,) = Replica6().hear(frame6(ipv6(PING, ICMPV6)))
    source, destination, message = parse_icmpv6(frame)
    assert (frame[:6], source, destination) == (PEER_MAC, LOCAL6, PEER6)
    assert message[:2] == bytes((129, 0))
    assert message[4:] == PING[4:]


def test_ping_of_all_nodes_is_answered_from_an_address_of_ours() -> None:
    ping = icmpv6(128, 0, bytes(12), PEER6, ALL_NODES)
    (frame,) = Replica6().hear(group_frame(ipv6(ping, ICMPV6, PEER6, ALL_NODES)))
    assert parse_icmpv6(frame)[0] == LOCAL6


@pytest.mark.parametrize(
    "headers",
    [
        [(HOP_BY_HOP, PAD)],
        [(DESTINATION, PAD)],
        [(HOP_BY_HOP, b"\x05\x02\0\0\x01\0"), (DESTINATION, PAD), (DESTINATION, UNKNOWN_SKIP)],
        [(ROUTING, b"\x04\x00\0\0\0\0")],
        [(DESTINATION, b"\0" * 6)],
    ],
    ids=["hop-by-hop", "destination", "three", "routing-done", "pad1"],
)
def test_extension_headers_that_ask_for_nothing_are_passed_over(headers: list[tuple[int, bytes]]) -> None:
    payload, following = PING, ICMPV6
    for kind, options in reversed(headers):
        payload, following = options_header(following, options) + payload, kind
    (frame,) = Replica6().hear(frame6(ipv6(payload, following)))
    assert parse_icmpv6(frame)[2][0] == 129


@pytest.mark.parametrize(
    ("payload", "following", "code", "place"),
    [
        (options_header(ICMPV6, b"\x00\x01\0\0\0\0") + PING, ROUTING, 0, 42),
        (options_header(ICMPV6, b"\x02\x01\0\0\0\0") + PING, ROUTING, 0, 42),
        (options_header(ICMPV6, UNKNOWN_TELL) + PING, DESTINATION, 2, 42),
        (options_header(ICMPV6, UNKNOWN_TELL_UNICAST) + PING, HOP_BY_HOP, 2, 42),
        (bytes(20), 99, 1, 6),
        (options_header(99) + bytes(20), DESTINATION, 1, 40),
        (options_header(HOP_BY_HOP) + options_header(ICMPV6) + PING, DESTINATION, 1, 40),
        (fragment_header(ICMPV6, 0, True) + PING[:12] + b"x", FRAGMENT, 0, 4),
        (fragment_header(ICMPV6, 65528, False) + bytes(16), FRAGMENT, 0, 42),
        (fragment_header(TCP, 0, True) + bytes(16), FRAGMENT, 3, 0),
        (fragment_header(DESTINATION, 0, True) + options_header(TCP), FRAGMENT, 3, 0),
    ],
)
def test_what_cannot_be_is_a_parameter_problem_that_points_at_it(
    payload: bytes, following: int, code: int, place: int
) -> None:
    packet = ipv6(payload, following)
    (frame,) = Replica6().hear(frame6(packet))
    message = parse_icmpv6(frame)[2]
    assert message[:2] == bytes((4, code))
    assert int.from_bytes(message[4:8], "big") == place
    assert message[8:] == packet


def test_an_unknown_option_to_a_group_is_told_only_where_it_asks_for_it() -> None:
    replica = Replica6()
    for option, answers in ((UNKNOWN_TELL, 1), (UNKNOWN_TELL_UNICAST, 0), (UNKNOWN_DROP, 0)):
        packet = ipv6(options_header(ICMPV6, option) + PING, DESTINATION, PEER6, ALL_NODES)
        assert len(replica.hear(group_frame(packet))) == answers


def test_udp_to_a_closed_port_is_unreachable_and_quotes_what_fits() -> None:
    packet = ipv6(udp(bytes(1400), 53, PEER6, LOCAL6), UDP)
    (frame,) = Replica6().hear(frame6(packet))
    message = parse_icmpv6(frame)[2]
    assert message[:2] == bytes((1, 4))
    assert len(frame) == 14 + 1280
    assert message[8:] == packet[: 1280 - 48]


@pytest.mark.parametrize("kind", [1, 4, 100, 137])
def test_an_error_is_never_answered_by_an_error(kind: int) -> None:
    message = icmpv6(kind, 0, bytes(60))
    packet = ipv6(options_header(ICMPV6, UNKNOWN_TELL) + message, DESTINATION)
    assert Replica6().hear(frame6(packet)) == []


def test_errors_of_both_families_share_their_rate() -> None:
    replica = Replica6()
    answered = sum(len(replica.hear(frame6(ipv6(udp(b"", 9, PEER6, LOCAL6), UDP)))) for _ in range(300))
    assert answered == 100
    assert replica.hear(ethernet(ipv4(udp(b"", 9), UDP))) == []


def test_segment_to_a_closed_port_is_reset() -> None:
    (frame,) = Replica6().hear(frame6(ipv6(tcp6(0x02), TCP)))
    segment = frame[54:]
    assert checksum(pseudo(LOCAL6, PEER6, TCP, len(segment)) + segment) == 0
    assert (segment[13], segment[8:12]) == (0x14, (10).to_bytes(4, "big"))


def test_bad_tcp_checksum_is_dropped_unless_the_device_vouches() -> None:
    segment = bytearray(tcp6(0x02))
    segment[16] ^= 0xFF
    replica = Replica6()
    assert replica.hear(frame6(ipv6(bytes(segment), TCP))) == []
    assert replica.counted() == {"tcp_drop_checksum": 1}
    assert len(replica.hear(frame6(ipv6(bytes(segment), TCP)), flags=1)) == 1


@pytest.mark.parametrize("plain", [True, False])
def test_shld_5_must_15_ipv6_a_handshake_announces_the_mtu_and_takes_1220_for_none(plain: bool) -> None:
    """MUST-15: without the option IPv6 has 1220."""
    replica = Replica6()
    replica.stack.tcp.attach(1, Queue().producer)
    replica.stack.tcp.listen(1, 1, "", 80, 8)
    segment = tcp6(0x02)
    packet = ipv6(segment, TCP) if plain else ipv6(options_header(TCP) + segment, DESTINATION)
    (frame,) = replica.hear(frame6(packet))
    answer = frame[54:]
    assert answer[13] == 0x12
    assert checksum(pseudo(LOCAL6, PEER6, TCP, len(answer)) + answer) == 0
    assert answer[20:24] == b"\x02\x04" + (1440).to_bytes(2, "big")
    (tcb,) = replica.stack.tcp.tables.flows.values()
    assert tcb.mss == 1220  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("address", "taken"),
    [("", (True, True)), ("::", (False, True)), ("0.0.0.0", (True, False)), ("fd00:77::2", (False, True)),
     ("10.77.0.2", (True, False)), ("fd00:77::3", (False, False))],
)  # fmt: skip
def test_a_listener_takes_connections_of_its_families(address: str, taken: tuple[bool, bool]) -> None:
    from tests.core.ip.test_input import tcp

    replica = Replica6()
    replica.stack.tcp.attach(1, Queue().producer)
    replica.stack.tcp.listen(1, 1, address, 80, 8)
    (four,) = replica.hear(ethernet(ipv4(tcp(0x02), TCP)))
    (six,) = replica.hear(frame6(ipv6(tcp6(0x02), TCP)))
    assert (four[47] == 0x12, six[67] == 0x12) == taken


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "ip_drop_short"),
        (ipv6(b"", TCP)[:39], "ip_drop_short"),
        (ipv6(PING, ICMPV6, version=4), "ip_drop_header"),
        (ipv6(PING, ICMPV6, length=len(PING) + 1), "ip_drop_header"),
        (ipv6(bytes(3), TCP), "ip_drop_short"),
        (ipv6(PING[:-1] + b"x", ICMPV6), "ip_drop_checksum"),
        (ipv6(PING[:6], ICMPV6), "ip_drop_short"),
        (ipv6(PING, ICMPV6, destination=FAR6), "ip_drop_destination"),
        (ipv6(tcp6(2), TCP, destination=FAR6), "ip_drop_destination"),
        (ipv6(tcp6(2), TCP, destination=ALL_NODES), "ip_drop_destination"),
        (ipv6(PING, ICMPV6, source=LOCAL6), "ip_drop_source"),
        (ipv6(PING, ICMPV6, source=ALL_NODES), "ip_drop_source"),
        (ipv6(PING, ICMPV6, source=bytes(15) + b"\1"), "ip_drop_source"),
        (ipv6(icmpv6(128, 0, bytes(8), bytes(16)), ICMPV6, source=bytes(16)), "ip_drop_source"),
        (ipv6(tcp6(2, source=bytes(16)), TCP, source=bytes(16)), "tcp_drop_address"),
        (ipv6(b"", NOTHING), "ip_drop_extension"),
        (ipv6(options_header(ICMPV6, UNKNOWN_DROP) + PING, DESTINATION), "ip_drop_extension"),
        (ipv6(options_header(ICMPV6, b"\x01\x05\0\0\0\0") + PING, DESTINATION), "ip_drop_extension"),
        (ipv6(options_header(ICMPV6, bytes(22)) + PING, DESTINATION), "ip_drop_extension"),
        (ipv6(bytes((ICMPV6, 9)) + PING, DESTINATION), "ip_drop_extension"),
        (ipv6(options_header(DESTINATION) * 9 + PING, DESTINATION), "ip_drop_extension"),
        (ipv6(fragment_header(ICMPV6, 8, False), FRAGMENT), "ip_drop_fragment"),
        (ipv6(icmpv6(129, 0, bytes(8)), ICMPV6), "ip_drop_icmp"),
    ],
)
def test_dropped_and_counted_once(packet: bytes, reason: str) -> None:
    replica = Replica6()
    assert replica.hear(frame6(packet)) == []
    assert replica.counted() == {reason: 1}


def test_without_an_address_there_is_no_ipv6() -> None:
    replica = Replica6(address6="")
    assert replica.hear(frame6(ipv6(PING, ICMPV6))) == []
    assert replica.counted() == {"ip_drop_ethernet": 1}


@pytest.mark.parametrize(
    ("kind", "code", "counted", "alive"),
    [
        (1, 0, "tcp_unreachables", 1),
        (1, 1, "tcp_unreachables", 0),
        (1, 4, "tcp_unreachables", 0),
        (3, 0, "tcp_unreachables", 1),
        (4, 0, "tcp_unreachables", 1),
        (4, 1, "tcp_unreachables", 0),
        (2, 0, "tcp_paths_narrowed", 1),
    ],
)
def test_errors_reach_the_handshake_whose_numbers_they_quote(kind: int, code: int, counted: str, alive: int) -> None:
    replica = Replica6()
    replica.meet()
    replica.stack.tcp.attach(1, Queue().producer)
    replica.stack.tcp.connect(1, LOCAL6, 5000, PEER6, 80, replica.now)
    replica.stack.transmit(replica.now)
    (syn,) = replica.queue.frames()
    replica.stack.tcp.tables.flows[next(iter(replica.stack.tcp.tables.flows))].mss = 1428  # type: ignore[attr-defined]
    quoted = ipv6(syn[54:74], TCP, LOCAL6, PEER6, length=1460)
    message = icmpv6(kind, code, (1300).to_bytes(4, "big") + quoted, FAR6)
    assert replica.hear(frame6(ipv6(message, ICMPV6, FAR6))) == []
    assert replica.stack.tcp.counters.as_dict()[counted] == 1
    assert len(replica.stack.tcp.flows()) == alive


def test_packet_too_big_below_1280_is_not_believed() -> None:
    """RFC 8201 section 4."""
    replica = Replica6()
    replica.stack.tcp.attach(1, Queue().producer)
    replica.stack.tcp.connect(1, LOCAL6, 5000, PEER6, 80, replica.now)
    (tcb,) = replica.stack.tcp.tables.flows.values()
    tcb.mss = 1428  # type: ignore[attr-defined]
    seq = tcb.iss & 0xFFFFFFFF  # type: ignore[attr-defined]
    quoted = ipv6(b"\x13\x88\0\x50" + seq.to_bytes(4, "big") + bytes(12), TCP, LOCAL6, PEER6, length=1460)
    replica.hear(frame6(ipv6(icmpv6(2, 0, (600).to_bytes(4, "big") + quoted, FAR6), ICMPV6, FAR6)))
    assert tcb.mss == 1280 - 60  # type: ignore[attr-defined]


def test_super_frames_say_how_to_cut_them() -> None:
    replica = Replica6(checksum_offload=True)
    replica.meet()
    output = replica.stack.output
    path = output.path(LOCAL6, PEER6, replica.now)
    at = output.begin(path, 20 + 4000, replica.now)
    output.memory.put(at, bytes(12) + b"\x50\x10" + bytes(6) + bytes(4000))
    output.end(path, 4020, 16, 1440, 20)
    (sent,) = replica.queue.take()
    assert (sent[6], sent[7]) == (1, 4)
    assert int.from_bytes(sent[8:10], "little") == 74
    assert int.from_bytes(sent[10:12], "little") == 1440
    assert int.from_bytes(sent[12:14], "little") == 54
    head = pseudo(LOCAL6, PEER6, TCP, 4020)
    assert int.from_bytes(sent[16 + 54 + 16 : 16 + 54 + 18], "big") == ~checksum(head) & 0xFFFF


@settings(max_examples=400, deadline=None)
@given(
    payload=st.binary(max_size=120),
    following=st.sampled_from([0, 6, 17, 43, 44, 50, 58, 59, 60, 255]),
    chain=st.lists(st.tuples(st.sampled_from([0, 43, 44, 60]), st.binary(min_size=6, max_size=6)), max_size=10),
    group=st.booleans(),
)
def test_garbage_behind_sound_headers_never_raises(
    payload: bytes, following: int, chain: list[tuple[int, bytes]], group: bool
) -> None:
    for kind, body in reversed(chain):
        payload, following = bytes((following, 0)) + body + payload, kind
    replica = Replica6()
    for _ in range(2):
        if group:
            replica.hear(group_frame(ipv6(payload, following, destination=ALL_NODES)))
        else:
            replica.hear(frame6(ipv6(payload, following)))


@settings(max_examples=400, deadline=None)
@given(kind=st.integers(128, 140), code=st.integers(0, 1), rest=st.binary(max_size=120), hops=st.sampled_from([1, 255]))
def test_garbage_in_sound_messages_never_raises(kind: int, code: int, rest: bytes, hops: int) -> None:
    replica = Replica6()
    source = bytes.fromhex("fe80") + bytes(13) + b"\1"
    replica.hear(frame6(ipv6(icmpv6(kind, code, rest, source), ICMPV6, source, hop_limit=hops)))
    replica.pass_seconds(1)


def test_garbage_frames_of_the_ethertype_never_raise() -> None:
    replica = Replica6()
    for octets in range(60):
        replica.hear(frame6(bytes((0x60,)) + bytes(octets)))
    replica.hear(OUR_MAC + PEER_MAC + b"\x86\xdd" + icmp(8, 0, bytes(60)))


@pytest.mark.parametrize("size", [800, 1400])
def test_a_datagram_that_never_becomes_whole_is_told_of_with_what_came(size: int) -> None:
    replica = Replica6()
    (first, *_) = fragments6(udp(bytes(2000), 53, PEER6, LOCAL6), UDP, size)
    assert replica.hear(frame6(first)) == []
    replica.pass_seconds(59)
    replica.hear(group_frame(solicitation()))
    frames = [each for each in replica.pass_seconds(3) if each[20] == ICMPV6 and each[54] == 3]
    (message,) = (parse_icmpv6(each)[2] for each in frames)
    assert message[:2] == bytes((3, 1))
    quoted = message[8:]
    assert quoted[40:] == first[48:][: 1280 - 48 - 40]
    assert int.from_bytes(quoted[4:6], "big") == size
