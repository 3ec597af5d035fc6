"""ICMPv6: echo, errors both ways, and the way to Neighbour Discovery and listener queries.

RFC 4443; RFC 6980 (discovery is never taken from fragments). TCP hears of its segments in the same face as for IPv4, in
ICMP's codes (RFC 5461 section 2), UDP of its datagrams as errnos. Knows of both only that they take bad news.
"""

from __future__ import annotations

from errno import EACCES, ECONNREFUSED, EPROTO
from typing import TYPE_CHECKING

from neatctl.core.ip.addresses6 import UNSPECIFIED
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.discovery import ICMPV6, LISTENER_QUERY, REDIRECT, SOLICITATION, Discovery
from neatctl.core.ip.icmp import ErrorRate
from neatctl.core.ip.output import UDP, IpOutput, Path
from neatctl.core.native import Memory

if TYPE_CHECKING:
    from neatctl.core.tcp.layer import TcpLayer
    from neatctl.core.udp.udp_layer import UdpLayer

UNREACHABLE, _TOO_BIG, TIME_EXCEEDED, PARAMETER_PROBLEM = 1, 2, 3, 4
PORT_UNREACHABLE = 4
ERRONEOUS_FIELD, UNKNOWN_HEADER, UNKNOWN_OPTION, INCOMPLETE_CHAIN = 0, 1, 2, 3
REASSEMBLY_TIME = 1
_ECHO, _ECHO_REPLY = 128, 129
_ROUTER_SOLICITATION = 133
_ETHERNET, _IPV6, _TCP = 14, 40, 6
_LEAST_MTU = 1280
_QUOTED_TCP = 8
_ADMINISTRATIVELY = 1
_SOFT, _PROTOCOL_CODE, _PORT_CODE = 0, 2, 3
"""Codes of ICMP for IPv4, as TCP knows them."""
_SKIPPED = (0, 43, 60)
_ERRNOS = {PORT_UNREACHABLE: ECONNREFUSED, _ADMINISTRATIVELY: EACCES, 5: EACCES, 6: EACCES}
"""What a UDP socket is told, by the code of destination unreachable (5, 6: policy); not the others (as Linux)."""


