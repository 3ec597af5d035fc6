"""Frames of a capture as TCP segments: Ethernet with VLAN tags, IPv4, TCP, whatever offloads did to them.

Checksums are not looked at, since a sender's capture has them before the device fills them in. A total length of 0 is
a super-frame's: its length is the frame's. What is no segment has a reason. RFC 791, RFC 9293 section 3.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from neatctl.core.wire.tcp_header import ACK, FIN, HEADER, RST, SYN

ETHERNET = 14
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
TCP = 6
NOT_TCP = "not TCP"
FRAGMENT = "fragments of IP"
MALFORMED = "malformed"
OVER_IPV6 = "TCP over IPv6"
_VLANS = frozenset({0x8100, 0x88A8, 0x9100})
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")


@dataclass(slots=True)
class CapturedSegment:
    """One TCP segment of a capture; numbers as on the wire."""

    time_ns: int
    source: tuple[bytes, int]
    destination: tuple[bytes, int]
    ident: int
    """The identification of the IP packet."""
    seq: int
    ack: int
    flags: int
    window: int
    urgent: int
    options: bytes
    data: bytes
    octets: int
    """Of data on the wire; more than there is in `data` when the capture cut it off."""


def parse(time_ns: int, original: int, frame: bytes) -> CapturedSegment | str:
    """The segment in an Ethernet frame of which `original` octets were on the wire; or why there is none."""
    at = ETHERNET
    kind = int.from_bytes(frame[12:14], "big")
    while kind in _VLANS and len(frame) >= at + 4:
        kind = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if kind == IPV6:
        return _over_ipv6(frame, at)
    if kind != IPV4:
        return NOT_TCP
    if len(frame) < at + 20:
        return MALFORMED
    version, _, total, ident, fragment, _, protocol, _, source, destination = _IP.unpack_from(frame, at)
    header = (version & 15) * 4
    if version >> 4 != 4 or header < 20:
        return MALFORMED
    if protocol != TCP:
        return NOT_TCP
    if fragment & 0x3FFF:
        return FRAGMENT
    total = total or max(original, len(frame)) - at
    return _segment(time_ns, source, destination, ident, frame[at + header : at + total], total - header)


def _segment(
    time_ns: int, source: bytes, destination: bytes, ident: int, octets: bytes, length: int
) -> CapturedSegment | str:
    if len(octets) < HEADER:
        return MALFORMED
    from_port, to_port, seq, ack, offset, flags, window, _, urgent = _TCP.unpack_from(octets)
    header = (offset >> 4) * 4
    impossible = flags & SYN and flags & (FIN | RST)
    if header < HEADER or header > len(octets) or header > length or impossible:
        return MALFORMED
    return CapturedSegment(
        time_ns,
        (source, from_port),
        (destination, to_port),
        ident,
        seq,
        ack if flags & ACK else 0,
        flags,
        window,
        urgent,
        octets[HEADER:header],
        octets[header:],
        length - header,
    )


def _over_ipv6(frame: bytes, at: int) -> str:
    """OVER_IPV6 for the first segment of a client; nothing of IPv6 is played."""
    opens = len(frame) > at + 53 and frame[at + 6] == TCP and frame[at + 53] & (SYN | ACK) == SYN
    return OVER_IPV6 if opens else NOT_TCP
