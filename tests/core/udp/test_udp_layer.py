"""UDP of a stack: what its applications get of what arrives, what leaves for what they send, and what is dropped."""

from __future__ import annotations

import errno

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import DATAGRAM, NEEDS_CSUM, SEND_TO, UNDELIVERED
from neatctl.core.native import Memory
from neatctl.core.stack import Stack
from tests.core.ip.frames import FAR, LOCAL, PEER, PEER_MAC, Queue, arp, checksum, ethernet, icmp, ipv4, record, udp
from tests.core.ip.frames6 import CONFIG6, FAR6, LOCAL6, PEER6, frame6, group_frame, icmpv6, ipv6, pseudo, solicitation

UDP = 17
PORT = 53
APP, SOCKET = 7, 3
KNOWN = NEEDS_CSUM


class Host:
    """A stack on a queue, and an application with a socket bound to PORT."""

    def __init__(self, address: str = "", **changes: object) -> None:
        self.stack = Stack(msgspec.structs.replace(CONFIG6, checksum_offload=False, **changes))
        self.nic, self.app = Queue(), Queue()
        self.stack.attach_nic(self.nic.producer)
        self.now = 1_000_000
        self.stack.tcp.attach(APP, self.app.producer)
        self.stack.udp.bind(SOCKET, APP, self.app.producer, address, PORT)
        for _ in range(12):  # Until nobody claims its address.
            self.stack.expire(self.now)
            self.now += 1_000_000
        self.hear(ethernet(arp(2, PEER_MAC, PEER, LOCAL, bytes(6)), 0x0806))
        self.hear(group_frame(solicitation()))

    def hear(self, frame: bytes, flags: int = 0) -> list[bytes]:
        """Receive a frame; the packets that go out for it."""
        octets = record(frame, flags)
        self.stack.receive(Memory(bytearray(octets)), 0, len(octets), self.now)
        return self.sent()

    def sent(self) -> list[bytes]:
        self.stack.transmit(self.now)
        return [frame[14:] for frame in self.nic.frames()]

    def told(self) -> list[bytes]:
        self.app.producer.flush()
        return self.app.take()

    def say(self, remote: bytes, port: int, data: bytes, local: bytes = b"", socket: int = SOCKET) -> list[bytes]:
        """Send a datagram; the packets that leave."""
        ends = port.to_bytes(2, "big") + bytes(2) + remote + (local or bytes(len(remote)))
        head = bytes((SEND_TO, 0, 0, 0)) + socket.to_bytes(4, "big") + len(ends).to_bytes(4, "big") + bytes(4)
        octets = head + ends + data
        self.stack.command(APP, Memory(octets), 0, len(octets), self.now)
        return self.sent()

    def counted(self) -> dict[str, int]:
        return {name: value for name, value in self.stack.udp.counters.as_dict().items() if value}


def packet(data: bytes, family: int, port: int = PORT, **changes: int) -> bytes:
    """A frame with a datagram to us."""
    if family == 4:
        return ethernet(ipv4(udp(data, port, **changes), UDP))  # type: ignore[arg-type]
    return frame6(ipv6(udp(data, port, PEER6, LOCAL6, **changes), UDP))


def told(data: bytes, family: int) -> bytes:
    """The record that an application gets for `packet`."""
    ends = (40000).to_bytes(2, "big") + PORT.to_bytes(2, "big") + (PEER + LOCAL if family == 4 else PEER6 + LOCAL6)
    return (
        bytes((DATAGRAM, 0, 0, 0)) + SOCKET.to_bytes(4, "big") + len(ends).to_bytes(4, "big") + bytes(4) + ends + data
    )


def undelivered(error: int, here: int, remote: bytes, port: int, local: bytes) -> bytes:
    words = b"".join(value.to_bytes(4, "big") for value in (SOCKET, error, here))
    return bytes((UNDELIVERED, 0, 0, 0)) + words + port.to_bytes(2, "big") + PORT.to_bytes(2, "big") + remote + local


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("octets", [0, 1, 2, 1400])
def test_a_datagram_goes_to_the_socket_with_both_its_ends(family: int, octets: int) -> None:
    host = Host()
    data = bytes(range(256)) * 6
    assert host.hear(packet(data[:octets], family)) == []
    assert host.told() == [told(data[:octets], family)]
    assert host.counted() == {"udp_received": 1, "udp_delivered": 1}


