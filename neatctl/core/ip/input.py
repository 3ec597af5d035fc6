"""The way into a replica: Ethernet, ARP, IPv4 and its checks, fragments; segments and datagrams go on to TCP and UDP.

RFC 791, RFC 1122 section 3.2.1, RFC 1812 section 5.3.7 (martians). ICMP is in icmp.py, IPv6 in input6.py. What is wrong
is counted under its reason and dropped. Knows of TCP and UDP only that they take what is theirs.
"""

from __future__ import annotations

from neatctl.core.channel.records import DATA_VALID, FRAME_AT, NEEDS_CSUM, VNET_FLAGS_AT
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.icmp import (
    ICMP,
    PARAMETER_PROBLEM,
    PORT_UNREACHABLE,
    PROTOCOL_UNREACHABLE,
    UNREACHABLE,
    ErrorRate,
    Icmp,
)
from neatctl.core.ip.input6 import Ip6Input
from neatctl.core.ip.ipv4_options import SOUND, SOURCE_ROUTE, check_options
from neatctl.core.ip.keys import Keys
from neatctl.core.ip.output import IpOutput
from neatctl.core.ip.reassembling import LARGEST, FragmentBuffer
from neatctl.core.native import Memory
from neatctl.core.tcp.layer import TcpLayer
from neatctl.core.udp.udp_layer import UdpLayer

_ETHERNET = 14
_IPV4_MIN = 20
_ETHERTYPE_IPV4, _ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
_ICMP, _TCP, _UDP = ICMP, 6, 17
_MULTICAST = 0xE0000000
_BROADCAST = 0xFFFFFFFF
_FRAGMENTED, _MORE = 0x3FFF, 0x2000
_CHECKSUM_KNOWN = NEEDS_CSUM | DATA_VALID
_FLAGS_AT = VNET_FLAGS_AT
_FRAME_AT = FRAME_AT
_PORT_UNREACHABLE, _PROTOCOL_UNREACHABLE = PORT_UNREACHABLE, PROTOCOL_UNREACHABLE
_KEY_OCTETS = 12


