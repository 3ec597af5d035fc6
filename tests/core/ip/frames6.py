"""IPv6 packets as a peer on the link would send them (RFC 8200, RFC 4443, RFC 4861), apart from what is tested."""

from __future__ import annotations

from ipaddress import IPv6Address

import msgspec

from neatctl.core.native import Memory
from neatctl.core.stack import Stack
from tests.core.ip.frames import CONFIG, OUR_MAC, PEER_MAC, Queue, checksum, ethernet, record

HOP_BY_HOP, TCP, UDP, ROUTING, FRAGMENT, ICMPV6, NOTHING, DESTINATION = 0, 6, 17, 43, 44, 58, 59, 60
LOCAL6, PEER6, FAR6 = (IPv6Address(text).packed for text in ("fd00:77::2", "fd00:77::1", "2001:db8::7"))
ROUTER6 = IPv6Address("fe80::1").packed
ALL_NODES, ALL_ROUTERS = IPv6Address("ff02::1").packed, IPv6Address("ff02::2").packed
UNSPECIFIED = bytes(16)
CONFIG6 = msgspec.structs.replace(CONFIG, address6="fd00:77::2", prefix_length6=64, gateway6="fd00:77::1")


def ipv6(
    payload: bytes,
    protocol: int,
    source: bytes = PEER6,
    destination: bytes = LOCAL6,
    *,
    hop_limit: int = 64,
    length: int | None = None,
    version: int = 6,
) -> bytes:
    length = len(payload) if length is None else length
    return (
        bytes((version << 4, 0, 0, 0)) + length.to_bytes(2, "big") + bytes((protocol, hop_limit)) + source + destination
    ) + payload


def frame6(packet: bytes, to: bytes = OUR_MAC, source: bytes = PEER_MAC) -> bytes:
    return ethernet(packet, 0x86DD, to, source)


def pseudo(source: bytes, destination: bytes, protocol: int, octets: int) -> bytes:
    return source + destination + octets.to_bytes(4, "big") + bytes((0, 0, 0, protocol))


def icmpv6(kind: int, code: int, rest: bytes, source: bytes = PEER6, destination: bytes = LOCAL6) -> bytes:
    """A message with its checksum; `rest` follows the first word."""
    message = bytes((kind, code, 0, 0)) + rest
    total = checksum(pseudo(source, destination, ICMPV6, len(message)) + message)
    return message[:2] + total.to_bytes(2, "big") + message[4:]


def tcp6(
    flags: int, port: int = 40000, source: bytes = PEER6, options: bytes = b"", seq: int = 9, ack: int = 5,
    data: bytes = b"", destination: bytes = LOCAL6,
) -> bytes:  # fmt: skip
    """A segment to port 80, its checksum right."""
    head = port.to_bytes(2, "big") + b"\0\x50" + seq.to_bytes(4, "big") + ack.to_bytes(4, "big")
    segment = head + bytes(((20 + len(options)) << 2, flags)) + b"\x20\x00\0\0\0\0" + options + data
    total = checksum(pseudo(source, destination, TCP, len(segment)) + segment)
    return segment[:16] + total.to_bytes(2, "big") + segment[18:]


