"""Neighbour Discovery: the messages that find stations, routers and duplicate addresses, and report groups.

RFC 4861, RFC 4862 section 5.4, RFC 4429 section 3, RFC 3810 (MLDv2 reports of the groups that ND needs, no more). A
station's move is believed of an answer alone (neighbours.py), where RFC 4861 section 7.2.5 believes at once and probes.
Redirects are not followed. Messages come in with their checksum verified, frames to send are appended to `out`.
"""

from __future__ import annotations

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.addresses6 import (
    ALL_NODES,
    ALL_ROUTERS,
    ASSIGNED,
    UNSPECIFIED,
    Addresses6,
    is_link_local,
    solicited_node,
)
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.neighbours import Neighbour, NeighbourCache
from neatctl.core.native import Memory

ICMPV6 = 58
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT = range(133, 138)
LISTENER_QUERY, _LISTENER_REPORT = 130, 143
_SOURCE_MAC, _TARGET_MAC, _PREFIX, _MTU = 1, 2, 3, 5
_SOLICITED, _OVERRIDE = 0x40, 0x20
_ON_LINK, _AUTONOMOUS = 0x80, 0x40
_LEAST = {ROUTER_ADVERTISEMENT: 16, SOLICITATION: 24, ADVERTISEMENT: 24}
_HOP_LIMIT = 255
_ETHERTYPE = b"\x86\xdd"
_REPORTERS = bytes.fromhex("ff020000000000000000000000000016")
_ROUTER_ALERT = bytes((ICMPV6, 0, 5, 2, 0, 0, 1, 0))
_IS_EXCLUDE, _TO_EXCLUDE = 2, 4
_FRESH_US = 30_000_000
"""REACHABLE_TIME."""
_DELAY_US = 5_000_000
"""DELAY_FIRST_PROBE_TIME."""
_MOST_FRESH_MS, _LEAST_RETRY_MS, _MOST_RETRY_MS = 3_600_000, 100, 10_000
_LEAST_MTU = 1280
_MAX_OPTIONS = 32
_SOLICITATIONS, _SOLICIT_EVERY_US = 3, 4_000_000
_ROBUSTNESS = 2


def packet(source: bytes, destination: bytes, message: bytes, hop_limit: int = _HOP_LIMIT, front: bytes = b"") -> bytes:
    """An IPv6 packet with an ICMPv6 message, whose checksum is filled in; `front`: a hop-by-hop header before it."""
    octets = len(message)
    sum_of = Memory(source + destination + message).sum(0, 32 + octets, ICMPV6 + octets)
    message = message[:2] + (~sum_of & 0xFFFF).to_bytes(2, "big") + message[4:]
    head = bytes((0x60, 0, 0, 0)) + (len(front) + octets).to_bytes(2, "big")
    return head + bytes((0 if front else ICMPV6, hop_limit)) + source + destination + front + message