class IpInput:
    """The input of one interface."""

    def __init__(
        self, config: ReplicaConfig, output: IpOutput, tcp: TcpLayer, udp: UdpLayer, counters: IpCounters
    ) -> None:
        self._output = output
        self._tcp = tcp
        self._udp = udp
        self._counters = counters
        self._local = int.from_bytes(output.local, "big")
        host_bits = (1 << (32 - config.prefix_length)) - 1
        self._directed_broadcast = self._local | host_bits
        self._mac = Memory(config.mac)
        self._keys = Keys(_KEY_OCTETS)
        rate = ErrorRate()
        self._icmp = Icmp(output, tcp, udp, counters, rate)
        self._fragments = FragmentBuffer(counters)
        self._six: Ip6Input | None = None
        if output.discovery is not None:
            self._six = Ip6Input(output, output.discovery, tcp, udp, counters, rate)

    def receive(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """A record of a NIC queue that holds a frame; `at` and `octets` are the record's."""
        frame = at + _FRAME_AT
        octets -= _FRAME_AT
        if octets < _ETHERNET:
            self._counters.drop_short += 1
            return
        group = memory.get8(frame) & 1
        if not group and not memory.equal(frame, self._mac, 0, 6):
            self._counters.drop_ethernet += 1
            return
        ethertype = memory.get16(frame + 12)
        if ethertype == _ETHERTYPE_IPV4:
            self._counters.received += 1
            known = memory.get8(at + _FLAGS_AT) & _CHECKSUM_KNOWN
            self._ipv4(memory, frame, octets - _ETHERNET, known != 0, group != 0, now)
        elif ethertype == _ETHERTYPE_IPV6 and self._six is not None:
            self._counters.received += 1
            known = memory.get8(at + _FLAGS_AT) & _CHECKSUM_KNOWN
            self._six.receive(memory, frame, octets - _ETHERNET, known != 0, group != 0, now)
        elif ethertype == _ETHERTYPE_ARP:
            self._output.neighbours.arrive(memory, frame + _ETHERNET, octets - _ETHERNET, now)
        else:
            self._counters.drop_ethernet += 1

    def expire(self, now: int) -> None:
        """Once a second: give up datagrams whose fragments do not come."""
        for frame in self._fragments.expire(now):
            self._icmp.reassembly_took_too_long(frame, now)
        if self._six is not None:
            self._six.expire(now)

    def _ipv4(self, memory: Memory, frame: int, octets: int, known: bool, group: bool, now: int) -> None:
        counters = self._counters
        ip = frame + _ETHERNET
        if octets < _IPV4_MIN:
            counters.drop_short += 1
            return
        version = memory.get8(ip)
        header = (version & 15) << 2
        total = memory.get16(ip + 2)
        if version >> 4 != 4 or header < _IPV4_MIN or total < header or total > octets:
            counters.drop_header += 1
            return
        if memory.sum(ip, header, 0) != 0xFFFF:
            counters.drop_checksum += 1
            return
        if not self._source_is_sound(memory.get32(ip + 12)):
            counters.drop_source += 1
            return
        destination = memory.get32(ip + 16)
        if destination != self._local or group:
            counters.drop_destination += 1
            return
        self._output.arrived(memory, frame)
        if header == _IPV4_MIN or self._options_are_sound(memory, ip, header, now):
            if memory.get16(ip + 6) & _FRAGMENTED:
                self._fragment(memory, frame, header, total, now)
            else:
                self._payload(memory, frame, header, total, known, now)
        self._output.arrived(memory, -1)

    def _payload(self, memory: Memory, frame: int, header: int, total: int, known: bool, now: int) -> None:
        """A whole datagram to our address."""
        ip = frame + _ETHERNET
        protocol = memory.get8(ip + 9)
        if protocol == _TCP:
            if total - header < 4:
                self._counters.drop_short += 1
                return
            key: bytes | None
            if header == _IPV4_MIN:
                key = self._keys.find(memory, ip + 12)
                if key is None:
                    key = self._keys.enter(memory, ip + 12)
            else:
                key = memory.bytes(ip + 12, 8) + memory.bytes(ip + header, 4)
            self._tcp.arrive(memory, ip + header, total - header, key, known, now)
        elif protocol == _UDP:
            if not self._udp.arrive(memory, ip + header, total - header, ip + 12, 4, known):
                self._icmp.send_error(memory, ip, UNREACHABLE, _PORT_UNREACHABLE, 0, now)
        elif protocol == _ICMP:
            self._icmp.arrive(memory, ip, header, total, now)
        else:
            self._icmp.send_error(memory, ip, UNREACHABLE, _PROTOCOL_UNREACHABLE, 0, now)

    def _source_is_sound(self, source: int) -> bool:
        """Not from this network's void, loopback, a group, a broadcast address or ourselves."""
        first = source >> 24
        if first in (0, 127) or source & _MULTICAST == _MULTICAST:
            return False
        return source not in (self._directed_broadcast, self._local)

    def _options_are_sound(self, memory: Memory, ip: int, header: int, now: int) -> bool:
        """Whether a header's options may be passed over; else it is counted, and the sender told if it errs."""
        verdict = check_options(memory, ip, header)
        if verdict == SOUND:
            return True
        self._counters.drop_options += 1
        if verdict != SOURCE_ROUTE:
            self._icmp.send_error(memory, ip, PARAMETER_PROBLEM, 0, verdict << 24, now)
        return False

    def _fragment(self, memory: Memory, frame: int, header: int, total: int, now: int) -> None:
        """Keep a fragment; the datagram goes on when it is whole (RFC 791 section 3.2)."""
        ip = frame + _ETHERNET
        field = memory.get16(ip + 6)
        offset = (field & 0x1FFF) << 3
        octets = total - header
        more = field & _MORE != 0
        if octets == 0 or (more and octets & 7) or header + offset + octets > LARGEST:
            self._counters.drop_fragment += 1
            return
        key = memory.bytes(ip + 12, 8) + memory.bytes(ip + 4, 2) + memory.bytes(ip + 9, 1)
        head = memory.bytes(frame, _ETHERNET + header) if offset == 0 else b""
        whole = self._fragments.add(key, head, offset, more, memory.bytes(ip + header, octets), now)
        if not whole:
            return
        datagram = Memory(bytearray(whole))
        header = (datagram.get8(_ETHERNET) & 15) << 2
        total = datagram.octets - _ETHERNET
        if total > LARGEST:
            self._counters.drop_fragment += 1
            return
        datagram.put16(_ETHERNET + 2, total)
        datagram.put16(_ETHERNET + 6, 0)
        self._output.arrived(datagram, 0)
        self._payload(datagram, 0, header, total, False, now)