def options_header(following: int, options: bytes = b"\x01\x04\0\0\0\0") -> bytes:
    """A hop-by-hop or destination options header."""
    assert (2 + len(options)) % 8 == 0
    return bytes((following, (2 + len(options)) // 8 - 1)) + options


def fragment_header(following: int, offset: int, more: bool, identification: int = 7) -> bytes:
    return bytes((following, 0)) + (offset | more).to_bytes(2, "big") + identification.to_bytes(4, "big")


def fragments6(payload: bytes, protocol: int, size: int, identification: int = 7, source: bytes = PEER6) -> list[bytes]:
    """Packets that carry `payload` in pieces of `size` octets."""
    return [
        ipv6(
            fragment_header(protocol, at, at + size < len(payload), identification) + payload[at : at + size],
            FRAGMENT,
            source,
        )
        for at in range(0, len(payload), size)
    ]


def solicitation(target: bytes = LOCAL6, source: bytes = PEER6, mac: bytes = PEER_MAC, **changes: object) -> bytes:
    """A neighbour solicitation packet for `target`, to its group."""
    to = IPv6Address("ff02::1:ff00:0").packed[:13] + target[13:]
    option = b"\1\1" + mac if source != UNSPECIFIED else b""
    message = icmpv6(135, 0, bytes(4) + target + option, source, to)
    return ipv6(message, ICMPV6, source, to, hop_limit=255, **changes)  # type: ignore[arg-type]


def advertisement(
    target: bytes = PEER6, flags: int = 0x60, mac: bytes = PEER_MAC, to: bytes = LOCAL6, source: bytes = b""
) -> bytes:
    source = source or target
    message = icmpv6(136, 0, bytes((flags, 0, 0, 0)) + target + b"\2\1" + mac, source, to)
    return ipv6(message, ICMPV6, source, to, hop_limit=255)


def router_advertisement(
    lifetime_s: int = 1800, options: bytes = b"", source: bytes = ROUTER6, hop_limit: int = 255
) -> bytes:
    rest = bytes((32, 0)) + lifetime_s.to_bytes(2, "big") + bytes(8) + options
    return ipv6(icmpv6(134, 0, rest, source, ALL_NODES), ICMPV6, source, ALL_NODES, hop_limit=hop_limit)


def prefix_option(prefix: bytes, flags: int = 0xC0, valid_s: int = 86400, preferred_s: int = 14400) -> bytes:
    lifetimes = valid_s.to_bytes(4, "big") + preferred_s.to_bytes(4, "big")
    return bytes((3, 4, 64, flags)) + lifetimes + bytes(4) + prefix


def group_frame(packet: bytes) -> bytes:
    """To the Ethernet address of the packet's group."""
    return frame6(packet, b"\x33\x33" + packet[36:40])


class Replica6:
    """A stack with IPv6 on a queue, some seconds after its start; time stands still unless a test moves it."""

    def __init__(self, *, fresh: bool = False, **changes: object) -> None:
        self.stack = Stack(msgspec.structs.replace(CONFIG6, **({"checksum_offload": False} | changes)))
        self.queue = Queue()
        self.now = 1_000_000
        self.stack.attach_nic(self.queue.producer)
        if not fresh:
            self.pass_seconds(12)
            self.queue.take()
            self.counted_before = self.stack.counters.as_dict()

    def pass_seconds(self, count: int) -> list[bytes]:
        """Let time pass; the frames that go out meanwhile."""
        for _ in range(count):
            self.stack.expire(self.now)
            self.now += 1_000_000
        self.stack.transmit(self.now)
        return self.queue.frames()

    def hear(self, frame: bytes, flags: int = 0) -> list[bytes]:
        """Receive one frame; the frames that go out for it."""
        octets = record(frame, flags)
        self.stack.receive(Memory(bytearray(octets)), 0, len(octets), self.now)
        self.stack.transmit(self.now)
        return self.queue.frames()

    def hear_all(self, packets: list[bytes]) -> list[bytes]:
        return [answer for packet in packets for answer in self.hear(frame6(packet))]

    def meet(self, address: bytes = PEER6, mac: bytes = PEER_MAC) -> None:
        """Make a neighbour known."""
        self.hear(group_frame(solicitation(source=address, mac=mac)))

    def counted(self) -> dict[str, int]:
        """The counters of drops that moved."""
        moved = self.stack.counters.as_dict() | self.stack.tcp.counters.as_dict()
        return {name: value for name, value in moved.items() if value and "drop" in name}


def parse_icmpv6(frame: bytes) -> tuple[bytes, bytes, bytes]:
    """Source, destination and message of a frame; asserts that lengths and checksum are right."""
    assert frame[12:14] == b"\x86\xdd"
    packet = frame[14:]
    assert packet[0] >> 4 == 6
    assert int.from_bytes(packet[4:6], "big") == len(packet) - 40
    message = packet[40:]
    if packet[6] == HOP_BY_HOP:
        assert message[0] == ICMPV6
        message = message[(message[1] + 1) * 8 :]
    else:
        assert packet[6] == ICMPV6
    assert checksum(pseudo(packet[8:24], packet[24:40], ICMPV6, len(message)) + message) == 0
    return packet[8:24], packet[24:40], message
