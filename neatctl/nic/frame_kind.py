"""What a frame is, in a word, for people who count what a stack sends: SYN-ACK, reset, echo reply ..

Looks at Ethernet, ARP, IPv4, ICMP, UDP and TCP headers as far as they are there; checks nothing else.
"""

from __future__ import annotations

from neatctl.core.native import Memory

KINDS = (
    "other",
    "arp_request",
    "arp_reply",
    "icmp_echo",
    "icmp_echo_reply",
    "icmp_unreachable",
    "icmp_other",
    "udp",
    "tcp_syn",
    "tcp_syn_ack",
    "tcp_rst",
    "tcp_fin",
    "tcp_data",
    "tcp_ack",
    "ipv6",
    "ip_other",
    "ip_fragment",
)
"""Names by number. A TCP segment is the first of these that fits it."""

(
    _OTHER,
    _ARP_REQUEST,
    _ARP_REPLY,
    _ECHO,
    _ECHO_REPLY,
    _UNREACHABLE,
    _ICMP_OTHER,
    _UDP,
    _SYN,
    _SYN_ACK,
    _RST,
    _FIN,
    _DATA,
    _ACK,
    _IPV6,
    _IP_OTHER,
    _FRAGMENT,
) = range(len(KINDS))
_ETHERNET = 14


def frame_kind(memory: Memory, at: int, octets: int) -> int:
    """The number of the kind of a frame."""
    if octets < _ETHERNET + 20:
        return _OTHER
    ethertype = memory.get16(at + 12)
    if ethertype == 0x0806:
        operation = memory.get16(at + 20)
        return _ARP_REQUEST if operation == 1 else _ARP_REPLY if operation == 2 else _OTHER
    if ethertype == 0x86DD:
        return _IPV6
    if ethertype != 0x0800:
        return _OTHER
    ip = at + _ETHERNET
    if memory.get16(ip + 6) & 0x1FFF:
        return _FRAGMENT
    protocol = memory.get8(ip + 9)
    header = (memory.get8(ip) & 0xF) << 2
    room = octets - _ETHERNET - header
    if protocol == 6 and room >= 20:
        return _segment_kind(memory, ip + header, memory.get16(ip + 2) - header)
    if protocol == 17:
        return _UDP
    if protocol == 1 and room >= 8:
        kind = memory.get8(ip + header)
        if kind == 8:
            return _ECHO
        return _ECHO_REPLY if kind == 0 else _UNREACHABLE if kind == 3 else _ICMP_OTHER
    return _IP_OTHER


def _segment_kind(memory: Memory, tcp: int, octets: int) -> int:
    flags = memory.get8(tcp + 13)
    if flags & 0x04:
        return _RST
    if flags & 0x02:
        return _SYN_ACK if flags & 0x10 else _SYN
    if flags & 0x01:
        return _FIN
    return _DATA if octets > (memory.get8(tcp + 12) >> 4) << 2 else _ACK
