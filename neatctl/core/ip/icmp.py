"""ICMP for IPv4: echo, what routers and hosts say of our packets, and what we say of theirs.

RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7 (what never has an error). TCP hears of its segments in one
face for both families, in ICMP's codes; UDP of its datagrams as errnos. Knows of both only that they take bad news.
"""

from __future__ import annotations

from errno import ECONNREFUSED, ENOPROTOOPT, EPROTO
from typing import TYPE_CHECKING

from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.output import UDP, IpOutput
from neatctl.core.native import Memory

if TYPE_CHECKING:
    from neatctl.core.tcp.layer import TcpLayer
    from neatctl.core.udp.udp_layer import UdpLayer

ICMP = 1
_TCP = 6
_ETHERNET, _IPV4 = 14, 20
_ECHO_REPLY, UNREACHABLE, _ECHO = 0, 3, 8
TIME_EXCEEDED, PARAMETER_PROBLEM = 11, 12
PROTOCOL_UNREACHABLE, PORT_UNREACHABLE, _FRAGMENTATION_NEEDED = 2, 3, 4
REASSEMBLY_TIME = 1
_ANY_SOFT_CODE = 0
_ERRORS = (3, 4, 5, 11, 12)
_ERRNOS = {PORT_UNREACHABLE: ECONNREFUSED, PROTOCOL_UNREACHABLE: ENOPROTOOPT}
"""What a UDP socket is told, by the code of destination unreachable; not the others, which may pass (as Linux)."""
_QUOTED = 8
_ERROR_GAP_US = 1_000
_ERROR_BURST_US = 100_000


class ErrorRate:
    """ICMP errors of both families: one a millisecond, bursts of a hundred (RFC 1812 section 4.3.2.8, RFC 4443
    section 2.4 f)."""

    def __init__(self) -> None:
        self._spent_us = 0

    def take(self, now: int) -> bool:
        """Whether an error may be sent now."""
        self._spent_us = max(self._spent_us, now - _ERROR_BURST_US)
        if self._spent_us + _ERROR_GAP_US > now:
            return False
        self._spent_us += _ERROR_GAP_US
        return True


class Icmp:
    """ICMP of one interface."""

    def __init__(
        self, output: IpOutput, tcp: TcpLayer, udp: UdpLayer, counters: IpCounters, rate: ErrorRate
    ) -> None:
        self._output = output
        self._tcp = tcp
        self._udp = udp
        self._counters = counters
        self._rate = rate

    def arrive(self, memory: Memory, ip: int, header: int, total: int, now: int) -> None:
        """A message to us: the packet of `total` octets at `ip`, with an IP header of `header` octets."""
        at = ip + header
        octets = total - header
        if octets < 8:
            self._counters.drop_short += 1
            return
        if memory.sum(at, octets, 0) != 0xFFFF:
            self._counters.drop_checksum += 1
            return
        kind = memory.get8(at)
        if kind == _ECHO:
            head = _ECHO_REPLY << 24 | memory.get8(at + 1) << 16
            if self._send(memory, ip, head, memory.get32(at + 4), at + 8, octets - 8, now):
                self._counters.echo_replies += 1
        elif kind in (UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM):
            self._quoted(memory, at, octets, kind, now)
        else:
            self._counters.drop_icmp += 1

    def _quoted(self, memory: Memory, at: int, octets: int, kind: int, now: int) -> None:
        """Bad news about a packet that we sent: its protocol hears of it under the key of an answer."""
        quoted = at + 8
        if octets < 8 + _IPV4 + _QUOTED:
            self._counters.drop_short += 1
            return
        header = (memory.get8(quoted) & 15) << 2
        if memory.get8(quoted) >> 4 != 4 or header < _IPV4 or octets < 8 + header + _QUOTED:
            self._counters.drop_header += 1
            return
        ours = memory.bytes(quoted + 12, 4) == self._output.local
        protocol = memory.get8(quoted + 9)
        if protocol not in (_TCP, UDP) or not ours or memory.get16(quoted + 6) & 0x1FFF:
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
        if protocol == UDP:
            if kind == UNREACHABLE and code == _FRAGMENTATION_NEEDED:
                self._udp.too_big(key, memory.get16(at + 6), now)
            else:
                error = _ERRNOS.get(code, 0) if kind == UNREACHABLE else 0
                self._udp.unreachable(key, EPROTO if kind == PARAMETER_PROBLEM else error)
        elif kind != UNREACHABLE:
            self._tcp.unreachable(key, _ANY_SOFT_CODE, seq, now)
        elif code == _FRAGMENTATION_NEEDED:
            self._tcp.too_big(key, seq, memory.get16(at + 6), memory.get16(quoted + 2), now)
        else:
            self._tcp.unreachable(key, code, seq, now)

    def send_error(self, memory: Memory, ip: int, kind: int, code: int, second: int, now: int) -> None:
        """Answer the packet at `ip`, which came to our address alone: its header and 8 octets come back (RFC 1122
        section 3.2.2.1). `second` is the second word. Nothing to errors and later fragments."""
        header = (memory.get8(ip) & 15) << 2
        total = memory.get16(ip + 2)
        if memory.get16(ip + 6) & 0x1FFF:
            return
        if memory.get8(ip + 9) == ICMP and (total <= header or memory.get8(ip + header) in _ERRORS):
            return
        if not self._rate.take(now):
            self._counters.drop_rate += 1
            return
        quoted = min(total, header + _QUOTED)
        if self._send(memory, ip, kind << 24 | code << 16, second, ip, quoted, now):
            self._counters.errors_out += 1

    def reassembly_took_too_long(self, frame: bytes, now: int) -> None:
        """The rest of the datagram, whose first fragment was in this frame, did not come in time."""
        self.send_error(Memory(frame), _ETHERNET, TIME_EXCEEDED, REASSEMBLY_TIME, 0, now)

    def _send(self, memory: Memory, ip: int, head: int, second: int, source_at: int, octets: int, now: int) -> bool:
        """A message to the sender of the packet at `ip`: its two first words, and octets of that packet."""
        output = self._output
        path = output.path(output.local, memory.bytes(ip + 12, 4), now, ICMP)
        if _IPV4 + 8 + octets > output.mtu:
            message = Memory(bytearray(head.to_bytes(4, "big") + second.to_bytes(4, "big")))
            payload = memory.bytes(source_at, octets)
            checksum = ~Memory(payload).sum(0, octets, message.sum(0, 8, 0)) & 0xFFFF
            message.put16(2, checksum)
            return output.send_fragments(path, message.bytes(0, 8) + payload, now)
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
