"""The way in for IPv6: the fixed header and its checks, and plain TCP; all else goes through chain6.py.

RFC 8200 section 3, RFC 4291 section 2. A segment whose addresses and ports were heard of lately was checked then, so it
costs one comparison. Knows of TCP only that it takes segments.
"""

from __future__ import annotations

from neatctl.core.ip.chain6 import Chain
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.discovery import Discovery
from neatctl.core.ip.icmp import ErrorRate
from neatctl.core.ip.icmp6 import Icmp6
from neatctl.core.ip.keys import Keys
from neatctl.core.ip.output import IpOutput
from neatctl.core.native import Memory
from neatctl.core.tcp.layer import TcpLayer
from neatctl.core.udp.udp_layer import UdpLayer

_ETHERNET = 14
_IPV6 = 40
_TCP = 6
_KEY_OCTETS = 36
_PORTS = 4
_LOOPBACK = bytes(15) + b"\x01"


class Ip6Input:
    """IPv6 of one interface."""

    def __init__(
        self,
        output: IpOutput,
        discovery: Discovery,
        tcp: TcpLayer,
        udp: UdpLayer,
        counters: IpCounters,
        rate: ErrorRate,
    ) -> None:
        self._output = output
        self._tcp = tcp
        self._counters = counters
        self._discovery = discovery
        self._keys = Keys(_KEY_OCTETS)
        self._chain = Chain(output, tcp, udp, counters, Icmp6(output, tcp, udp, counters, rate))

    def receive(self, memory: Memory, frame: int, octets: int, known: bool, group: bool, now: int) -> None:
        """A frame with `octets` behind its Ethernet header; `group`: it was sent to several stations."""
        ip = frame + _ETHERNET
        if octets < _IPV6:
            self._counters.drop_short += 1
            return
        payload = memory.get16(ip + 4)
        if memory.get8(ip) >> 4 != 6 or _IPV6 + payload > octets:
            self._counters.drop_header += 1
            return
        plain = memory.get8(ip + 6) == _TCP and payload >= _PORTS and not group
        key: bytes | None = None
        accepted = 1
        if plain:
            key = self._keys.find(memory, ip + 8)
        if key is None:
            accepted = self._check(memory, ip, group)
            if accepted == 0:
                return
        self._output.arrived(memory, frame)
        if plain and accepted == 1:
            if key is None:
                key = self._keys.enter(memory, ip + 8)
            self._tcp.arrive(memory, ip + _IPV6, payload, key, known, now)
        else:
            self._chain.arrive(memory, frame, known, accepted != 1, now)
        self._output.arrived(memory, -1)
        if accepted != 1 and self._discovery.addresses.changed:
            self._changed()

    def _check(self, memory: Memory, ip: int, group: bool) -> int:
        """Whether both addresses can be: 1 for a packet to us, 2 to a group of ours, 0 (counted) if not."""
        source = memory.bytes(ip + 8, 16)
        if source[0] == 0xFF or source == _LOOPBACK or self._discovery.addresses.is_ours(source):
            self._counters.drop_source += 1
            return 0
        accepted: int = self._discovery.accepts(memory.bytes(ip + 24, 16))
        if accepted == 0 or (group and accepted == 1):
            self._counters.drop_destination += 1
            return 0
        return accepted

    def expire(self, now: int) -> None:
        """Once a second."""
        self._chain.expire(now)
        if self._discovery.addresses.changed:
            self._changed()

    def _changed(self) -> None:
        """Addresses or routers are others: what was checked before must be checked again."""
        self._discovery.addresses.changed = False
        self._keys.clear()
        self._output.reroute()
