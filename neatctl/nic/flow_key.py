"""What a frame is to the smart NIC: its sort, its flow key, its TCP flags; or the reason why it is dropped.

A flow key is what RSS hashes: source address, destination address, source port, destination port, as on
the wire; without ports for other protocols. It always has the orientation of arriving frames: for
frames that leave it is reversed, for ICMP errors it is that of the quoted datagram, reversed.
Reads IEEE 802.3, RFC 826, 791, 792, 768, 8200 (extension headers), 4443, 4861 and ports and flags of
RFC 9293; verifies lengths, but no checksum (the replica does). Knows nothing of flows and replicas.
"""

from __future__ import annotations

from neatctl.core.native import Memory
from neatctl.nic.counters import (
    DROP_ARP,
    DROP_ETHERTYPE,
    DROP_IP_HEADER,
    DROP_IP_LENGTH,
    DROP_MULTICAST,
    DROP_OTHER_HOST,
    DROP_QUOTE,
    DROP_RUNT,
    DROP_TRANSPORT,
)

# Sorts of frames.
TCP = 1
UDP = 2
OTHER = 3
"""Another protocol of IP; the key holds addresses only."""
LATER_FRAGMENT = 4
"""A fragment without its transport header; the key holds addresses only."""
REQUEST = 5
"""An ARP request, neighbour solicitation or listener query: one replica answers for all."""
REPLY = 6
"""An ARP reply, gratuitous ARP, neighbour or router advertisement: of use to everyone."""
BROADCAST = 7
"""IP to a group or broadcast address that hosts answer to: UDP, ICMP, an echo request of ICMPv6."""

FIN_FLAG = 0x01
SYN_FLAG = 0x02
RST_FLAG = 0x04
ACK_FLAG = 0x10

KEY_ROOM = 40
_ETHERNET = 14
_IPV4 = 0x0800
_ARP = 0x0806
_IPV6 = 0x86DD
_ICMP = 1
_ICMPV6 = 58
_TCP_PROTOCOL = 6
_UDP_PROTOCOL = 17
_IPV6_FRAGMENT = 44
_BROADCAST_ADDRESS = 0xFFFFFFFF
_MAX_EXTENSION_HEADERS = 8
_ECHO6, _LISTENER_QUERY, _ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT = 128, 130, 134, 135, 136
_TCP, _UDP, _OTHER, _LATER_FRAGMENT, _REQUEST, _REPLY, _BROADCAST = range(1, 8)


