"""What the NIC reads from a frame, and which frames it will not have."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic import counters as c
from neatctl.nic import flow_key as fk
from neatctl.nic.flow_key import FlowKey
from tests.nic import frames as f


def read(frame: bytes, mac: bytes = f.NIC_MAC) -> tuple[int, FlowKey]:
    """Parse a frame that lies between other octets; the reason of its drop, and what was read."""
    key = FlowKey(mac)
    reason = key.parse(Memory(b"\xee" * 5 + frame + b"\xee" * 5), 5, len(frame))
    return reason, key


def key_octets(key: FlowKey) -> bytes:
    return key.memory.bytes(0, key.octets)


def dropped_as(frame: bytes) -> str:
    reason = read(frame)[0]
    return c.DECLARED[reason][0] if reason else ""


@pytest.mark.parametrize("client", [f.CLIENT, f.CLIENT6])
def test_tcp_has_addresses_and_ports_as_on_the_wire_and_flags(client: str) -> None:
    reason, key = read(f.tcp(client, 4000, f.SYN))
    assert (reason, key.sort, key.flags, key.protocol) == (0, fk.TCP, f.SYN, 6)
    assert key_octets(key) == f.key_of(client, 4000)


def test_udp_has_ports_and_no_flags() -> None:
    reason, key = read(f.udp(f.CLIENT, 4000, b"hello"))
    assert (reason, key.sort, key.flags) == (0, fk.UDP, 0)
    assert key_octets(key) == f.key_of(f.CLIENT, 4000, 53)


@pytest.mark.parametrize("client", [f.CLIENT, f.CLIENT6])
def test_what_is_sent_has_the_key_of_its_answers(client: str) -> None:
    key = FlowKey()
    for flags in (f.SYN | f.ACK, f.FIN | f.ACK, f.RST):
        frame = f.tcp(client, 4000, flags, reply=True)
        assert key.parse_outbound(Memory(frame), 0, len(frame))
        assert (key_octets(key), key.flags) == (f.key_of(client, 4000), flags)
    data = f.tcp(client, 4000, f.ACK | f.PSH, b"data", reply=True)
    assert not key.parse_outbound(Memory(data), 0, len(data))
    later = f.ethernet(f.ipv4(f.tcp_header(80, 4000, f.RST), 6, fragment=100))
    assert not key.parse_outbound(Memory(later), 0, len(later)), "no port is in a later fragment"


def test_ip_options_and_ethernet_padding_are_stepped_over() -> None:
    frame = f.ethernet(f.ipv4(f.tcp_header(4000, 80, f.ACK), 6, options=b"\x01" * 8)) + bytes(10)
    reason, key = read(frame)
    assert (reason, key_octets(key)) == (0, f.key_of(f.CLIENT, 4000))


def test_ipv6_extension_headers_are_stepped_over() -> None:
    options = struct.pack(">BBHL", 60, 0, 0, 0) + struct.pack(">BB14x", 6, 1)
    reason, key = read(f.ethernet(f.ipv6(options + f.tcp_header(4000, 80, f.ACK), 0), 0x86DD))
    assert (reason, key.sort, key_octets(key)) == (0, fk.TCP, f.key_of(f.CLIENT6, 4000))


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_an_icmp_error_has_the_key_of_the_flow_that_it_quotes(kind: int) -> None:
    sent = f.tcp(f.CLIENT, 4000, f.ACK, b"data", reply=True)
    reason, key = read(f.unreachable(sent, kind=kind))
    assert (reason, key.sort, key.quoted) == (0, fk.TCP, True)
    assert key_octets(key) == f.key_of(f.CLIENT, 4000)
    sent6 = f.tcp(f.CLIENT6, 4000, f.ACK, b"data", reply=True)
    error = f.ethernet(f.ipv6(struct.pack(">BBHL", 1, 0, 0, 0) + sent6[14:], 58, "fd00::fe"), 0x86DD)
    reason, key = read(error)
    assert (reason, key.quoted, key_octets(key)) == (0, True, f.key_of(f.CLIENT6, 4000))


def test_an_echo_request_is_known_by_its_addresses() -> None:
    reason, key = read(f.echo(f.CLIENT))
    assert (reason, key.sort, key.quoted) == (0, fk.OTHER, False)
    assert key_octets(key) == f.key_of(f.CLIENT, 0)[:8]


def test_fragments_first_and_later() -> None:
    reason, key = read(
        f.ethernet(f.ipv4(f.udp_header(9, 53, bytes(1600))[:800], 17, fragment=0x2000, identification=7))
    )
    assert (reason, key.sort, key.first_fragment, key.fragment_id) == (0, fk.UDP, True, 7)
    reason, key = read(f.ethernet(f.ipv4(bytes(16), 17, fragment=100, identification=7)))
    assert (reason, key.sort, key.first_fragment, key.fragment_id) == (0, fk.LATER_FRAGMENT, False, 7)
    assert key_octets(key) == f.key_of(f.CLIENT, 0)[:8]
    six = struct.pack(">BBHL", 17, 0, 100 << 3, 70000) + bytes(16)
    reason, key = read(f.ethernet(f.ipv6(six, 44), 0x86DD))
    assert (reason, key.sort, key.fragment_id, key.protocol) == (0, fk.LATER_FRAGMENT, 70000, 17)


def test_arp_and_neighbour_discovery_ask_or_tell() -> None:
    assert read(f.arp(1))[1].sort == fk.REQUEST
    assert read(f.arp(2, to=f.NIC_MAC))[1].sort == fk.REPLY
    assert read(f.arp(1, sender=f.CLIENT, target=f.CLIENT))[1].sort == fk.REPLY, "gratuitous ARP tells"
    for kind, sort in ((135, fk.REQUEST), (136, fk.REPLY)):
        frame = f.ethernet(f.ipv6(struct.pack(">BBHL16x", kind, 0, 0, 0), 58), 0x86DD, b"\x33\x33\xff\0\0\2")
        assert read(frame)[1].sort == sort


def test_broadcast_is_for_udp_and_icmp_only() -> None:
    assert (
        read(f.ethernet(f.ipv4(f.udp_header(68, 67), 17, destination="255.255.255.255"), to=f.BROADCAST_MAC))[1].sort
        == fk.BROADCAST
    )
    assert dropped_as(f.ethernet(f.ipv4(f.tcp_header(1, 80, f.SYN), 6), to=f.BROADCAST_MAC)) == "drop_multicast"
    assert dropped_as(f.ethernet(f.ipv4(f.udp_header(1, 5353), 17, destination="224.0.0.251"))) == "drop_multicast"


def test_frames_to_another_host_are_not_ours_unless_any_address_is() -> None:
    frame = f.ethernet(f.ipv4(f.udp_header(1, 2), 17), to=b"\x02\0\0\0\0\x99")
    assert dropped_as(frame) == "drop_other_host"
    assert read(frame, mac=b"")[0] == 0


TCP_FRAME = f.tcp(f.CLIENT, 4000, f.SYN)


def changed(frame: bytes, at: int, octets: bytes) -> bytes:
    return frame[:at] + octets + frame[at + len(octets) :]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "drop_runt"),
        (TCP_FRAME[:13], "drop_runt"),
        (f.ethernet(bytes(46), 0x88CC), "drop_ethertype"),
        (f.ethernet(TCP_FRAME[12:], 0x8100), "drop_ethertype"),
        (f.arp(1)[:41], "drop_arp"),
        (f.arp(3), "drop_arp"),
        (changed(f.arp(1), 14, b"\0\6"), "drop_arp"),
        (TCP_FRAME[:33], "drop_ip_length"),
        (changed(TCP_FRAME, 14, b"\x55"), "drop_ip_header"),
        (changed(TCP_FRAME, 14, b"\x44"), "drop_ip_header"),
        (changed(TCP_FRAME, 16, b"\0\x29"), "drop_ip_length"),
        (changed(TCP_FRAME, 16, b"\0\x13"), "drop_ip_length"),
        (changed(TCP_FRAME, 16, b"\0\x27"), "drop_transport"),
        (changed(TCP_FRAME, 46, b"\x40"), "drop_transport"),
        (changed(TCP_FRAME, 46, b"\x60"), "drop_transport"),
        (f.ethernet(f.ipv4(b"1234567", 17)), "drop_transport"),
        (changed(f.udp(f.CLIENT, 1), 38, b"\0\7"), "drop_transport"),
        (changed(f.udp(f.CLIENT, 1), 38, b"\0\x09"), "drop_transport"),
        (f.ethernet(f.ipv4(b"1234567", 1)), "drop_transport"),
        (f.unreachable(TCP_FRAME[:34]), "drop_quote"),
        (f.unreachable(changed(TCP_FRAME, 14, b"\x4f")), "drop_quote"),
        (f.ethernet(bytes(40), 0x86DD), "drop_ip_header"),
        (f.tcp(f.CLIENT6, 1, f.SYN)[:-1], "drop_ip_length"),
        (f.ethernet(f.ipv6(b"\6\xff" + bytes(30), 0), 0x86DD), "drop_ip_length"),
    ],
)
def test_malformed_frames_are_dropped_for_a_reason(frame: bytes, reason: str) -> None:
    assert dropped_as(frame) == reason


@settings(deadline=None)
@given(st.data())
def test_nothing_outside_of_a_frame_is_read(data: st.DataObject) -> None:
    """What is read from a cut or changed frame does not depend on the octets around it."""
    whole = data.draw(
        st.sampled_from(
            [TCP_FRAME, f.tcp(f.CLIENT6, 1, f.FIN), f.udp(f.CLIENT, 1, b"x"), f.unreachable(TCP_FRAME), f.arp(1)]
        )
    )
    frame = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, len(whole)), st.integers(0, 255)), max_size=4)):
        if 12 <= at < len(frame):
            frame[at] = octet
    seen = []
    for around in (b"\0", b"\xff", b"\x45"):
        key = FlowKey(f.NIC_MAC)
        reason = key.parse(Memory(around * 64 + bytes(frame) + around * 64), 64, len(frame))
        seen.append((reason, not reason and (key.sort, key.flags, key.protocol, key_octets(key))))
    assert seen[0] == seen[1] == seen[2]
