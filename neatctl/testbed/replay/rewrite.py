"""Frames of a capture on their way to a running testbed: which of them are for the server, and their new addresses.

What was sent to the server gets the appliance's addresses instead; checksums are updated (RFC 1624), so that right ones
stay right and wrong ones wrong. Sources stay, but for the addresses of the appliance and of the clients' kernel, which
would answer in the replay's place: those are moved. An ICMP error is told about the appliance's packet. Works on
octets in batches; knows neither files nor sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from neatctl.core.native import Memory
from neatctl.nic.checksums import change, update
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.nic.replay import ethertype_of

BATCH = 256
"""Frames that are prepared at a time: so few that they stay in the cache until they are sent."""

NOT_SENT = {
    "from_server": "Frames that the server sent: the stack answers for itself.",
    "to_others": "IPv4 frames between other hosts.",
    "ipv6": "IPv6, which the stack does not speak.",
    "other_protocols": "Neither IPv4 nor ARP, frames with VLAN tags among them.",
    "too_short": "Without a complete IPv4 header.",
    "too_long": "Longer than the link takes, as captures of segmentation offload have them.",
    "other_links": "Of a link that has no Ethernet or IP frames.",
}
"""Why frames are not sent, with a sentence each."""

_ETHERNET = 14
_LINK_ETHERNET = 1
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_TCP, _UDP, _ICMP = 6, 17, 1
_ONES = 0xFFFF
_GROUPS = 0xE0000000
_PLACE = PLACE_OCTETS
_BATCH = BATCH


class Survey:
    """Counts to which addresses connections are opened, and to which frames go."""

    def __init__(self) -> None:
        self.frames = 0
        self.first_ns = 0
        self.last_ns = 0
        self.opened: dict[int, int] = {}
        """SYNs by destination, as a number of 32 bits."""
        self.to: dict[int, int] = {}
        """IPv4 frames by destination."""

    def count(self, memory: Memory, places: Memory, count: int, link: int, front: int) -> None:
        """Look at so many frames, with `front` octets before the network layer."""
        for i in range(count):
            at = places.load64(i * _PLACE)
            ip = at + front
            octets = places.load64(i * _PLACE + 8) - front
            time_ns = places.load64(i * _PLACE + 24)
            if time_ns and not self.first_ns:
                self.first_ns = time_ns
            if time_ns > self.last_ns:
                self.last_ns = time_ns
            self.frames += 1
            if octets < 20:
                continue
            if link == _LINK_ETHERNET:
                ethertype = memory.get16(at + 12)
            else:
                ethertype = ethertype_of(memory, at, octets + front, link, front)
            if ethertype != _IPV4:
                continue
            destination = memory.get32(ip + 16)
            self.to[destination] = self.to.get(destination, 0) + 1
            header = (memory.get8(ip) & 0xF) << 2
            if memory.get8(ip + 9) != _TCP or octets < header + 14 or memory.get16(ip + 6) & 0x1FFF:
                continue
            if memory.get8(ip + header + 13) & 0x12 == 0x02:
                self.opened[destination] = self.opened.get(destination, 0) + 1

    def guess(self) -> tuple[int, str]:
        """The address that is most likely the server's (0 for none), and why."""
        for counted, why in ((self.opened, "connections are opened to it"), (self.to, "frames go to it")):
            hosts = {address: count for address, count in counted.items() if 1 << 24 <= address < 224 << 24}
            if hosts:
                best = max(hosts, key=lambda address: (hosts[address], -address))
                return best, f"{hosts[best]} of {sum(hosts.values())} {why}"
        return 0, ""


