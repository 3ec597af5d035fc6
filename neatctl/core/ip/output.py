"""The way out of a replica: Ethernet and IP headers, descriptors and checksums, built in the NIC queue's memory.

`begin` reserves a place and puts a prepared header there, its caller writes the transport part behind it, `end`
fills in what depends on the length and commits: a packet is written once, where the driver will read it. While a
neighbour is unresolved the same calls write into a scratch memory, and the packet waits for ARP or ND. Both families
differ in the prepared header of a Path. RFC 791, RFC 1071, RFC 6864, RFC 8200; the descriptor is that of
`core/channel/records.py`. Knows no transport protocol.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL, ENETUNREACH

from neatctl.core.channel.face import Producer
from neatctl.core.channel.records import (
    FRAME_AT,
    GSO_TCPV4,
    GSO_TCPV6,
    NEEDS_CSUM,
    VNET_CSUM_OFFSET_AT,
    VNET_CSUM_START_AT,
    VNET_FLAGS_AT,
    VNET_GSO_SIZE_AT,
    VNET_GSO_TYPE_AT,
    VNET_HEADER_OCTETS_AT,
)
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.arp import Arp
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.discovery import Discovery
from neatctl.core.ip.fragmenting import Identifications, fragments
from neatctl.core.ip.neighbours import Neighbour, NeighbourCache
from neatctl.core.native import Memory

TCP, UDP = 6, 17
_UDP = UDP
_ETHERNET = 14
_FRAME_AT = FRAME_AT
_IP_AT = FRAME_AT + _ETHERNET
_IPV4, _IPV6 = 20, 40
_LEAST_MTU4, _LEAST_MTU6 = 552, 1280
"""The first as Linux has it; the other is IPv6's."""
_NEEDS_CSUM = NEEDS_CSUM
_FLAGS_AT = VNET_FLAGS_AT
_GSO_TYPE_AT = VNET_GSO_TYPE_AT
_HEADER_OCTETS_AT = VNET_HEADER_OCTETS_AT
_GSO_SIZE_AT = VNET_GSO_SIZE_AT
_CSUM_START_AT = VNET_CSUM_START_AT
_CSUM_OFFSET_AT = VNET_CSUM_OFFSET_AT
_SCRATCH = 66_000
_TTL = 64
_ECT, _CE = 2, 3
_MAX_PATHS = 8192
_ADDRESS4 = 4
_GROUPS, _GROUP6 = 224, 0xFF
"""From there on are no addresses of hosts."""
_MTU_LIFETIME_US = 600_000_000
"""RFC 1191 section 6.3, RFC 8201 section 4."""


def address_octets(dotted: str) -> bytes:
    """The 4 octets of a dotted address; ValueError if it is none."""
    parts = [int(part) for part in dotted.split(".")]
    if len(parts) != 4:
        raise ValueError(f"{dotted} is no IPv4 address")
    return bytes(parts)


class Path:
    """The way to one remote address for one protocol: the prepared head of a record, and the constant sums."""

    def __init__(
        self,
        local: bytes,
        remote: bytes,
        source_mac: bytes,
        cache: NeighbourCache,
        neighbour: Neighbour,
        protocol: int,
        hop_limit: int = _TTL,
    ) -> None:
        self.local = local
        self.remote = remote
        self.cache = cache
        self.neighbour = neighbour
        """The next hop, an entry of `cache`."""
        self.protocol = protocol
        self.mac = b""
        self.head = b""
        self.narrow_mtu = 0
        """The largest datagram that a router on the way takes, until `narrow_until_us`; 0: none said so."""
        self.narrow_until_us = 0
        if len(remote) == 4:
            fixed = bytes((0x45, 0, 0, 0, 0, 0, 0x40, 0, hop_limit, protocol, 0, 0)) + local + remote
            self._ethertype = b"\x08\x00"
        else:
            fixed = bytes((0x60, 0, 0, 0, 0, 0, protocol, hop_limit)) + local + remote
            self._ethertype = b"\x86\xdd"
        self.header = fixed
        """The IP header without length and checksum. Nobody may cut the packet up, so it needs no identification (RFC
        6864), and none tells how much else is sent."""
        self._source_mac = source_mac
        self.ip_octets = len(fixed)
        self.transport_at = _IP_AT + len(fixed)
        """Where the transport header is in a record."""
        self.gso_type = GSO_TCPV4 if len(fixed) == _IPV4 else GSO_TCPV6
        self.header_sum = Memory(fixed).sum(0, _IPV4, 0) if len(fixed) == _IPV4 else 0
        self.pseudo_sum = Memory(local + remote).sum(0, 2 * len(remote), protocol)

    def resolve(self) -> None:
        """Take over what the neighbour's address is now; it is in use."""
        neighbour = self.neighbour
        if neighbour.stale:
            neighbour.used = True
        self.mac = neighbour.mac
        self.head = bytes(_FRAME_AT) + (self.mac or bytes(6)) + self._source_mac + self._ethertype + self.header