class FlowKey:
    """The reading of one frame, to be used again for the next. `mac` is the NIC's own address of 6 octets; b"" takes
    frames to any address."""

    def __init__(self, mac: bytes = b"") -> None:
        self.memory = Memory(bytearray(KEY_ROOM))
        """The key is at its beginning."""
        self.octets = 0
        """Length of the key: 12 or 36 with ports, 8 or 32 without."""
        self.sort = 0
        self.protocol = 0
        """IP protocol number."""
        self.flags = 0
        """TCP flags, 0 for anything else."""
        self.quoted = False
        """The key is of the datagram that an ICMP error quotes."""
        self.first_fragment = False
        """More fragments of this datagram follow."""
        self.fragment_id = 0
        """The identification of a fragment (16 bits, IPv6: 32)."""
        self._any_mac = not mac
        self._mac_high = int.from_bytes(mac[:2], "big")
        self._mac_low = int.from_bytes(mac[2:], "big")

    def parse(self, memory: Memory, at: int, octets: int) -> int:
        """Read an arriving frame of so many octets; 0, or the number of the drop's counter."""
        end = at + octets
        if octets < _ETHERNET:
            return DROP_RUNT
        group = memory.get8(at) & 1
        if not (
            group or self._any_mac or (memory.get32(at + 2) == self._mac_low and memory.get16(at) == self._mac_high)
        ):
            return DROP_OTHER_HOST
        self.quoted = False
        self.first_fragment = False
        self.flags = 0
        ethertype = memory.get16(at + 12)
        if ethertype == _IPV4:
            return self._ipv4(memory, at + _ETHERNET, end, group)
        if ethertype == _IPV6:
            return self._ipv6(memory, at + _ETHERNET, end, group)
        if ethertype == _ARP:
            return self._arp(memory, at + _ETHERNET, end)
        return DROP_ETHERTYPE

    def parse_outbound(self, memory: Memory, at: int, octets: int) -> bool:
        """Read a frame that leaves. True if it is a TCP segment with SYN, FIN or RST: then `flags` and the reversed key
        are there; the others do not change the state of a flow."""
        end = at + octets
        if octets < _ETHERNET + 40:
            return False
        ethertype = memory.get16(at + 12)
        at += _ETHERNET
        if ethertype == _IPV4:
            transport = at + ((memory.get8(at) & 15) << 2)
            if memory.get8(at + 9) != _TCP_PROTOCOL or memory.get16(at + 6) & 0x1FFF or transport + 20 > end:
                return False
            self.flags = memory.get8(transport + 13)
            if not self.flags & 7:
                return False
            self._reverse(memory, at + 12, 4, transport)
            return True
        if ethertype == _IPV6 and memory.get8(at + 6) == _TCP_PROTOCOL and end >= at + 60:
            self.flags = memory.get8(at + 53)
            if not self.flags & 7:
                return False
            self._reverse(memory, at + 8, 16, at + 40)
            return True
        return False

    def _reverse(self, memory: Memory, addresses: int, width: int, transport: int) -> None:
        """Make the key of the answers to what has these addresses (of `width` octets each) and ports."""
        key = self.memory
        key.copy(0, memory, addresses + width, width)
        key.copy(width, memory, addresses, width)
        key.put16(2 * width, memory.get16(transport + 2))
        key.put16(2 * width + 2, memory.get16(transport))
        self.octets = 2 * width + 4
        self.protocol = _TCP_PROTOCOL

    def _arp(self, memory: Memory, at: int, end: int) -> int:
        if end - at < 28:
            return DROP_ARP
        if memory.get32(at) != 0x00010800 or memory.get16(at + 4) != 0x0604:
            return DROP_ARP
        operation = memory.get16(at + 6)
        self.octets = 0
        if operation == 1:
            gratuitous = memory.get32(at + 14) == memory.get32(at + 24)
            self.sort = _REPLY if gratuitous else _REQUEST
            return 0
        self.sort = _REPLY
        return 0 if operation == 2 else DROP_ARP

    def _ipv4(self, memory: Memory, at: int, end: int, group: int) -> int:
        if end - at < 20:
            return DROP_IP_LENGTH
        header = (memory.get8(at) & 15) << 2
        if memory.get8(at) >> 4 != 4 or header < 20:
            return DROP_IP_HEADER
        total = memory.get16(at + 2)
        if total < header or total > end - at:
            return DROP_IP_LENGTH
        protocol = memory.get8(at + 9)
        fragment = memory.get16(at + 6)
        destination = memory.get32(at + 16)
        self.protocol = protocol
        self.memory.copy(0, memory, at + 12, 8)
        self.octets = 8
        self.sort = _OTHER
        if destination >> 28 == 14:
            return DROP_MULTICAST
        if group or destination == _BROADCAST_ADDRESS:
            self.sort = _BROADCAST
            return DROP_MULTICAST if protocol == _TCP_PROTOCOL else 0
        if fragment & 0x3FFF:
            self.fragment_id = memory.get16(at + 4)
            if fragment & 0x1FFF:
                self.sort = _LATER_FRAGMENT
                return 0
            self.first_fragment = True
        if protocol == _ICMP:
            return self._icmp(memory, at + header, at + total)
        return self._ports(memory, at + header, at + total)

    def _ports(self, memory: Memory, at: int, end: int) -> int:
        """Append the ports to the addresses, where the protocol has ports."""
        octets = end - at
        if self.protocol == _TCP_PROTOCOL:
            if octets < 20:
                return DROP_TRANSPORT
            header = memory.get8(at + 12) >> 4 << 2
            if header < 20 or header > octets:
                return DROP_TRANSPORT
            self.sort = _TCP
            self.flags = memory.get8(at + 13)
        elif self.protocol == _UDP_PROTOCOL:
            if octets < 8:
                return DROP_TRANSPORT
            length = memory.get16(at + 4)
            if length < 8 or (length > octets and not self.first_fragment):
                return DROP_TRANSPORT
            self.sort = _UDP
        else:
            return 0
        self.memory.copy(self.octets, memory, at, 4)
        self.octets += 4
        return 0

    def _icmp(self, memory: Memory, at: int, end: int) -> int:
        """ICMP (RFC 792): errors take the key of the datagram that they quote."""
        if end - at < 8:
            return DROP_TRANSPORT
        kind = memory.get8(at)
        if not (3 <= kind <= 5 or 11 <= kind <= 12) or self.first_fragment:
            return 0
        at += 8
        if end - at < 20:
            return DROP_QUOTE
        header = (memory.get8(at) & 15) << 2
        if memory.get8(at) >> 4 != 4 or header < 20:
            return DROP_QUOTE
        if memory.get16(at + 6) & 0x1FFF:
            return 0
        return self._quote(memory, at + 12, 4, memory.get8(at + 9), at + header, end)

    def _quote(self, memory: Memory, addresses: int, width: int, protocol: int, transport: int, end: int) -> int:
        """Take the key of a quoted datagram of ours, of which 8 octets after the IP header are sure (RFC 792)."""
        if protocol not in (_TCP_PROTOCOL, _UDP_PROTOCOL):
            return 0
        if end - transport < 8:
            return DROP_QUOTE
        self._reverse(memory, addresses, width, transport)
        self.protocol = protocol
        self.sort = _TCP if protocol == _TCP_PROTOCOL else _UDP
        self.quoted = True
        return 0

    def _ipv6(self, memory: Memory, at: int, end: int, group: int) -> int:
        if end - at < 40:
            return DROP_IP_LENGTH
        if memory.get8(at) >> 4 != 6:
            return DROP_IP_HEADER
        total = 40 + memory.get16(at + 4)
        if total > end - at:
            return DROP_IP_LENGTH
        end = at + total
        self.memory.copy(0, memory, at + 8, 32)
        self.octets = 32
        self.sort = _OTHER
        protocol = memory.get8(at + 6)
        place = at + 40
        for _ in range(_MAX_EXTENSION_HEADERS):
            if protocol == _IPV6_FRAGMENT:
                if end - place < 8:
                    return DROP_IP_LENGTH
                fragment = memory.get16(place + 2)
                protocol = memory.get8(place)
                self.protocol = protocol
                if fragment & 0xFFF9:
                    self.fragment_id = memory.get32(place + 4)
                    if fragment & 0xFFF8:
                        self.sort = _LATER_FRAGMENT
                        return DROP_MULTICAST if group else 0
                    self.first_fragment = True
                place += 8
            elif protocol in (0, 43, 60):
                if end - place < 8:
                    return DROP_IP_LENGTH
                protocol = memory.get8(place)
                place += (memory.get8(place + 1) + 1) << 3
                if place > end:
                    return DROP_IP_LENGTH
            else:
                break
        self.protocol = protocol
        if protocol == _ICMPV6:
            return self._icmpv6(memory, place, end, group)
        if group or memory.get8(at + 24) == 0xFF:
            return DROP_MULTICAST
        return self._ports(memory, place, end)

    def _icmpv6(self, memory: Memory, at: int, end: int, group: int) -> int:
        """ICMPv6 (RFC 4443) with neighbour discovery (RFC 4861)."""
        if end - at < 8:
            return DROP_TRANSPORT
        kind = memory.get8(at)
        if kind in (_SOLICITATION, _LISTENER_QUERY):
            self.sort = _REQUEST
            return 0
        if kind in (_ADVERTISEMENT, _ROUTER_ADVERTISEMENT):
            self.sort = _REPLY
            return 0
        if group:
            self.sort = _BROADCAST
            return 0 if kind == _ECHO6 else DROP_MULTICAST
        if not 1 <= kind <= 4 or self.first_fragment:
            return 0
        at += 8
        if end - at < 40 or memory.get8(at) >> 4 != 6:
            return DROP_QUOTE
        return self._quote(memory, at + 8, 16, memory.get8(at + 6), at + 40, end)