class Discovery(NeighbourCache):
    """IPv6's neighbours, routers and own addresses on one interface."""

    def __init__(self, config: ReplicaConfig, counters: IpCounters, out: list[bytes]) -> None:
        super().__init__(counters, out, _FRESH_US, _DELAY_US)
        self.addresses = Addresses6(config)
        self.hop_limit = 64
        self.mtu = config.mtu
        """What routers say that the link takes, if less."""
        self._link_mtu = config.mtu
        self._mac = config.mac
        self._solicitations = 0
        """Router solicitations still to be sent."""
        self._solicit_us = 0
        self._reports = 0
        self._report_us = -1

    def attached(self, first: bool) -> None:
        """There is a link: say which groups are ours and look for routers; `first`: nobody of this boot used our
        addresses before, so see whether somebody else does."""
        checked = self.addresses.check() if first else []
        self._reports = _ROBUSTNESS
        self._report(_TO_EXCLUDE)
        for address in checked:
            self._check(address)
        self._solicitations = _SOLICITATIONS
        self._solicit_us = 0

    def next_hop(self, remote: bytes) -> bytes:
        return self.addresses.next_hop(remote)

    def accepts(self, destination: bytes) -> int:
        """1 if packets to this address are for us, 2 if to a group of ours, 0 if neither."""
        if self.addresses.is_ours(destination):
            return 1
        return 2 if destination == ALL_NODES or destination in self.addresses.groups else 0

    # ---- what arrives ----
    def arrive(self, memory: Memory, ip: int, at: int, octets: int, now: int) -> None:
        """An ND message of `octets` at `at`, of the packet at `ip` (RFC 4861 sections 6.1, 7.1)."""
        counters = self.counters
        counters.nd_in += 1
        kind = memory.get8(at)
        sound = memory.get8(ip + 7) == _HOP_LIMIT and memory.get8(at + 1) == 0
        if kind not in _LEAST or not sound or octets < _LEAST[kind]:
            counters.drop_nd += 1
            return
        options = _options(memory, at + _LEAST[kind], at + octets)
        source, destination = memory.bytes(ip + 8, 16), memory.bytes(ip + 24, 16)
        if options is None:
            counters.drop_nd += 1
        elif kind == ROUTER_ADVERTISEMENT:
            self._advertised(memory, at, source, options, now)
        elif memory.get8(at + 8) == 0xFF:
            counters.drop_nd += 1
        elif kind == SOLICITATION:
            self._solicited(memory.bytes(at + 8, 16), source, destination, options, now)
        else:
            flags = memory.get8(at + 4)
            if destination[0] == 0xFF and flags & _SOLICITED:
                counters.drop_nd += 1
            else:
                self._answered(memory.bytes(at + 8, 16), flags, options, now)

    def _solicited(
        self, target: bytes, source: bytes, destination: bytes, options: dict[int, list[bytes]], now: int
    ) -> None:
        """Somebody asks for a station, or checks an address (RFC 4861 section 7.2.3, RFC 4862 section 5.4.3)."""
        mac = _mac_of(options, _SOURCE_MAC)
        checks = source == UNSPECIFIED
        if (checks and (mac or destination != solicited_node(target))) or not self.addresses.is_ours(target):
            self.counters.drop_nd += 1
            return
        own = self.addresses.own[target]
        if checks:
            if self.addresses.claimed(target):
                self.counters.addresses_given_up += 1
            else:
                self._advertise(target, ALL_NODES, _OVERRIDE, b"", now)
            return
        if mac:
            self.learn(source, mac, now, stale=True)
        self._advertise(target, source, _SOLICITED | (_OVERRIDE if own.state == ASSIGNED else 0), mac, now)

    def _answered(self, target: bytes, flags: int, options: dict[int, list[bytes]], now: int) -> None:
        """A station says where it is (RFC 4861 section 7.2.5)."""
        if target in self.addresses.own:
            if not self.addresses.is_ours(target):
                return
            self.counters.address_conflicts += 1
            if self.addresses.claimed(target):
                self.counters.addresses_given_up += 1
            return
        neighbour = self.table.get(target)
        mac = _mac_of(options, _TARGET_MAC) or (neighbour.mac if neighbour is not None else b"")
        if neighbour is None or not mac:
            self.counters.drop_nd += 1
        elif neighbour.mac and neighbour.mac != mac and not flags & _OVERRIDE:
            self.doubt(neighbour, now)
        else:
            solicited = flags & _SOLICITED != 0
            self.learn(target, mac, now, answer=solicited, stale=not solicited)
            self.addresses.answers(target)

    def _advertised(self, memory: Memory, at: int, source: bytes, options: dict[int, list[bytes]], now: int) -> None:
        """A router says what it routes and how the link is (RFC 4861 section 6.3.4)."""
        if not is_link_local(source):
            self.counters.drop_nd += 1
            return
        self.hop_limit = memory.get8(at + 4) or self.hop_limit
        lifetime_s = memory.get16(at + 6)
        fresh_ms, retry_ms = memory.get32(at + 8), memory.get32(at + 12)
        if 0 < fresh_ms <= _MOST_FRESH_MS:
            self.fresh_us = fresh_ms * 1000
        if retry_ms:
            self.retry_us = min(max(retry_ms, _LEAST_RETRY_MS), _MOST_RETRY_MS) * 1000
        mac = _mac_of(options, _SOURCE_MAC)
        if mac:
            self.learn(source, mac, now, stale=True)
        if lifetime_s:
            self._solicitations = 0
        self.addresses.heard_router(source, lifetime_s, now)
        for option in options.get(_MTU, []):
            mtu = int.from_bytes(option[4:8], "big")
            if len(option) == 8 and _LEAST_MTU <= mtu <= self._link_mtu:
                self.mtu = mtu
        for option in options.get(_PREFIX, []):
            if len(option) == 32:
                self._take_prefix(option, now)

    def _take_prefix(self, option: bytes, now: int) -> None:
        length, flags, prefix = option[2], option[3], option[16:32]
        valid_s, preferred_s = int.from_bytes(option[4:8], "big"), int.from_bytes(option[8:12], "big")
        if flags & _ON_LINK:
            self.addresses.heard_prefix(prefix, length, valid_s, now)
        if flags & _AUTONOMOUS:
            made = self.addresses.configure(prefix, length, valid_s, preferred_s, now)
            if made:
                self._report(_TO_EXCLUDE)
                self._check(made)

    def queried(self, memory: Memory, ip: int, at: int, octets: int, now: int) -> None:
        """A multicast router asks who listens (RFC 3810 section 5.1)."""
        group = memory.bytes(at + 8, 16) if octets >= 24 else b""
        local = memory.get8(ip + 7) == 1 and is_link_local(memory.bytes(ip + 8, 16))
        if not local or not group:
            self.counters.drop_nd += 1
        elif group in (UNSPECIFIED, *self.addresses.groups):
            # Stations answer spread over the time that is given: each at a point of its own.
            share = int.from_bytes(self._mac[3:], "big") / (1 << 24)
            self._report_us = now + int(min(memory.get16(at + 4), 32768) * 1000 * share)

    # ---- what is sent ----
    def solicit(self, address: bytes, mac: bytes) -> None:
        source = self.addresses.source_for(address)
        if source != UNSPECIFIED:
            message = bytes((SOLICITATION, 0, 0, 0, 0, 0, 0, 0)) + address + bytes((_SOURCE_MAC, 1)) + self._mac
            self._send(source, address if mac else solicited_node(address), message, mac)

    def gave_up(self, neighbour: Neighbour) -> None:
        self.addresses.silent(neighbour.address)

    def _check(self, address: bytes) -> None:
        """Ask whether somebody else has an address (RFC 4862 section 5.4.2)."""
        self._send(UNSPECIFIED, solicited_node(address), bytes((SOLICITATION, 0, 0, 0, 0, 0, 0, 0)) + address)

    def _advertise(self, target: bytes, to: bytes, flags: int, mac: bytes, now: int) -> None:
        message = bytes((ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0)) + target + bytes((_TARGET_MAC, 1)) + self._mac
        if to == ALL_NODES:
            self._send(target, to, message)
            return
        neighbour = self.neighbour(to)
        if mac or neighbour.mac:
            self._send(target, to, message, mac or neighbour.mac)
        else:
            self.counters.nd_out += 1
            self.hold(neighbour, self._record(bytes(6), packet(target, to, message)), now)

    def _solicit_routers(self) -> None:
        source = self.addresses.source_for(ALL_ROUTERS)
        option = bytes((_SOURCE_MAC, 1)) + self._mac if source != UNSPECIFIED else b""
        self._send(source, ALL_ROUTERS, bytes((ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0)) + option)

    def _report(self, kind: int) -> None:
        """Say which groups are ours: we exclude nobody."""
        source = self.addresses.source_for(_REPORTERS)
        if not is_link_local(source):
            source = UNSPECIFIED  # RFC 3590: before the link-local address is sure.
        groups = sorted(self.addresses.groups)
        records = b"".join(bytes((kind, 0, 0, 0)) + group for group in groups)
        message = bytes((_LISTENER_REPORT, 0, 0, 0, 0, 0)) + len(groups).to_bytes(2, "big") + records
        self.counters.nd_out += 1
        front = packet(source, _REPORTERS, message, 1, _ROUTER_ALERT)
        self.out.append(self._record(_group_mac(_REPORTERS), front))

    def _send(self, source: bytes, destination: bytes, message: bytes, mac: bytes = b"") -> None:
        self.counters.nd_out += 1
        self.out.append(self._record(mac or _group_mac(destination), packet(source, destination, message)))

    def _record(self, mac: bytes, octets: bytes) -> bytes:
        return bytes(FRAME_AT) + mac + self._mac + _ETHERTYPE + octets

    def expire(self, now: int) -> None:
        """Once a second."""
        super().expire(now)
        self.addresses.expire(now)
        if self._reports:
            self._reports -= 1
            if self._reports:
                self._report(_TO_EXCLUDE)
        if 0 <= self._report_us <= now:
            self._report_us = -1
            self._report(_IS_EXCLUDE)
        if self._solicitations and self._solicit_us <= now:
            self._solicitations -= 1
            self._solicit_us = now + _SOLICIT_EVERY_US
            self._solicit_routers()


def _group_mac(group: bytes) -> bytes:
    """RFC 2464 section 7."""
    return b"\x33\x33" + group[12:]


def _options(memory: Memory, at: int, end: int) -> dict[int, list[bytes]] | None:
    """The options by their kinds; None if a length is 0 or leads outside (RFC 4861 section 4.6)."""
    found: dict[int, list[bytes]] = {}
    count = 0
    while at < end:
        octets = memory.get8(at + 1) << 3 if at + 1 < end else 0
        count += 1
        if octets == 0 or at + octets > end or count > _MAX_OPTIONS:
            return None
        found.setdefault(memory.get8(at), []).append(memory.bytes(at, octets))
        at += octets
    return found


def _mac_of(options: dict[int, list[bytes]], kind: int) -> bytes:
    """The Ethernet address in an option of this kind, b"" if there is none or it is a group's."""
    for option in options.get(kind, []):
        if len(option) == 8 and not option[2] & 1 and option[2:8] != bytes(6):
            return option[2:8]
    return b""