class IpOutput:
    """The output of one interface. `memory` is where the last `begin` put its packet."""

    def __init__(self, config: ReplicaConfig, counters: IpCounters) -> None:
        self.local = address_octets(config.address)
        self.mtu = config.mtu
        self._mac = config.mac
        mask = (0xFFFFFFFF << (32 - config.prefix_length)) & 0xFFFFFFFF
        self._mask = mask
        self._network = int.from_bytes(self.local, "big") & mask
        self._gateway = address_octets(config.gateway) if config.gateway else b""
        self._offload = config.checksum_offload
        self._counters = counters
        self._out: list[bytes] = []
        """What ARP and ND have to say, and what waited for them."""
        self.neighbours = Arp(self.local, config.mac, counters, self._out)
        self.discovery = Discovery(config, counters, self._out) if config.address6 else None
        """IPv6's part of the link; None without IPv6."""
        self.identifications = Identifications(config.isn_key, config.index)
        self._net: Producer | None = None
        self._scratch = Memory(bytearray(_SCRATCH))
        self.memory: Memory = self._scratch
        self._paths: dict[bytes, Path] = {}
        self._other_paths: dict[tuple[bytes, int], Path] = {}
        self._at = 0
        self._now = 0
        self._seen: Memory = self._scratch
        self._seen_at = -1
        self.markable = False
        """Routers may mark the packet that `end` is about to send (ECT(0), RFC 3168)."""

    def attach(self, net: Producer | None) -> None:
        """Use another NIC queue from now on; None while there is none."""
        self._net = net
        self.memory = self._scratch

    def arrived(self, memory: Memory, at: int) -> None:
        """The frame that is being received; -1 when none is. A new on-link path takes its source's MAC, so that the
        first answer needs no ARP."""
        self._seen = memory
        self._seen_at = at

    def path(self, local: bytes, remote: bytes, now: int, protocol: int = TCP) -> Path:
        """The way to `remote` (4 or 16 octets): cached, for connections to keep. Who is heard from another station
        than it leads to is asked for again."""
        path = self._paths.get(remote) if protocol == TCP else self._other_paths.get((remote, protocol))
        if path is not None and path.local == local:
            on_link = path.mac and path.neighbour.address == remote
            if on_link and self._seen_at >= 0 and self._heard_from(remote) and self._seen_mac() != path.mac:
                path.cache.doubt(path.neighbour, now)
            return path
        return self._make_path(local, remote, now, protocol)

    def reaches(self, remote: bytes) -> bool:
        """Whether there is a way to this address: it is on the link, or there is a gateway."""
        return bool(self._gateway) or int.from_bytes(remote, "big") & self._mask == self._network

    def source(self, remote: bytes, local: bytes) -> bytes:
        """Our address for what goes to the host `remote`; `local` is the one asked for, or zeros. OSError: ENETUNREACH
        if there is no way, EADDRNOTAVAIL if `local` is not ours."""
        if len(remote) == _ADDRESS4:
            ours = self.local
            nowhere = remote == ours or remote[0] == 0 or remote[0] >= _GROUPS or not self.reaches(remote)
        else:
            discovery = self.discovery
            if discovery is None:
                raise OSError(ENETUNREACH, "this stack has no IPv6 address")
            known = any(local) and discovery.addresses.is_ours(local)
            ours = local if known else discovery.addresses.source_for(remote)
            nowhere = not any(remote) or remote[0] == _GROUP6 or discovery.addresses.is_ours(remote)
        if any(local) and local != ours:
            raise OSError(EADDRNOTAVAIL, "the local address is not this stack's")
        if nowhere or not any(ours):
            raise OSError(ENETUNREACH, "there is no way to this address")
        return ours

    def in_vain(self, path: Path) -> bool:
        """Whether the neighbour that this path leads to was asked for, and nobody answered."""
        return not path.neighbour.mac and not path.neighbour.attempts

    def _make_path(self, local: bytes, remote: bytes, now: int, protocol: int) -> Path:
        cache: NeighbourCache = self.neighbours
        hop_limit = _TTL
        if len(remote) == 4:
            on_link = int.from_bytes(remote, "big") & self._mask == self._network
            next_hop = remote if on_link or not self._gateway else self._gateway
        else:
            assert self.discovery is not None, "an IPv6 path without IPv6"
            cache = self.discovery
            next_hop = self.discovery.next_hop(remote)
            hop_limit = self.discovery.hop_limit
        neighbour = cache.neighbour(next_hop)
        if not neighbour.mac and next_hop == remote and self._seen_at >= 0:
            source_mac = self._seen_mac()
            if not source_mac[0] & 1 and self._heard_from(remote):
                cache.learn(remote, source_mac, now, stale=len(remote) != 4)
        path = Path(local, remote, self._mac, cache, neighbour, protocol, hop_limit)
        path.resolve()
        if len(self._paths) + len(self._other_paths) >= _MAX_PATHS:
            self._paths.clear()
            self._other_paths.clear()
        if protocol == TCP:
            self._paths[remote] = path
        else:
            self._other_paths[(remote, protocol)] = path
        return path

    def reroute(self) -> None:
        """Routers or addresses of IPv6 changed: paths are made anew, also those that connections hold."""
        discovery = self.discovery
        assert discovery is not None
        for path in [*self._paths.values(), *self._other_paths.values()]:
            if path.cache is discovery:
                path.neighbour = discovery.neighbour(discovery.next_hop(path.remote))
                path.resolve()

    def mtu_of(self, path: Path, now: int) -> int:
        """The largest packet, in octets, that goes this way in one piece, as far as is known."""
        mtu: int = self.mtu if self.discovery is None or path.ip_octets == _IPV4 else self.discovery.mtu
        if path.narrow_mtu and now < path.narrow_until_us:
            return min(mtu, path.narrow_mtu)
        return mtu

    def narrow(self, path: Path, mtu: int, now: int) -> None:
        """A router said that it takes packets of at most `mtu` octets. Less than every path must take is not
        believed."""
        path.narrow_mtu = max(mtu, _LEAST_MTU4 if path.ip_octets == _IPV4 else _LEAST_MTU6)
        path.narrow_until_us = now + _MTU_LIFETIME_US

    def doubt(self, path: Path, now: int) -> None:
        """The next hop seems not to answer: ask for it."""
        path.cache.doubt(path.neighbour, now)

    def _seen_mac(self) -> bytes:
        """The station that the frame that is being received came from."""
        return self._seen.bytes(self._seen_at + 6, 6)

    def _heard_from(self, remote: bytes) -> bool:
        """Whether the frame that is being received has this source."""
        octets = len(remote)
        return self._seen.bytes(self._seen_at + (26 if octets == 4 else 22), octets) == remote

    def was_marked(self) -> bool:
        """Whether a router marked the packet that is being received (CE, RFC 3168)."""
        at = self._seen_at + _ETHERNET
        if self._seen_at < 0:
            return False
        if self._seen.get8(at) >> 4 == 4:
            return self._seen.get8(at + 1) & _CE == _CE
        return self._seen.get8(at + 1) >> 4 & _CE == _CE

    def begin(self, path: Path, transport_octets: int, now: int) -> int:
        """Room for a transport header and its octets: the offset in `memory`, or -1 when the NIC queue is full."""
        if path.mac is not path.neighbour.mac:
            path.resolve()
        if not path.mac:
            self.memory = self._scratch
            self._at = 0
            self._now = now
        else:
            net = self._net
            if net is None:
                return -1
            at = net.reserve(path.transport_at + transport_octets)
            if at < 0:
                return -1
            self.memory = net.memory
            self._at = at
        self.memory.put(self._at, path.head)
        return self._at + path.transport_at

    def end(self, path: Path, transport_octets: int, checksum_offset: int, gso_size: int, header_octets: int) -> None:
        """Complete and send what `begin` began: `transport_octets` from its offset. `checksum_offset` is the place of
        the transport checksum, -1 if there is none to fill in; `gso_size` the octets of payload per segment, 0 for one
        packet; `header_octets` of the transport header."""
        memory = self.memory
        at = self._at
        ip = at + _IP_AT
        if path.ip_octets == _IPV4:
            total = _IPV4 + transport_octets
            memory.put16(ip + 2, total)
            checksum = path.header_sum + total
            if self.markable:
                memory.put8(ip + 1, _ECT)
                checksum += _ECT
            checksum = (checksum & 0xFFFF) + (checksum >> 16)
            checksum = (checksum & 0xFFFF) + (checksum >> 16)
            memory.put16(ip + 10, ~checksum & 0xFFFF)
        else:
            memory.put16(ip + 4, transport_octets)
            if self.markable:
                memory.put8(ip + 1, _ECT << 4)
        self.markable = False
        if checksum_offset >= 0:
            self._transport_checksum(path, memory, at, transport_octets, checksum_offset)
        if gso_size > 0 and transport_octets - header_octets > gso_size:
            memory.put8(at + _GSO_TYPE_AT, path.gso_type)
            memory.put16h(at + _HEADER_OCTETS_AT, _ETHERNET + path.ip_octets + header_octets)
            memory.put16h(at + _GSO_SIZE_AT, gso_size)
        self._counters.sent += 1
        if path.mac:
            net = self._net
            if net is not None:
                net.commit(path.transport_at + transport_octets)
        else:
            path.cache.hold(path.neighbour, memory.bytes(at, path.transport_at + transport_octets), self._now)

    def _transport_checksum(self, path: Path, memory: Memory, at: int, octets: int, checksum_offset: int) -> None:
        """Leave the pseudo-header's sum for the device to complete, or put the whole checksum."""
        pseudo = path.pseudo_sum + octets
        pseudo = (pseudo & 0xFFFF) + (pseudo >> 16)
        transport = at + path.transport_at
        if self._offload:
            memory.put8(at + _FLAGS_AT, _NEEDS_CSUM)
            memory.put16h(at + _CSUM_START_AT, _ETHERNET + path.ip_octets)
            memory.put16h(at + _CSUM_OFFSET_AT, checksum_offset)
            memory.put16(transport + checksum_offset, pseudo)
        else:
            memory.put16(transport + checksum_offset, 0)
            checksum = ~memory.sum(transport, octets, pseudo) & 0xFFFF
            if checksum == 0 and path.protocol == _UDP:
                checksum = 0xFFFF  # 0 would say that there is none (RFC 768).
            memory.put16(transport + checksum_offset, checksum)

    def send_fragments(self, path: Path, payload: bytes, now: int) -> bool:
        """Send a datagram that is larger than the link's MTU in fragments; False if not all found room.

        What lies behind an IPv6 router is not known to take more than every link must.
        """
        mtu = self.mtu_of(path, now)
        if path.ip_octets != _IPV4 and path.neighbour.address != path.remote:
            mtu = _LEAST_MTU6
        identification = self.identifications.next(path.local + path.remote)
        path.resolve()
        front = path.head[:_IP_AT]
        for packet in fragments(path.header, payload, mtu, identification):
            if not path.mac:
                path.cache.hold(path.neighbour, front + packet, now)
            elif self._net is None or not self._net.send(front + packet):
                self._counters.drop_queue_full += 1
                return False
            self._counters.sent += 1
            self._counters.fragments_out += 1
        return True

    def send_neighbour_records(self) -> None:
        """Send what ARP and ND have to say, and what waited for them."""
        out = self._out
        if not out:
            return
        net = self._net
        for record in out:
            if net is None or not net.send(record):
                self._counters.drop_queue_full += 1
        out.clear()