@pytest.mark.parametrize(
    ("address", "families"),
    [("", {4, 6}), ("0.0.0.0", {4}), ("::", {6}), ("10.77.0.2", {4}), ("fd00:77::2", {6})],
)
def test_a_socket_has_the_families_that_it_is_bound_to(address: str, families: set[int]) -> None:
    host = Host(address)
    for family in (4, 6):
        assert bool(host.hear(packet(b"x", family))) == (family not in families)
    assert len(host.told()) == len(families)


@pytest.mark.parametrize(
    ("family", "changes", "counter"),
    [
        (4, {"check": 0x1234}, "udp_drop_checksum"),
        (6, {"check": 0x1234}, "udp_drop_checksum"),
        (6, {"check": 0}, "udp_drop_checksum"),
        (4, {"length": 7}, "udp_drop_length"),
        (4, {"length": 0}, "udp_drop_length"),
        (6, {"length": 13}, "udp_drop_length"),
    ],
)
def test_bad_datagrams_are_dropped_each_under_its_reason(family: int, changes: dict[str, int], counter: str) -> None:
    host = Host()
    assert host.hear(packet(b"four", family, **changes)) == []
    assert host.told() == []
    assert host.counted() == {"udp_received": 1, counter: 1}


def test_ipv4_may_go_without_a_checksum() -> None:
    host = Host()
    host.hear(packet(b"four", 4, check=0))
    assert host.told() == [told(b"four", 4)]


def test_what_the_device_has_checked_is_not_checked_again() -> None:
    host = Host()
    host.hear(packet(b"four", 4, check=0x1234), KNOWN)
    assert host.told() == [told(b"four", 4)]


def test_octets_behind_the_datagram_do_not_belong_to_it() -> None:
    host = Host()
    short = udp(b"four", PORT)
    host.hear(ethernet(ipv4(short + b"and more", UDP)))
    assert host.told() == [told(b"four", 4)]


@pytest.mark.parametrize("family", [4, 6])
def test_a_port_of_nobody_is_unreachable_also_once_its_socket_is_closed(family: int) -> None:
    host = Host()
    assert len(host.hear(packet(b"x", family, PORT + 1))) == 1
    assert host.hear(packet(b"x", family)) == []
    host.stack.udp.unbind(SOCKET)
    (answer,) = host.hear(packet(b"x", family))
    assert answer[20:22] == bytes((3, 3)) if family == 4 else answer[40:42] == bytes((1, 4))
    assert host.counted()["udp_no_port"] == 2


def test_an_application_that_goes_takes_its_sockets_with_it() -> None:
    host = Host()
    host.stack.udp.detach(APP)
    assert len(host.hear(packet(b"x", 4))) == 1


def test_a_full_channel_drops_datagrams_and_leaves_room_for_what_must_not_be_lost() -> None:
    host = Host()
    for _ in range(400):
        host.hear(packet(bytes(1400), 4))
    counted = host.counted()
    assert counted["udp_delivered"] > 50
    assert counted["udp_delivered"] + counted["udp_drop_application_full"] == 400
    assert host.app.producer.reserve(60_000) >= 0
    host.told()
    host.hear(packet(b"again", 4))
    assert host.told() == [told(b"again", 4)]


def test_sockets_that_share_a_port_have_each_peer_to_themselves() -> None:
    host = Host()
    host.stack.udp.bind(SOCKET + 1, APP, host.app.producer, "", PORT)
    for _ in range(3):
        for port in range(30):
            host.hear(packet(b"x", 4, source_port=40000 + port))
    peers: dict[int, set[bytes]] = {}
    for each in host.told():
        peers.setdefault(int.from_bytes(each[4:8], "big"), set()).add(each[16:18])
    assert set(peers) == {SOCKET, SOCKET + 1}
    assert not peers[SOCKET] & peers[SOCKET + 1]
    assert sum(map(len, peers.values())) == 30


# ---- out ----
def check(octets: bytes) -> tuple[bytes, bytes, int, int, bytes]:
    """Source and destination address and port and the data of a packet whose checksums are right."""
    if octets[0] >> 4 == 4:
        assert checksum(octets[:20]) == 0
        source, destination, datagram = octets[12:16], octets[16:20], octets[20:]
        covered = source + destination + bytes((0, UDP)) + len(datagram).to_bytes(2, "big") + datagram
    else:
        source, destination, datagram = octets[8:24], octets[24:40], octets[40:]
        covered = pseudo(source, destination, UDP, len(datagram)) + datagram
    assert datagram[6:8] != b"\0\0"
    assert checksum(covered) == 0
    assert int.from_bytes(datagram[4:6], "big") == len(datagram)
    ports = (int.from_bytes(datagram[at : at + 2], "big") for at in (0, 2))
    return (source, destination, *ports, datagram[8:])  # type: ignore[return-value]


