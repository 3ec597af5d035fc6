"""The way into a replica: Ethernet, ARP, IPv4 and its checks, ICMP; TCP segments go on to the TCP layer.

RFC 791, RFC 792, RFC 1122 sections 3.2.1 and 3.2.2, RFC 1812 section 5.3.7 (martians). What is wrong is counted under
its reason and dropped. Knows of TCP only that it takes segments and bad news.
"""

from __future__ import annotations

from neatctl.core.channel.records import DATA_VALID, FRAME_AT, NEEDS_CSUM, VNET_FLAGS_AT
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.output import IpOutput
from neatctl.core.native import Memory
from neatctl.core.tcp.layer import TcpLayer

_ETHERNET = 14
_IPV4_MIN = 20
_ETHERTYPE_IPV4, _ETHERTYPE_ARP = 0x0800, 0x0806
_ICMP, _TCP, _UDP = 1, 6, 17
_MULTICAST = 0xE0000000
_BROADCAST = 0xFFFFFFFF
_CHECKSUM_KNOWN = NEEDS_CSUM | DATA_VALID
_FLAGS_AT = VNET_FLAGS_AT
_FRAME_AT = FRAME_AT
_ECHO_REPLY, _UNREACHABLE, _ECHO = 0, 3, 8
_PROTOCOL_UNREACHABLE, _PORT_UNREACHABLE, _FRAGMENTATION_NEEDED = 2, 3, 4
_QUOTED = 8
_KEY_OCTETS = 12
_KEYS_MASK = 255
_ERROR_GAP_US = 1_000
_ERROR_BURST_US = 100_000
"""ICMP errors: one a millisecond, bursts of a hundred (RFC 1812 section 4.3.2.8)."""


