"""The link below the bridged stack: packets without an Ethernet header by default, as a tun device has them.

On a raw link the bridge plays the one neighbour: it puts the header on what arrives, takes it off what leaves, and
answers ARP (RFC 826) and Neighbour Solicitations (RFC 4861 section 7.2) itself, for every address. Knows frames only.
"""

from __future__ import annotations

from neatctl.core.native import Memory

STACK_MAC = bytes.fromhex("024e45415402")
PEER_MAC = bytes.fromhex("024e45415401")
"""Of the other end of a raw link."""
MAX_PACKET = 65535

_IPV4, _IPV6, _ARP = b"\x08\x00", b"\x86\xdd", b"\x08\x06"
_ARP_OCTETS = 28
_ARP_REQUEST = bytes.fromhex("0001080006040001")
_ARP_REPLY = bytes.fromhex("0001080006040002")
_ICMPV6, _HOP_BY_HOP = 58, 0
_SOLICITATION = 135
_HOUSEKEEPING = (130, 131, 132, 133, 134, 135, 136, 143)
"""ICMPv6 of the link itself: MLD, router and neighbour discovery."""


class EthernetLink:
    """Frames as they are, both ways; ARP is the client's affair."""

    def arriving(self, packet: bytes) -> bytes | None:
        """The frame for the stack; None if it can be none."""
        return packet if 14 <= len(packet) <= MAX_PACKET + 14 else None

    def leaving(self, frame: bytes) -> tuple[bytes | None, bytes | None]:
        """What the client reads, and a frame to answer the stack with."""
        return frame, None


class RawLink(EthernetLink):
    """IPv4 and IPv6 packets without a link header."""

    def arriving(self, packet: bytes) -> bytes | None:
        if not 1 <= len(packet) <= MAX_PACKET:
            return None
        kind = _IPV6 if packet[0] >> 4 == 6 else _IPV4
        return STACK_MAC + PEER_MAC + kind + packet

    def leaving(self, frame: bytes) -> tuple[bytes | None, bytes | None]:
        kind, packet = frame[12:14], frame[14:]
        if kind == _ARP:
            return None, _arp_answer(packet)
        if kind == _IPV6 and _is_housekeeping(packet):
            return None, _neighbour_advertisement(packet)
        return packet, None


def _arp_answer(packet: bytes) -> bytes | None:
    """The reply to a request for another address than the sender's own; probes and announcements get none."""
    if len(packet) < _ARP_OCTETS or packet[:8] != _ARP_REQUEST:
        return None
    mac, sender, target = packet[8:14], packet[14:18], packet[24:28]
    if sender in (target, bytes(4)):
        return None
    return mac + PEER_MAC + _ARP + _ARP_REPLY + PEER_MAC + target + mac + sender


def _is_housekeeping(packet: bytes) -> bool:
    at, following = 40, packet[6:7]
    if following == bytes((_HOP_BY_HOP,)) and len(packet) >= 48:
        following, at = packet[40:41], 48 + packet[41] * 8
    return following == bytes((_ICMPV6,)) and len(packet) > at and packet[at] in _HOUSEKEEPING


def _neighbour_advertisement(packet: bytes) -> bytes | None:
    """The answer to a Neighbour Solicitation; one from the unspecified address (DAD) gets none: nobody else is here."""
    source = packet[8:24]
    if len(packet) < 64 or packet[6] != _ICMPV6 or packet[40] != _SOLICITATION or source == bytes(16):
        return None
    target = packet[48:64]
    message = bytearray(bytes((136, 0, 0, 0, 0x60, 0, 0, 0)) + target + bytes((2, 1)) + PEER_MAC)
    addresses = target + source
    pseudo = Memory(addresses).sum(0, 32, _ICMPV6 + len(message))
    message[2:4] = (~Memory(bytes(message)).sum(0, len(message), pseudo) & 0xFFFF).to_bytes(2, "big")
    head = b"\x60\x00\x00\x00" + len(message).to_bytes(2, "big") + bytes((_ICMPV6, 255))
    return STACK_MAC + PEER_MAC + _IPV6 + head + addresses + bytes(message)
