"""Frames for another server: new addresses, checksums that are right (or wrong) as before, and what is not sent."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.testbed.replay.rewrite import BATCH, Rewriter, Survey

SERVER, CLIENT, OTHER = "192.0.2.80", "198.51.100.7", "203.0.113.9"
APPLIANCE, KERNEL, FREE = "10.77.0.2", "10.77.0.1", "10.77.0.254"
MAC, LINK_MAC = b"\x02neatt"[:6], b"\x02kernl"[:6]


def number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))


def checksum(octets: bytes) -> int:
    return Memory(octets).sum(0, len(octets), 0) ^ 0xFFFF


def packet(source: str, destination: str, protocol: int, payload: bytes, fragment: int = 0, error: int = 0) -> bytes:
    """An IPv4 packet; TCP, UDP and ICMP get their checksum, which `error` makes wrong."""
    addresses = struct.pack(">II", number(source), number(destination))
    header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0) + addresses)
    header[10:12] = ((checksum(bytes(header)) + error) % 0xFFFF).to_bytes(2, "big")
    body = bytearray(payload)
    place = {6: 16, 17: 6, 1: 2}.get(protocol, -1)
    if place >= 0 and len(body) >= place + 2 and not fragment & 0x1FFF:
        pseudo = b"" if protocol == 1 else addresses + struct.pack(">HH", protocol, len(body))
        body[place : place + 2] = b"\0\0"
        sum_of = (checksum(pseudo + bytes(body)) + error) % 0xFFFF
        body[place : place + 2] = (sum_of or 0xFFFF if protocol == 17 else sum_of).to_bytes(2, "big")
    return bytes(header + body)


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return b"\x04serve\x04clien" + ethertype.to_bytes(2, "big") + payload


def rewriter(servers: tuple[str, ...] = (SERVER,), moved: dict[str, str] | None = None) -> Rewriter:
    pairs = {number(source): number(target) for source, target in (moved or {}).items()}
    return Rewriter([number(server) for server in servers], number(APPLIANCE), MAC, LINK_MAC, 1514, pairs)


def run(made: Rewriter, *frames: bytes, link: int = 1, front: int = 14, original: int = 0) -> list[bytes]:
    """What is sent of these frames."""
    places = bytearray(PLACE_OCTETS * len(frames))
    at = 0
    for i, frame in enumerate(frames):
        struct.pack_into("=qqqq", places, PLACE_OCTETS * i, at, len(frame), original or len(frame), 1000 + i)
        at += len(frame)
    ready = made.prepare(Memory(b"".join(frames) or b"-"), Memory(places), 0, len(frames), link, front)
    found = [(made.places.load64(PLACE_OCTETS * i), made.places.load64(PLACE_OCTETS * i + 8)) for i in range(ready)]
    return [made.out.bytes(at, octets) for at, octets in found]


SEGMENT = struct.pack(">HHIIBBHHH", 4000, 80, 1, 2, 0x50, 0x10, 1000, 0, 0)
DATAGRAM = struct.pack(">HHHH", 4000, 9, 20, 0) + bytes(range(12))


@given(st.binary(max_size=60), st.sampled_from([6, 17, 1, 47]), st.sampled_from([CLIENT, KERNEL]), st.integers(0, 3))
def test_it_is_as_if_the_packet_had_been_sent_there(data: bytes, protocol: int, source: str, error: int) -> None:
    body = {6: SEGMENT, 17: DATAGRAM[:6] + b"\0\0", 1: b"\x08\0\0\0"}.get(protocol, b"") + data
    made = rewriter(moved={KERNEL: FREE, APPLIANCE: FREE})
    (sent,) = run(made, ethernet(packet(source, SERVER, protocol, body, 0, error)))
    moved = FREE if source == KERNEL else source
    assert sent[:14] == MAC + LINK_MAC + b"\x08\0"
    assert sent[14:] == packet(moved, APPLIANCE, protocol, body, 0, error)


def test_a_datagram_without_checksum_and_later_fragments_have_none_to_change() -> None:
    bare = bytearray(packet(CLIENT, SERVER, 17, DATAGRAM))
    bare[26:28] = b"\0\0"
    later = packet(CLIENT, SERVER, 6, SEGMENT, fragment=0x00B9)
    first, second = run(rewriter(), ethernet(bytes(bare)), ethernet(later))
    assert first[34:] == bare[20:]
    assert second[34:] == later[20:]
    assert Memory(second).sum(14, 20, 0) == 0xFFFF


def test_an_icmp_error_is_about_the_appliances_packet() -> None:
    quoted = packet(SERVER, KERNEL, 6, SEGMENT)[:28]
    (sent,) = run(rewriter(moved={KERNEL: FREE}), ethernet(packet(KERNEL, SERVER, 1, b"\x03\x03" + bytes(6) + quoted)))
    assert (sent[26:30], sent[30:34]) == tuple(ipaddress.IPv4Address(it).packed for it in (FREE, APPLIANCE))
    assert (sent[54:58], sent[58:62]) == tuple(ipaddress.IPv4Address(it).packed for it in (APPLIANCE, FREE))
    assert Memory(sent).sum(42, 20, 0) == 0xFFFF, "the quoted header"
    assert Memory(sent).sum(34, len(sent) - 34, 0) == 0xFFFF, "ICMP"


def test_arp_goes_as_it_is_and_the_rest_stays_with_a_reason() -> None:
    made = rewriter()
    arp = ethernet(bytes(28), 0x0806)
    sent = run(
        made,
        arp,
        ethernet(packet(SERVER, CLIENT, 6, SEGMENT)),
        ethernet(packet(CLIENT, OTHER, 6, SEGMENT)),
        ethernet(bytes(60), 0x86DD),
        ethernet(bytes(60), 0x8100),
        ethernet(packet(CLIENT, SERVER, 6, SEGMENT)[:19]),
        b"short",
        ethernet(packet(CLIENT, SERVER, 6, SEGMENT + bytes(1461))),
        ethernet(packet(CLIENT, SERVER, 6, SEGMENT + bytes(1460))),
    )
    assert sent[0] == arp
    assert [len(frame) for frame in sent] == [42, 1514]
    assert made.not_sent() == {
        "from_server": 1, "to_others": 1, "ipv6": 1, "other_protocols": 1, "too_short": 2, "too_long": 1
    }  # fmt: skip
    assert made.arp == 1


@pytest.mark.parametrize(("servers", "sent"), [((SERVER, OTHER), 2), ((), 3), ((OTHER,), 1)])
def test_several_servers_or_any(servers: tuple[str, ...], sent: int) -> None:
    hosts = [packet(CLIENT, it, 6, SEGMENT) for it in (SERVER, OTHER)] + [packet(OTHER, CLIENT, 6, SEGMENT)]
    group = packet(CLIENT, "224.0.0.251", 17, DATAGRAM)
    assert len(run(rewriter(servers), *(ethernet(it) for it in [*hosts, group]))) == sent


def test_raw_ip_gets_an_ethernet_header_and_what_was_cut_is_counted() -> None:
    made = rewriter()
    (sent,) = run(made, packet(CLIENT, SERVER, 6, SEGMENT), link=101, front=0, original=900)
    assert sent == MAC + LINK_MAC + b"\x08\0" + packet(CLIENT, APPLIANCE, 6, SEGMENT)
    assert made.truncated == 1


@given(st.lists(st.binary(max_size=90), max_size=20))
def test_whatever_comes_is_sent_or_counted(tails: list[bytes]) -> None:
    made = rewriter(())
    frames = [bytes(12) + b"\x08\0" + tail for tail in tails]
    assert len(run(made, *frames)) + sum(made.not_sent().values()) == len(frames)


def test_a_batch_of_the_longest_frames_fits() -> None:
    made = rewriter()
    frame = ethernet(packet(CLIENT, SERVER, 6, SEGMENT + bytes(1460)))
    sent = run(made, *[frame] * BATCH)
    assert len(sent) == BATCH
    assert set(sent) == {sent[0]}


def test_the_server_is_who_connections_are_opened_to_else_who_gets_most() -> None:
    syn = SEGMENT[:13] + b"\x02" + SEGMENT[14:]
    survey = Survey()

    def look(*frames: bytes) -> tuple[int, str]:
        places = bytearray(PLACE_OCTETS * len(frames))
        for i, frame in enumerate(frames):
            struct.pack_into("=qqqq", places, PLACE_OCTETS * i, 100 * i, len(frame), len(frame), 5 + i)
        survey.count(Memory(b"".join(it.ljust(100, b"-") for it in frames)), Memory(places), len(frames), 1, 14)
        return survey.guess()

    assert survey.guess() == (0, "")
    data = ethernet(packet(SERVER, CLIENT, 6, SEGMENT))
    noise = ethernet(packet(OTHER, "255.255.255.255", 17, DATAGRAM))
    assert look(data, data, noise, noise, noise)[0] == number(CLIENT)
    assert look(ethernet(packet(CLIENT, SERVER, 6, syn)))[0] == number(SERVER)
    assert (survey.frames, survey.first_ns, survey.last_ns) == (6, 5, 9)