@pytest.mark.parametrize(("remote", "local"), [(PEER, LOCAL), (PEER6, LOCAL6)])
@pytest.mark.parametrize("octets", [0, 1, 1000])
def test_a_datagram_leaves_with_right_checksums(remote: bytes, local: bytes, octets: int) -> None:
    host = Host()
    (out,) = host.say(remote, 9, bytes(octets))
    assert check(out) == (local, remote, PORT, 9, bytes(octets))
    assert host.counted() == {"udp_sent": 1}


def test_a_checksum_of_zero_is_sent_as_all_ones() -> None:
    host = Host()
    (plain,) = host.say(PEER, 9, b"\0\0")
    missing = int.from_bytes(plain[26:28], "big")
    (out,) = host.say(PEER, 9, missing.to_bytes(2, "big"))
    assert out[26:28] == b"\xff\xff"
    assert check(out)[4] == missing.to_bytes(2, "big")


def reassembled(packets: list[bytes]) -> bytes:
    """The datagram of fragments that came in order."""
    if packets[0][0] >> 4 == 4:
        parts = [(int.from_bytes(each[6:8], "big"), each[20:]) for each in packets]
        assert [(field & 0x1FFF) << 3 for field, _ in parts] == [
            sum(len(part) for _, part in parts[:place]) for place in range(len(parts))
        ]
        assert [bool(field & 0x2000) for field, _ in parts] == [True] * (len(parts) - 1) + [False]
        return b"".join(part for _, part in parts)
    parts = [(int.from_bytes(each[42:44], "big"), each[48:]) for each in packets]
    assert [field & 0xFFF8 for field, _ in parts] == [
        sum(len(part) for _, part in parts[:place]) for place in range(len(parts))
    ]
    return b"".join(part for _, part in parts)


@pytest.mark.parametrize(("remote", "local", "most"), [(PEER, LOCAL, 65507), (PEER6, LOCAL6, 65527)])
def test_large_datagrams_leave_in_fragments_and_too_large_ones_do_not(remote: bytes, local: bytes, most: int) -> None:
    host = Host()
    link = 1472 if len(remote) == 4 else 1452
    assert len(host.say(remote, 9, bytes(link))) == 1
    for octets in (link + 1, 8000, most):
        data = bytes(place % 251 for place in range(octets))
        packets = host.say(remote, 9, data)
        assert len(packets) > 1
        assert max(map(len, packets)) <= 1500
        whole = reassembled(packets)
        covered = (
            local + remote + bytes((0, UDP)) + len(whole).to_bytes(2, "big")
            if len(remote) == 4
            else pseudo(local, remote, UDP, len(whole))
        )
        assert checksum(covered + whole) == 0
        assert whole[8:] == data
    if most == 65507:
        assert host.say(remote, 9, bytes(most + 1)) == []
        (error,) = host.told()
        assert int.from_bytes(error[8:12], "big") == errno.EMSGSIZE


@pytest.mark.parametrize(
    ("remote", "local", "error"),
    [
        (LOCAL, b"", errno.ENETUNREACH),
        (LOCAL6, b"", errno.ENETUNREACH),
        (bytes((224, 0, 0, 1)), b"", errno.ENETUNREACH),
        (b"\xff" * 4, b"", errno.ENETUNREACH),
        (bytes(16), b"", errno.ENETUNREACH),
        (PEER, FAR, errno.EADDRNOTAVAIL),
        (PEER6, FAR6, errno.EADDRNOTAVAIL),
    ],
)
def test_what_cannot_leave_is_told_of(remote: bytes, local: bytes, error: int) -> None:
    host = Host()
    assert host.say(remote, 9, b"x", local) == []
    (answer,) = host.told()
    assert answer[0] == UNDELIVERED
    assert [int.from_bytes(answer[at : at + 4], "big") for at in (4, 8, 12)] == [SOCKET, error, 1]
    assert host.counted() == {"udp_drop_no_way": 1}


def test_an_address_that_is_not_sure_yet_sends_nothing() -> None:
    host = Host()
    host.stack = Stack(CONFIG6)
    host.stack.attach_nic(host.nic.producer)
    host.stack.udp.bind(SOCKET, APP, host.app.producer, "", PORT)
    host.sent()
    assert host.say(PEER6, 9, b"x") == []
    assert int.from_bytes(host.told()[0][8:12], "big") == errno.ENETUNREACH


