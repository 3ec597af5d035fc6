"""Frames in a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.frame_kind import KINDS, frame_kind
from tests.nic import frames as f

RST, FIN = 0x04, 0x01


def kind(frame: bytes) -> str:
    return KINDS[frame_kind(Memory(frame), 0, len(frame))]


@pytest.mark.parametrize(
    ("flags", "data", "name"),
    [
        (f.SYN, b"", "tcp_syn"),
        (f.SYN | f.ACK, b"", "tcp_syn_ack"),
        (f.SYN | RST, b"", "tcp_rst"),
        (FIN | f.ACK, b"x", "tcp_fin"),
        (f.ACK, b"x", "tcp_data"),
        (f.ACK, b"", "tcp_ack"),
    ],
)
def test_segments(flags: int, data: bytes, name: str) -> None:
    assert kind(f.tcp(f.CLIENT, 4000, flags, data)) == name
    assert kind(f.tcp(f.CLIENT, 4000, flags, data) + bytes(6)) == name, "padding is no data"


def test_the_rest() -> None:
    assert [kind(f.arp(1)), kind(f.arp(2)), kind(f.arp(7))] == ["arp_request", "arp_reply", "other"]
    assert kind(f.udp(f.CLIENT, 4000)) == "udp"
    for icmp, name in ((8, "icmp_echo"), (0, "icmp_echo_reply"), (3, "icmp_unreachable"), (11, "icmp_other")):
        assert kind(f.ethernet(f.ipv4(bytes([icmp]) + bytes(11), 1))) == name
    fragment = bytearray(f.tcp(f.CLIENT, 4000, f.SYN))
    fragment[20:22] = b"\x00\x10"
    assert kind(bytes(fragment)) == "ip_fragment"
    assert kind(f.ethernet(f.ipv4(bytes(30), 47))) == "ip_other"
    assert kind(bytes(12) + b"\x86\xdd" + bytes(40)) == "ipv6"


@given(st.binary(max_size=60), st.sampled_from([b"", b"\x08\x00\x45", b"\x08\x00\x4f", b"\x08\x06"]))
def test_whatever_comes_has_a_kind(octets: bytes, ethertype: bytes) -> None:
    frame = bytes(12 if ethertype else 0) + ethertype + octets
    assert kind(frame) in KINDS
