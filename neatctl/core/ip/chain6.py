"""IPv6 extension headers, fragments among them, and whom the packet behind them is for.

RFC 8200 section 4, RFC 5095 (routing type 0), RFC 6946 (atomic fragments), RFC 7112 (whole header chains); limits as
RFC 8504 section 5.3 has them. TCP without any is taken in input6.py. Knows of TCP and UDP only that they take theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neatctl.core.ip import icmp6
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.discovery import ICMPV6
from neatctl.core.ip.output import IpOutput
from neatctl.core.ip.reassembling import LARGEST, FragmentBuffer
from neatctl.core.native import Memory

if TYPE_CHECKING:
    from neatctl.core.tcp.layer import TcpLayer
    from neatctl.core.udp.udp_layer import UdpLayer

MAX_HEADERS = 8
MAX_OPTIONS = 16
_ETHERNET, _IPV6 = 14, 40
_HOP_BY_HOP, _TCP, _UDP, _ROUTING, _FRAGMENT, _NOTHING, _DESTINATION = 0, 6, 17, 43, 44, 59, 60
_HEADERS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION)
_UPPER = {_TCP: 20, _UDP: 8, ICMPV6: 4}
"""The least octets of a header of these."""
_PAD1 = 0
_KNOWN_OPTIONS = (1, 5)
"""PadN, router alert."""
_SOUND, _BAD = -1, -2
_PAYLOAD_LENGTH_AT = 4


class Chain:
    """Takes apart what is not plain TCP."""

    def __init__(
        self, output: IpOutput, tcp: TcpLayer, udp: UdpLayer, counters: IpCounters, icmp: icmp6.Icmp6
    ) -> None:
        self._output = output
        self._tcp = tcp
        self._udp = udp
        self._counters = counters
        self._icmp = icmp
        self._fragments = FragmentBuffer(counters)

    def arrive(
        self, memory: Memory, frame: int, known: bool, multicast: bool, now: int, reassembled: bool = False
    ) -> None:
        """A packet whose fixed header is sound; `known`: its transport checksum is right."""
        ip = frame + _ETHERNET
        total = _IPV6 + memory.get16(ip + _PAYLOAD_LENGTH_AT)
        named_at, at = 6, _IPV6
        headers = 0
        while True:
            kind = memory.get8(ip + named_at)
            if kind not in _HEADERS or (kind == _HOP_BY_HOP and at != _IPV6):
                self._upper(memory, frame, named_at, at, total, known, multicast, reassembled, now)
                return
            headers += 1
            octets = 8 if at + 8 <= total else LARGEST
            if kind != _FRAGMENT and octets == 8:
                octets = (memory.get8(ip + at + 1) + 1) << 3
            if headers > MAX_HEADERS or at + octets > total:
                self._counters.drop_extension += 1
                return
            if kind == _FRAGMENT:
                field = memory.get16(ip + at + 2)
                if field & 0xFFF9:
                    self._fragment(memory, frame, named_at, at, total, multicast, reassembled, now)
                    return
            elif not self._is_sound(memory, ip, kind, at, octets, multicast, now):
                return
            named_at = at
            at += octets

    def expire(self, now: int) -> None:
        """Give up datagrams whose fragments do not come."""
        for frame in self._fragments.expire(now):
            self._icmp.reassembly_took_too_long(frame, now)

    def _is_sound(self, memory: Memory, ip: int, kind: int, at: int, octets: int, multicast: bool, now: int) -> bool:
        """Whether an extension header may be passed over; else it is counted, and the sender told where that is due."""
        if kind == _ROUTING:
            if memory.get8(ip + at + 3) == 0:
                return True
            self._refuse(memory, ip, icmp6.ERRONEOUS_FIELD, at + 2, multicast, now)
            return False
        place = _check_options(memory, ip, at + 2, at + octets)
        if place == _SOUND:
            return True
        action = memory.get8(ip + place) >> 6 if place >= 0 else 1
        if action == 2 or (action == 3 and not multicast):
            self._refuse(memory, ip, icmp6.UNKNOWN_OPTION, place, multicast, now)
        else:
            self._counters.drop_extension += 1
        return False

    def _refuse(self, memory: Memory, ip: int, code: int, place: int, multicast: bool, now: int) -> None:
        self._counters.drop_extension += 1
        self._icmp.send_error(memory, ip, icmp6.PARAMETER_PROBLEM, code, place, multicast, now)

    def _upper(
        self,
        memory: Memory,
        frame: int,
        named_at: int,
        at: int,
        total: int,
        known: bool,
        multicast: bool,
        reassembled: bool,
        now: int,
    ) -> None:
        """What stands behind all extension headers."""
        ip = frame + _ETHERNET
        kind = memory.get8(ip + named_at)
        if kind == _NOTHING:
            self._counters.drop_extension += 1
            return
        if kind == ICMPV6:
            self._icmp.arrive(memory, ip, ip + at, total - at, multicast, reassembled, now)
        elif multicast:
            self._counters.drop_destination += 1
        elif kind == _TCP:
            if total - at < 4:
                self._counters.drop_short += 1
            else:
                key = memory.bytes(ip + 8, 32) + memory.bytes(ip + at, 4)
                self._tcp.arrive(memory, ip + at, total - at, key, known, now)
        elif kind == _UDP:
            if not self._udp.arrive(memory, ip + at, total - at, ip + 8, 16, known):
                self._icmp.send_error(memory, ip, icmp6.UNREACHABLE, icmp6.PORT_UNREACHABLE, 0, multicast, now)
        else:
            self._refuse(memory, ip, icmp6.UNKNOWN_HEADER, named_at, multicast, now)

    def _fragment(
        self,
        memory: Memory,
        frame: int,
        named_at: int,
        at: int,
        total: int,
        multicast: bool,
        reassembled: bool,
        now: int,
    ) -> None:
        """Keep a fragment; the packet goes on when it is whole (RFC 8200 section 4.5)."""
        ip = frame + _ETHERNET
        field = memory.get16(ip + at + 2)
        offset, more = field & 0xFFF8, field & 1 != 0
        payload = at + 8
        octets = total - payload
        if reassembled or multicast or octets == 0:
            self._counters.drop_fragment += 1
            return
        wrong = _SOUND
        if more and octets & 7:
            wrong = _PAYLOAD_LENGTH_AT
        elif at - _IPV6 + offset + octets > LARGEST:
            wrong = at + 2
        if wrong != _SOUND:
            self._counters.drop_fragment += 1
            self._icmp.send_error(memory, ip, icmp6.PARAMETER_PROBLEM, icmp6.ERRONEOUS_FIELD, wrong, multicast, now)
            return
        head = b""
        if offset == 0:
            if not _chain_is_whole(memory, ip, memory.get8(ip + at), payload, total):
                self._counters.drop_fragment += 1
                self._icmp.send_error(memory, ip, icmp6.PARAMETER_PROBLEM, icmp6.INCOMPLETE_CHAIN, 0, multicast, now)
                return
            front = bytearray(memory.bytes(frame, _ETHERNET + at))
            front[_ETHERNET + named_at] = memory.get8(ip + at)
            head = bytes(front)
        key = memory.bytes(ip + 8, 32) + memory.bytes(ip + at + 4, 4)
        whole = self._fragments.add(key, head, offset, more, memory.bytes(ip + payload, octets), now)
        if not whole:
            return
        packet = Memory(bytearray(whole))
        length = packet.octets - _ETHERNET - _IPV6
        if length > LARGEST:
            self._counters.drop_fragment += 1
            return
        packet.put16(_ETHERNET + _PAYLOAD_LENGTH_AT, length)
        self._output.arrived(packet, 0)
        self.arrive(packet, 0, False, multicast, now, True)


def _check_options(memory: Memory, ip: int, at: int, end: int) -> int:
    """_SOUND if all options are known or may be passed over; the place of the one that is not, or _BAD."""
    count = 0
    while at < end:
        kind = memory.get8(ip + at)
        count += 1
        if count > MAX_OPTIONS:
            return _BAD
        if kind == _PAD1:
            at += 1
            continue
        if at + 2 > end or at + 2 + memory.get8(ip + at + 1) > end:
            return _BAD
        if kind not in _KNOWN_OPTIONS and kind >> 6:
            return at
        at += 2 + memory.get8(ip + at + 1)
    return _SOUND


def _chain_is_whole(memory: Memory, ip: int, kind: int, at: int, total: int) -> bool:
    """Whether a first fragment has all headers, the transport's among them (RFC 7112)."""
    for _ in range(MAX_HEADERS):
        if kind not in (_ROUTING, _DESTINATION):
            break
        if at + 8 > total:
            return False
        kind, at = memory.get8(ip + at), at + ((memory.get8(ip + at + 1) + 1) << 3)
    return at + _UPPER.get(kind, 0) <= total
