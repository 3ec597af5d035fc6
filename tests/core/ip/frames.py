"""A NIC queue in memory, and frames as a peer on the link would send them (RFC 791, RFC 792, RFC 826)."""

from __future__ import annotations

from dataclasses import dataclass

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.records import FRAME_AT
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.native import Memory

LOCAL, PEER = bytes((10, 77, 0, 2)), bytes((10, 77, 0, 1))
FAR = bytes((198, 51, 100, 7))
OUR_MAC, PEER_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
BROADCAST_MAC = b"\xff" * 6
CAPACITY = 1 << 18

CONFIG = ReplicaConfig(
    index=1,
    generation=1,
    run_directory="",
    transport="ipc",
    channel="ring",
    address="10.77.0.2",
    prefix_length=24,
    gateway="10.77.0.1",
    mac=OUR_MAC,
    isn_key=bytes(16),
)


class Queue:
    """A ring in memory with both its ends."""

    def __init__(self) -> None:
        memory = format_ring(Memory(bytearray(ring_octets(CAPACITY))), CAPACITY, 1)
        self.producer = RingProducer(memory, 1, Ringer(""))
        self.consumer = RingConsumer(memory, 1, Ringer(""))

    def take(self) -> list[bytes]:
        """All records."""
        self.producer.flush()
        records = []
        while (record := self.consumer.receive()) is not None:
            records.append(record)
        self.consumer.flush()
        return records

    def frames(self) -> list[bytes]:
        """All frames, without their descriptors."""
        return [record[FRAME_AT:] for record in self.take()]


def checksum(octets: bytes, start: int = 0) -> int:
    """RFC 1071, written apart from what is tested: 0 over octets that hold their own checksum."""
    total = start
    for i in range(0, len(octets), 2):
        total += int.from_bytes(octets[i : i + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(
    payload: bytes,
    protocol: int,
    source: bytes = PEER,
    destination: bytes = LOCAL,
    *,
    options: bytes = b"",
    fragment: int = 0,
    total: int | None = None,
    version: int = 4,
    words: int | None = None,
    bad_checksum: bool = False,
) -> bytes:
    words = 5 + len(options) // 4 if words is None else words
    total = 20 + len(options) + len(payload) if total is None else total
    head = bytearray((version << 4 | words, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0)) + source + destination + options
    head[2:4] = total.to_bytes(2, "big")
    head[6:8] = fragment.to_bytes(2, "big")
    head[10:12] = (checksum(bytes(head)) ^ (1 if bad_checksum else 0)).to_bytes(2, "big")
    return bytes(head) + payload


def ethernet(payload: bytes, ethertype: int = 0x0800, to: bytes = OUR_MAC, source: bytes = PEER_MAC) -> bytes:
    return to + source + ethertype.to_bytes(2, "big") + payload


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    message = bytes((kind, code, 0, 0)) + rest
    return message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def udp(
    data: bytes, port: int, source: bytes = PEER, destination: bytes = LOCAL, *,
    source_port: int = 40000, length: int | None = None, check: int | None = None,
) -> bytes:  # fmt: skip
    """A datagram between two addresses of one family (RFC 768), its checksum right unless `check` is given."""
    octets = 8 + len(data)
    head = b"".join(value.to_bytes(2, "big") for value in (source_port, port, octets if length is None else length))
    pseudo = source + destination + (octets + 17).to_bytes(4, "big")
    total = checksum(pseudo + head + b"\0\0" + data) if check is None else check
    return head + (total if total or check is not None else 0xFFFF).to_bytes(2, "big") + data


def arp(operation: int, sender_mac: bytes, sender: bytes, target: bytes, target_mac: bytes = bytes(6)) -> bytes:
    return b"\0\1\x08\0\6\4" + operation.to_bytes(2, "big") + sender_mac + sender + target_mac + target


@dataclass(frozen=True)
class Arp:
    """An ARP packet that we sent."""

    to: bytes
    operation: int
    sender_mac: bytes
    sender: bytes
    target_mac: bytes
    target: bytes


def parse_arp(frame: bytes) -> Arp:
    assert frame[12:14] == b"\x08\x06"
    assert frame[14:20] == bytes.fromhex("000108000604")
    return Arp(frame[:6], int.from_bytes(frame[20:22], "big"), frame[22:28], frame[28:32], frame[32:38], frame[38:42])


def record(frame: bytes, flags: int = 0) -> bytes:
    """A record of a NIC queue."""
    return bytes((0, 0, 0, 0, 0, 0, flags)) + bytes(FRAME_AT - 7) + frame