def test_records_of_other_sockets_are_late_and_malformed_ones_are_their_writers_fault() -> None:
    host = Host()
    assert host.say(PEER, 9, b"x", socket=SOCKET + 1) == []
    host.stack.udp.bind(SOCKET + 2, APP + 1, host.app.producer, "", PORT + 1)
    assert host.say(PEER, 9, b"x", socket=SOCKET + 2) == []
    assert host.counted() == {"udp_records_late": 2}
    for octets in (bytes((SEND_TO,)) + bytes(15), bytes((SEND_TO,)) + bytes(10) + bytes((12,)) + bytes(4 + 11)):
        with pytest.raises(PeerFault):
            host.stack.command(APP, Memory(octets), 0, len(octets), host.now)


# ---- what others say ----
def quote(out: bytes, kind: int, code: int, second: bytes = bytes(4)) -> bytes:
    """A frame with an ICMP error of the peer about a packet that left."""
    if out[0] >> 4 == 4:
        return ethernet(ipv4(icmp(kind, code, second + out[:28]), 1))
    return frame6(ipv6(icmpv6(kind, code, second + out[:1000]), 58))


@pytest.mark.parametrize(
    ("remote", "local", "kind", "code", "error"),
    [
        (PEER, LOCAL, 3, 3, errno.ECONNREFUSED),
        (PEER, LOCAL, 3, 2, errno.ENOPROTOOPT),
        (PEER, LOCAL, 3, 1, 0),
        (PEER, LOCAL, 11, 0, 0),
        (PEER, LOCAL, 12, 0, errno.EPROTO),
        (PEER6, LOCAL6, 1, 4, errno.ECONNREFUSED),
        (PEER6, LOCAL6, 1, 1, errno.EACCES),
        (PEER6, LOCAL6, 1, 0, 0),
        (PEER6, LOCAL6, 3, 0, 0),
        (PEER6, LOCAL6, 4, 0, errno.EPROTO),
    ],
)
def test_icmp_errors_reach_the_socket_if_they_are_hard(
    remote: bytes, local: bytes, kind: int, code: int, error: int
) -> None:
    host = Host()
    (out,) = host.say(remote, 9, b"question")
    host.hear(quote(out, kind, code))
    assert host.told() == ([undelivered(error, 0, remote, 9, local)] if error else [])
    assert host.counted()["udp_unreachables"] == 1


def test_an_error_about_what_no_socket_sent_is_counted_only() -> None:
    host = Host()
    (out,) = host.say(PEER, 9, b"question")
    host.stack.udp.unbind(SOCKET)
    host.hear(quote(out, 3, 3))
    host.hear(quote(out, 3, 4, (1000).to_bytes(4, "big")))
    assert host.told() == []
    assert host.counted()["udp_unreachables"] == 2


@pytest.mark.parametrize(
    ("remote", "kind", "code", "mtu", "least"), [(PEER, 3, 4, 1000, 552), (PEER6, 2, 0, 1300, 1280)]
)
def test_a_narrow_path_gets_fragments_for_ten_minutes(
    remote: bytes, kind: int, code: int, mtu: int, least: int
) -> None:
    host = Host()
    (out,) = host.say(remote, 9, bytes(1400))
    host.hear(quote(out, kind, code, mtu.to_bytes(4, "big")))
    packets = host.say(remote, 9, bytes(1400))
    assert max(map(len, packets)) <= mtu
    assert len(reassembled(packets)) == 1408
    host.hear(quote(out, kind, code, (68).to_bytes(4, "big")))
    assert least - 8 <= max(map(len, host.say(remote, 9, bytes(1400)))) <= least
    host.now += 601_000_000
    assert len(host.say(remote, 9, bytes(1400))) == 1


@settings(max_examples=60, deadline=None)
@given(
    datagram=st.binary(max_size=60),
    flips=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 255)), max_size=3),
    family=st.sampled_from([4, 6]),
)
def test_whatever_arrives_is_delivered_as_sent_or_not_at_all(
    datagram: bytes, flips: list[tuple[int, int]], family: int
) -> None:
    host = Host()
    frame = bytearray(packet(datagram, family))
    for place, bits in flips:
        frame[place % len(frame)] ^= bits
    host.hear(bytes(frame))
    for each in host.told():
        if each[0] == DATAGRAM:
            # A sum of 16 bits is all that guards it: two turned bits can cancel out, one octet cannot.
            assert each == told(datagram, family) or len(flips) > 1 or frame[40:42] == b"\0\0"