class IpInput:
    """The input of one interface."""

    def __init__(self, config: ReplicaConfig, output: IpOutput, tcp: TcpLayer, counters: IpCounters) -> None:
        self._output = output
        self._tcp = tcp
        self._counters = counters
        self._local = int.from_bytes(output.local, "big")
        host_bits = (1 << (32 - config.prefix_length)) - 1
        self._directed_broadcast = self._local | host_bits
        self._mac = Memory(config.mac)
        self._errors_us = 0
        self._keys = [bytes(_KEY_OCTETS)] * (_KEYS_MASK + 1)
        """The key of a connection that was heard of lately, and knows its hash: no bytes are made and hashed again."""
        self._key_octets = Memory(bytearray(_KEY_OCTETS * (_KEYS_MASK + 1)))

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
        elif ethertype == _ETHERTYPE_ARP:
            self._output.neighbours.arrive(memory, frame + _ETHERNET, octets - _ETHERNET, now)
        else:
            self._counters.drop_ethernet += 1

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
        broadcast = destination in (_BROADCAST, self._directed_broadcast) or destination & _MULTICAST == _MULTICAST
        if destination != self._local and not broadcast:
            counters.drop_destination += 1
            return
        if memory.get16(ip + 6) & 0x3FFF:
            counters.drop_fragment += 1
            return
        protocol = memory.get8(ip + 9)
        if protocol == _TCP:
            if broadcast or group:
                counters.drop_destination += 1
            elif total - header < 4:
                counters.drop_short += 1
            else:
                self._output.arrived(memory, frame)
                if header == _IPV4_MIN:
                    key = self._key(memory, ip + 12)
                else:
                    key = memory.bytes(ip + 12, 8) + memory.bytes(ip + header, 4)
                self._tcp.arrive(memory, ip + header, total - header, key, known, now)
                self._output.arrived(memory, -1)
            return
        if broadcast or group:
            counters.drop_destination += 1
            return
        self._output.arrived(memory, frame)
        if protocol == _ICMP:
            self._icmp(memory, ip, header, total, now)
        else:
            code = _PORT_UNREACHABLE if protocol == _UDP else _PROTOCOL_UNREACHABLE
            self._send_unreachable(memory, ip, header, total, code, now)
        self._output.arrived(memory, -1)

    def _key(self, memory: Memory, at: int) -> bytes:
        """The 12 octets at `at`, as the same object as last time if their connection was heard of lately."""
        slot = (memory.get16(at + 8) >> 1) & _KEYS_MASK
        if self._key_octets.equal(slot * _KEY_OCTETS, memory, at, _KEY_OCTETS):
            return self._keys[slot]
        key = memory.bytes(at, _KEY_OCTETS)
        self._key_octets.put(slot * _KEY_OCTETS, key)
        self._keys[slot] = key
        return key

    def _source_is_sound(self, source: int) -> bool:
        """Not from this network's void, loopback, a group, a broadcast address or ourselves."""
        first = source >> 24
        if first in (0, 127) or source & _MULTICAST == _MULTICAST:
            return False
        return source not in (self._directed_broadcast, self._local)

    def _icmp(self, memory: Memory, ip: int, header: int, total: int, now: int) -> None:
        at = ip + header
        octets = total - header
        if octets < 8:
            self._counters.drop_short += 1
            return
        if memory.sum(at, octets, 0) != 0xFFFF:
            self._counters.drop_checksum += 1
            return
        kind = memory.get8(at)
        if kind == _ECHO and memory.get8(at + 1) == 0:
            if self._send_icmp(memory, ip, _ECHO_REPLY << 24, memory.get32(at + 4), at + 8, octets - 8, now):
                self._counters.echo_replies += 1
        elif kind == _UNREACHABLE:
            self._quoted(memory, at, octets, now)
        else:
            self._counters.drop_icmp += 1

    def _quoted(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """Bad news about a packet that we sent: TCP hears of it under the key as it arrives."""
        quoted = at + 8
        if octets < 8 + _IPV4_MIN + _QUOTED:
            self._counters.drop_short += 1
            return
        header = (memory.get8(quoted) & 15) << 2
        if memory.get8(quoted) >> 4 != 4 or header < _IPV4_MIN or octets < 8 + header + _QUOTED:
            self._counters.drop_header += 1
            return
        if memory.get8(quoted + 9) != _TCP or memory.get32(quoted + 12) != self._local:
            self._counters.drop_icmp += 1
            return
        self._counters.errors_in += 1
        ports = quoted + header
        key = (
            memory.bytes(quoted + 16, 4)
            + memory.bytes(quoted + 12, 4)
            + memory.bytes(ports + 2, 2)
            + memory.bytes(ports, 2)
        )
        seq = memory.get32(ports + 4)
        code = memory.get8(at + 1)
        if code == _FRAGMENTATION_NEEDED:
            self._tcp.too_big(key, seq, memory.get16(at + 6), memory.get16(quoted + 2), now)
        else:
            self._tcp.unreachable(key, code, seq, now)

    def _send_unreachable(self, memory: Memory, ip: int, header: int, total: int, code: int, now: int) -> None:
        """RFC 1122 section 3.2.2.1: the header and 8 octets come back."""
        self._errors_us = max(self._errors_us, now - _ERROR_BURST_US)
        if self._errors_us + _ERROR_GAP_US > now:
            self._counters.drop_rate += 1
            return
        self._errors_us += _ERROR_GAP_US
        quoted = min(total, header + _QUOTED)
        if self._send_icmp(memory, ip, _UNREACHABLE << 24 | code << 16, 0, ip, quoted, now):
            self._counters.errors_out += 1

    def _send_icmp(
        self, memory: Memory, ip: int, head: int, second: int, source_at: int, octets: int, now: int
    ) -> bool:
        """An ICMP message to the sender of the packet at `ip`: its two first words, and octets of that packet."""
        output = self._output
        path = output.path(memory.bytes(ip + 16, 4), memory.bytes(ip + 12, 4), now, _ICMP)
        at = output.begin(path, 8 + octets, now)
        if at < 0:
            self._counters.drop_queue_full += 1
            return False
        answer: Memory = output.memory
        answer.put32(at, head)
        answer.put32(at + 4, second)
        answer.copy(at + 8, memory, source_at, octets)
        answer.put16(at + 2, ~answer.sum(at, 8 + octets, 0) & 0xFFFF)
        output.end(path, 8 + octets, -1, 0, 8)
        return True
