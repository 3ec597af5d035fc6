"""IP input: what a peer gets back for what it sends, and what is dropped for which reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import FRAME_AT
from neatctl.core.native import Memory
from neatctl.core.stack import Stack
from tests.core.ip.frames import (
    BROADCAST_MAC,
    CONFIG,
    LOCAL,
    OUR_MAC,
    PEER,
    PEER_MAC,
    Queue,
    arp,
    checksum,
    ethernet,
    icmp,
    ipv4,
    parse_arp,
    record,
    udp,
)

ICMP, TCP, UDP = 1, 6, 17
BROADCAST = b"\xff" * 4
DIRECTED = bytes((10, 77, 0, 255))


def tcp(flags: int, source_port: int = 40000, port: int = 80, source: bytes = PEER) -> bytes:
    """A TCP segment without options or octets, its checksum right."""
    head = source_port.to_bytes(2, "big") + port.to_bytes(2, "big") + bytes((0, 0, 0, 9, 0, 0, 0, 5, 0x50, flags))
    segment = head + b"\x20\x00\0\0\0\0"
    pseudo = source + LOCAL + bytes((0, TCP)) + len(segment).to_bytes(2, "big")
    return segment[:16] + checksum(pseudo + segment).to_bytes(2, "big") + segment[18:]


class Replica:
    """A stack on a queue; time stands still unless a test moves it."""

    def __init__(self) -> None:
        self.stack = Stack(CONFIG)
        self.queue = Queue()
        self.stack.attach_nic(self.queue.producer)
        self.queue.take()
        self.now = 1_000_000

    def hear(self, frame: bytes, flags: int = 0) -> list[bytes]:
        """Receive one frame; the frames that go out for it."""
        octets = record(frame, flags)
        self.stack.receive(Memory(bytearray(octets)), 0, len(octets), self.now)
        self.stack.transmit(self.now)
        return self.queue.frames()

    def counted(self) -> dict[str, int]:
        """The counters that moved, packets received apart."""
        moved = self.stack.counters.as_dict() | self.stack.tcp.counters.as_dict()
        return {name: value for name, value in moved.items() if value and name not in ("ip_received", "ip_arp_out")}


def test_arp_request_for_us_is_answered() -> None:
    (frame,) = Replica().hear(ethernet(arp(1, PEER_MAC, PEER, LOCAL), 0x0806, BROADCAST_MAC))
    answer = parse_arp(frame)
    assert (answer.to, answer.operation) == (PEER_MAC, 2)
    assert (answer.sender_mac, answer.sender, answer.target_mac, answer.target) == (OUR_MAC, LOCAL, PEER_MAC, PEER)


@pytest.mark.parametrize(
    "packet",
    [
        arp(1, PEER_MAC, PEER, bytes((10, 77, 0, 9))),
        arp(3, PEER_MAC, PEER, LOCAL),
        arp(1, OUR_MAC, LOCAL, LOCAL),
        arp(1, BROADCAST_MAC, PEER, LOCAL),
        arp(1, PEER_MAC, PEER, LOCAL)[:27],
        b"\x00\x06" + arp(1, PEER_MAC, PEER, LOCAL)[2:],
    ],
    ids=["other", "operation", "our-own", "group", "short", "hardware"],
)
def test_other_arp_is_not_answered(packet: bytes) -> None:
    assert Replica().hear(ethernet(packet, 0x0806, BROADCAST_MAC)) == []


def test_ping_comes_back_with_its_octets() -> None:
    replica = Replica()
    message = icmp(8, 0, b"\x12\x34\x00\x01" + b"payload!!")
    (frame,) = replica.hear(ethernet(ipv4(message, ICMP)))
    assert frame[:6] == PEER_MAC
    assert frame[26:34] == LOCAL + PEER
    assert frame[34:36] == b"\0\0"
    assert checksum(frame[34:]) == 0
    assert frame[38:] == message[4:]


def test_padding_is_not_data() -> None:
    message = icmp(8, 0, b"\x12\x34\x00\x01")
    (frame,) = Replica().hear(ethernet(ipv4(message, ICMP) + bytes(18)))
    assert len(frame) == 14 + 20 + 8


def test_ping_with_ip_options_is_answered() -> None:
    assert len(Replica().hear(ethernet(ipv4(icmp(8, 0, bytes(4)), ICMP, options=b"\x01" * 8)))) == 1


def test_udp_to_a_closed_port_is_unreachable_and_quotes_it() -> None:
    datagram = ipv4(b"\x9c\x40\x00\x35\x00\x0c\x00\x00" + b"dns?", UDP)
    (frame,) = Replica().hear(ethernet(datagram))
    assert frame[34:36] == bytes((3, 3))
    assert checksum(frame[34:]) == 0
    assert frame[42:] == datagram[:28]


def test_unknown_protocol_is_unreachable() -> None:
    assert Replica().hear(ethernet(ipv4(bytes(8), 99)))[0][34:36] == bytes((3, 2))


def test_errors_are_limited_in_rate() -> None:
    replica = Replica()
    answered = sum(len(replica.hear(ethernet(ipv4(udp(b"", 9), UDP)))) for _ in range(500))
    assert answered == 100
    replica.now += 50_000
    assert sum(len(replica.hear(ethernet(ipv4(udp(b"", 9), UDP)))) for _ in range(500)) == 50


def test_segment_to_a_closed_port_is_reset() -> None:
    (frame,) = Replica().hear(ethernet(ipv4(tcp(0x02), TCP)))
    assert frame[23] == TCP
    assert frame[47] == 0x14
    assert int.from_bytes(frame[42:46], "big") == 10


@pytest.mark.parametrize("options", [b"\x01" * 4, b"\x5e\x04ab", b"\x1e\x03a\x00"])
def test_must_50_syn_with_unknown_ip_options_reaches_tcp(options: bytes) -> None:
    (frame,) = Replica().hear(ethernet(ipv4(tcp(0x02), TCP, options=options)))
    assert frame[34:38] == (80).to_bytes(2, "big") + (40000).to_bytes(2, "big")


def test_bad_tcp_checksum_is_dropped_unless_the_device_vouches() -> None:
    segment = bytearray(tcp(0x02))
    segment[16] ^= 0xFF
    replica = Replica()
    assert replica.hear(ethernet(ipv4(bytes(segment), TCP))) == []
    assert replica.counted()["tcp_drop_checksum"] == 1
    assert len(replica.hear(ethernet(ipv4(bytes(segment), TCP)), flags=1)) == 1


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (bytes(13), "ip_drop_short"),
        (ethernet(b""), "ip_drop_short"),
        (ethernet(bytes(20), to=PEER_MAC), "ip_drop_ethernet"),
        (ethernet(bytes(40), 0x86DD), "ip_drop_ethernet"),
        (ethernet(ipv4(bytes(8), UDP, version=6)), "ip_drop_header"),
        (ethernet(ipv4(bytes(8), UDP, words=4)), "ip_drop_header"),
        (ethernet(ipv4(bytes(8), UDP, total=19)), "ip_drop_header"),
        (ethernet(ipv4(bytes(8), UDP, total=29)), "ip_drop_header"),
        (ethernet(ipv4(bytes(8), UDP, words=15)), "ip_drop_header"),
        (ethernet(ipv4(bytes(8), UDP, bad_checksum=True)), "ip_drop_checksum"),
        (ethernet(ipv4(icmp(8, 0, bytes(4))[:-1] + b"x", ICMP)), "ip_drop_checksum"),
        (ethernet(ipv4(b"\x08\x00", ICMP)), "ip_drop_short"),
        (ethernet(ipv4(bytes(3), TCP)), "ip_drop_short"),
        (ethernet(ipv4(bytes(8), UDP, source=bytes((127, 0, 0, 1)))), "ip_drop_source"),
        (ethernet(ipv4(bytes(8), UDP, source=bytes(4))), "ip_drop_source"),
        (ethernet(ipv4(bytes(8), UDP, source=bytes((224, 0, 0, 1)))), "ip_drop_source"),
        (ethernet(ipv4(bytes(8), UDP, source=BROADCAST)), "ip_drop_source"),
        (ethernet(ipv4(bytes(8), UDP, source=DIRECTED)), "ip_drop_source"),
        (ethernet(ipv4(bytes(20), TCP, source=LOCAL)), "ip_drop_source"),
        (ethernet(ipv4(bytes(8), UDP, destination=bytes((10, 77, 0, 9)))), "ip_drop_destination"),
        (ethernet(ipv4(bytes(8), UDP, destination=BROADCAST), to=BROADCAST_MAC), "ip_drop_destination"),
        (ethernet(ipv4(bytes(8), UDP, destination=DIRECTED)), "ip_drop_destination"),
        (ethernet(ipv4(tcp(0x02), TCP, destination=BROADCAST), to=BROADCAST_MAC), "ip_drop_destination"),
        (ethernet(ipv4(tcp(0x02), TCP), to=BROADCAST_MAC), "ip_drop_destination"),
        (ethernet(ipv4(bytes(9), UDP, fragment=0x2000)), "ip_drop_fragment"),
        (ethernet(ipv4(b"", UDP, fragment=0x2000)), "ip_drop_fragment"),
        (ethernet(ipv4(bytes(16), UDP, fragment=0x1FFF)), "ip_drop_fragment"),
        (ethernet(ipv4(bytes(8), UDP, options=bytes((131, 7, 4, 1, 2, 3, 4, 0)))), "ip_drop_options"),
        (ethernet(ipv4(bytes(8), UDP, options=bytes((137, 3, 4, 0)))), "ip_drop_options"),
        (ethernet(ipv4(icmp(0, 0, bytes(8)), ICMP)), "ip_drop_icmp"),
    ],
)
def test_dropped_and_counted_once(frame: bytes, reason: str) -> None:
    replica = Replica()
    assert replica.hear(frame) == []
    assert replica.counted() == {reason: 1}


def test_icmp_error_about_nothing_of_ours_changes_nothing() -> None:
    replica = Replica()
    quoted = ipv4(bytes(8), TCP, source=LOCAL, destination=PEER)
    assert replica.hear(ethernet(ipv4(icmp(3, 3, bytes(4) + quoted), ICMP))) == []
    assert replica.counted()["ip_errors_in"] == 1


@pytest.mark.parametrize(
    ("code", "lost", "counted"),
    [
        (1, 0, "tcp_unreachables"),
        (3, 0, "tcp_unreachables"),
        (4, 0, "tcp_paths_narrowed"),
        (1, 1, "tcp_drop_unreachable"),
        (4, 1, "tcp_drop_unreachable"),
    ],
)
def test_icmp_errors_reach_the_connection_whose_numbers_they_quote(code: int, lost: int, counted: str) -> None:
    replica = Replica()
    replica.stack.tcp.attach(1, Queue().producer)
    replica.hear(ethernet(arp(1, PEER_MAC, PEER, LOCAL), 0x0806, BROADCAST_MAC))
    replica.stack.tcp.connect(1, LOCAL, 5000, PEER, 80, replica.now)
    replica.stack.transmit(replica.now)
    syn = next(frame for frame in replica.queue.frames() if frame[23] == TCP)[34:]
    quoted = syn[:4] + (int.from_bytes(syn[4:8], "big") + lost).to_bytes(4, "big")
    datagram = ipv4(quoted, TCP, source=LOCAL, destination=PEER, total=1500)
    mtu = (560).to_bytes(4, "big")
    assert replica.hear(ethernet(ipv4(icmp(3, code, mtu + datagram), ICMP))) == []
    assert replica.counted()[counted] == 1
    assert len(replica.stack.tcp.flows()) == (0 if code == 3 else 1)


@pytest.mark.parametrize("octets", [0, 4, 12, 27])
def test_icmp_error_that_quotes_too_little_is_dropped(octets: int) -> None:
    replica = Replica()
    quoted = ipv4(bytes(8), TCP, source=LOCAL, destination=PEER)[:octets]
    assert replica.hear(ethernet(ipv4(icmp(3, 3, bytes(4) + quoted), ICMP))) == []
    assert "ip_errors_in" not in replica.counted()


@pytest.mark.parametrize("bad", [b"", bytes(15), bytes((0, 0, 0, 0, 7)) + bytes(40)])
def test_bad_record_is_the_drivers_fault(bad: bytes) -> None:
    with pytest.raises(PeerFault):
        Replica().stack.receive(Memory(bytearray(bad)), 0, len(bad), 0)


@settings(max_examples=300)
@given(payload=st.binary(max_size=120), protocol=st.sampled_from([ICMP, TCP, UDP, 41]), to=st.booleans())
def test_garbage_in_sound_packets_never_raises(payload: bytes, protocol: int, to: bool) -> None:
    replica = Replica()
    replica.hear(ethernet(ipv4(payload, protocol), to=OUR_MAC if to else BROADCAST_MAC))
    replica.hear(ethernet(ipv4(payload, protocol), to=OUR_MAC), flags=1)


@settings(max_examples=300)
@given(frame=st.binary(max_size=100), flags=st.integers(0, 255), group=st.booleans())
def test_garbage_frames_never_raise(frame: bytes, flags: int, group: bool) -> None:
    replica = Replica()
    replica.hear(frame, flags)
    replica.hear((BROADCAST_MAC if group else OUR_MAC) + PEER_MAC + b"\x08\x00" + frame, flags)
    replica.hear((BROADCAST_MAC if group else OUR_MAC) + PEER_MAC + b"\x08\x06" + frame, flags)


def test_record_of_another_replica_incarnation_tells_its_flows() -> None:
    """After a driver's rebirth the new queue begins with FLOWS_TOLD: without connections, alone."""
    replica = Replica()
    second = Queue()
    replica.stack.attach_nic(second.producer)
    first, *rest = second.take()
    assert first[4] == 2
    assert len(first) == FRAME_AT
    assert all(record_[4] == 0 for record_ in rest)