class Icmp6:
    """ICMPv6 of one interface."""

    def __init__(
        self, output: IpOutput, tcp: TcpLayer, udp: UdpLayer, counters: IpCounters, rate: ErrorRate
    ) -> None:
        self._output = output
        self._udp = udp
        self._discovery: Discovery = output.discovery  # type: ignore[assignment]
        self._tcp = tcp
        self._counters = counters
        self._rate = rate

    def arrive(
        self, memory: Memory, ip: int, at: int, octets: int, multicast: bool, reassembled: bool, now: int
    ) -> None:
        """A message of `octets` at `at`, of the packet at `ip`."""
        counters = self._counters
        if octets < 8:
            counters.drop_short += 1
            return
        if memory.sum(at, octets, memory.sum(ip + 8, 32, ICMPV6 + octets)) != 0xFFFF:
            counters.drop_checksum += 1
            return
        kind = memory.get8(at)
        if memory.bytes(ip + 8, 16) == UNSPECIFIED and kind != SOLICITATION:
            counters.drop_source += 1
        elif _ROUTER_SOLICITATION <= kind <= REDIRECT:
            if reassembled:
                counters.drop_nd += 1
            else:
                self._discovery.arrive(memory, ip, at, octets, now)
        elif kind == LISTENER_QUERY:
            self._discovery.queried(memory, ip, at, octets, now)
        elif kind == _ECHO and memory.get8(at + 1) == 0:
            message = bytes((_ECHO_REPLY, 0, 0, 0)) + memory.bytes(at + 4, octets - 4)
            if self._send(memory, ip, message, multicast, now):
                counters.echo_replies += 1
        elif UNREACHABLE <= kind <= PARAMETER_PROBLEM:
            self._quoted(memory, at, octets, now)
        else:
            counters.drop_icmp += 1

    def _quoted(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """Bad news about a packet that we sent: its protocol hears of it under the key of an answer."""
        quoted = at + 8
        if octets < 8 + _IPV6 + _QUOTED_TCP:
            self._counters.drop_short += 1
            return
        if memory.get8(quoted) >> 4 != 6:
            self._counters.drop_header += 1
            return
        source = memory.bytes(quoted + 8, 16)
        protocol = memory.get8(quoted + 6)
        if protocol not in (_TCP, UDP) or not self._discovery.addresses.is_ours(source):
            self._counters.drop_icmp += 1
            return
        self._counters.errors_in += 1
        ports = quoted + _IPV6
        key = memory.bytes(quoted + 24, 16) + source + memory.bytes(ports + 2, 2) + memory.bytes(ports, 2)
        seq = memory.get32(ports + 4)
        kind, code = memory.get8(at), memory.get8(at + 1)
        if protocol == UDP:
            if kind == _TOO_BIG:
                self._udp.too_big(key, memory.get32(at + 4), now)
            else:
                error = _ERRNOS.get(code, 0) if kind == UNREACHABLE else 0
                self._udp.unreachable(key, EPROTO if kind == PARAMETER_PROBLEM else error)
            return
        if kind == _TOO_BIG:
            mtu = memory.get32(at + 4)
            self._tcp.too_big(key, seq, mtu, _IPV6 + memory.get16(quoted + 4), now)
            return
        as_ipv4 = _SOFT
        if (kind == UNREACHABLE and code == PORT_UNREACHABLE) or (kind == UNREACHABLE and code == _ADMINISTRATIVELY):
            as_ipv4 = _PORT_CODE
        elif kind == PARAMETER_PROBLEM and code == UNKNOWN_HEADER:
            as_ipv4 = _PROTOCOL_CODE
        self._tcp.unreachable(key, as_ipv4, seq, now)

    def send_error(self, memory: Memory, ip: int, kind: int, code: int, second: int, multicast: bool, now: int) -> None:
        """Answer the packet at `ip` with as much of it as fits (RFC 4443 section 2.4). `second` is the second word,
        `multicast` says whom it was sent to."""
        total = _IPV6 + memory.get16(ip + 4)
        if multicast and not (kind == PARAMETER_PROBLEM and code == UNKNOWN_OPTION):
            return
        if memory.bytes(ip + 8, 16) == UNSPECIFIED or _is_error(memory, ip, total):
            return
        if not self._rate.take(now):
            self._counters.drop_rate += 1
            return
        quoted = memory.bytes(ip, min(total, _LEAST_MTU - _IPV6 - 8))
        message = bytes((kind, code, 0, 0)) + second.to_bytes(4, "big") + quoted
        if self._send(memory, ip, message, multicast, now):
            self._counters.errors_out += 1

    def reassembly_took_too_long(self, frame: bytes, now: int) -> None:
        """The rest of the datagram, whose first fragment was in this frame, did not come in time. The frame is without
        the fragment header, its length is not."""
        first = Memory(bytearray(frame))
        first.put16(_ETHERNET + 4, first.octets - _ETHERNET - _IPV6)
        self.send_error(first, _ETHERNET, TIME_EXCEEDED, REASSEMBLY_TIME, 0, False, now)

    def _send(self, memory: Memory, ip: int, message: bytes, multicast: bool, now: int) -> bool:
        """A message, its checksum 0, to the sender of the packet at `ip`."""
        output = self._output
        remote = memory.bytes(ip + 8, 16)
        local = self._discovery.addresses.source_for(remote) if multicast else memory.bytes(ip + 24, 16)
        if local == UNSPECIFIED:
            return False
        path: Path = output.path(local, remote, now, ICMPV6)
        octets = len(message)
        if _IPV6 + octets > self._discovery.mtu:
            checksum = ~Memory(message).sum(0, octets, path.pseudo_sum + octets) & 0xFFFF
            return output.send_fragments(path, message[:2] + checksum.to_bytes(2, "big") + message[4:], now)
        at = output.begin(path, octets, now)
        if at < 0:
            self._counters.drop_queue_full += 1
            return False
        output.memory.put(at, message)
        output.end(path, octets, 2, 0, 8)
        return True


def _is_error(memory: Memory, ip: int, total: int) -> bool:
    """Whether a packet is an ICMPv6 error or a redirect, as far as can be told."""
    protocol = memory.get8(ip + 6)
    at = ip + _IPV6
    end = ip + total
    while protocol in _SKIPPED and at + 8 <= end:
        protocol, at = memory.get8(at), at + ((memory.get8(at + 1) + 1) << 3)
    if protocol != ICMPV6:
        return False
    return at >= end or memory.get8(at) < _ECHO or memory.get8(at) == REDIRECT