class Rewriter:
    """Prepares frames for one appliance. Addresses are numbers of 32 bits; without `servers` all IPv4 is for it.
    `moved` has at most two sources and what they become, `longest` is in octets of a whole frame."""

    def __init__(
        self,
        servers: Iterable[int],
        appliance: int,
        mac: bytes,
        source_mac: bytes,
        longest: int,
        moved: Mapping[int, int],
    ) -> None:
        self.counts = Memory(bytearray(8 * len(NOT_SENT)))
        self.arp = 0
        """ARP frames among those that were prepared; they are sent as they are."""
        self.moved = 0
        """Frames whose source was moved."""
        self.truncated = 0
        """Prepared frames of which the capture has only the beginning."""
        self.out = Memory(bytearray(BATCH * (longest + 8)))
        self.places = Memory(bytearray(BATCH * PLACE_OCTETS))
        """Of what was prepared, in `out`; the last number is still the capture's time."""
        self._servers = frozenset(servers)
        self._any = not self._servers
        self._one = next(iter(self._servers)) if len(self._servers) == 1 else -1
        self._appliance = appliance
        self._header = Memory(mac + source_mac + b"\x08\x00")
        self._longest = longest
        self._moved = dict(moved)
        least, most = (min(moved), max(moved)) if moved else (-1, -1)
        self._moved_first, self._moved_second = least, most
        self._used = 0

    def prepare(self, memory: Memory, places: Memory, first: int, count: int, link: int, front: int) -> int:
        """Prepare `count` frames (at most BATCH) from the `first` on; how many are to be sent."""
        self._used = 0
        ready = 0
        for i in range(first, first + min(count, _BATCH)):
            place = i * _PLACE
            captured = places.load64(place + 8)
            octets = self._frame(memory, places.load64(place), captured, link, front)
            if octets < 0:
                continue
            if captured < places.load64(place + 16):
                self.truncated += 1
            self.places.store64(ready * _PLACE, self._used)
            self.places.store64(ready * _PLACE + 8, octets)
            self.places.store64(ready * _PLACE + 16, octets)
            self.places.store64(ready * _PLACE + 24, places.load64(place + 24))
            self._used += (octets + 7) & ~7
            ready += 1
        return ready

    def not_sent(self) -> dict[str, int]:
        """Frames that were not prepared, by the reasons of NOT_SENT."""
        counted = {reason: self.counts.load64(8 * i) for i, reason in enumerate(NOT_SENT)}
        return {reason: count for reason, count in counted.items() if count}

    def skip(self, frames: int) -> None:
        """Count frames of a link that cannot be used."""
        self.counts.store64(48, self.counts.load64(48) + frames)

    def _no(self, reason: int) -> int:
        self.counts.store64(reason << 3, self.counts.load64(reason << 3) + 1)
        return -1

    def _frame(self, memory: Memory, at: int, captured: int, link: int, front: int) -> int:
        """Copy and rewrite one frame; its length in `out`, or -1 (counted) when it is not to be sent."""
        octets = captured - front + _ETHERNET
        if captured < front:
            return self._no(4)
        if octets > self._longest:
            return self._no(5)
        ethertype = memory.get16(at + 12) if link == _LINK_ETHERNET else ethertype_of(memory, at, captured, link, front)
        if ethertype == _ARP and link == _LINK_ETHERNET:
            self.out.copy(self._used, memory, at, octets)
            self.arp += 1
            return octets
        if ethertype != _IPV4:
            return self._no(2 if ethertype == _IPV6 else 3)
        if captured - front < 20:
            return self._no(4)
        ip = at + front
        destination = memory.get32(ip + 16)
        if not self._any:
            if not self._is_server(destination):
                return self._no(0 if self._is_server(memory.get32(ip + 12)) else 1)
        elif destination >= _GROUPS:
            return self._no(1)
        out = self.out
        out.copy(self._used, self._header, 0, _ETHERNET)
        out.copy(self._used + _ETHERNET, memory, ip, captured - front)
        self._readdress(self._used + _ETHERNET, captured - front)
        return octets

    def _is_server(self, address: int) -> bool:
        if self._one >= 0:
            return address == self._one
        return address in self._servers

    def _readdress(self, ip: int, octets: int) -> None:
        """Give the IPv4 packet in `out` its new addresses."""
        out = self.out
        source = out.get32(ip + 12)
        destination = out.get32(ip + 16)
        difference = change(destination, self._appliance)
        out.put32(ip + 16, self._appliance)
        new_source = source
        if source in (self._moved_first, self._moved_second):
            new_source = self._moved[source]
            out.put32(ip + 12, new_source)
            difference += change(source, new_source)
            difference = (difference & _ONES) + (difference >> 16)
            self.moved += 1
        update(out, ip + 10, difference)
        header = (out.get8(ip) & 0xF) << 2
        if header < 20 or out.get16(ip + 6) & 0x1FFF:
            return
        protocol = out.get8(ip + 9)
        transport = ip + header
        octets -= header
        if protocol == _TCP and octets >= 18:
            update(out, transport + 16, difference)
        elif protocol == _UDP and octets >= 8:
            # 0 means that there is no checksum, and is never the sum of one (RFC 768).
            if out.get16(transport + 6) and update(out, transport + 6, difference) == 0:
                out.put16(transport + 6, _ONES)
        elif protocol == _ICMP and octets >= 28:
            kind = out.get8(transport)
            if kind in (3, 4, 5, 11, 12):
                self._quote(transport + 8, destination, source, new_source)

    def _quote(self, ip: int, server: int, client: int, new_client: int) -> None:
        """The packet that an ICMP error is about. Its header's checksum changes as its addresses do, and so the sum
        over both, which is ICMP's, stays."""
        out = self.out
        if out.get32(ip + 12) == server:
            update(out, ip + 10, change(server, self._appliance))
            out.put32(ip + 12, self._appliance)
        if client != new_client and out.get32(ip + 16) == client:
            update(out, ip + 10, change(client, new_client))
            out.put32(ip + 16, new_client)
