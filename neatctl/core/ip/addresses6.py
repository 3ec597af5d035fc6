"""Our own IPv6 addresses, what is on the link, and who routes: what a replica knows of itself and its network.

RFC 4862 (stateless configuration, duplicate addresses), RFC 4429 (an address serves while it is checked), RFC 7217
(interface identifiers that follow from a secret), RFC 4861 sections 5 and 6.3. All is bounded, since routers' words
fill it. Knows no packets: discovery.py reads and writes those.
"""

from __future__ import annotations

from hashlib import blake2s
from ipaddress import IPv6Address

from neatctl.core.control.config import ReplicaConfig

NEVER = 1 << 62
UNSPECIFIED = bytes(16)
ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
ALL_ROUTERS = bytes.fromhex("ff020000000000000000000000000002")
_LINK_LOCAL = bytes.fromhex("fe80000000000000")
_SOLICITED = bytes.fromhex("ff0200000000000000000001ff")
_LINK_LOCAL_LENGTH = 10
_IDENTIFIER_LENGTH = 64
_TWO_HOURS_US = 7_200_000_000
_DAD_US = 1_000_000
"""RetransTimer; one solicitation is sent (DupAddrDetectTransmits)."""
_MAX_ADDRESSES, _MAX_PREFIXES, _MAX_ROUTERS = 8, 16, 8
_INFINITE_S = 0xFFFFFFFF

OPTIMISTIC = "optimistic"
ASSIGNED = "assigned"
DUPLICATE = "duplicate"


class Address:
    """One address of ours."""

    def __init__(self, octets: bytes, state: str, valid_until_us: int) -> None:
        self.octets = octets
        self.state = state
        self.valid_until_us = valid_until_us
        self.checked_us = NEVER
        """When nobody has claimed it for long enough; set at the first look."""


def solicited_node(address: bytes) -> bytes:
    """The group that an address is asked for in (RFC 4291 section 2.7.1)."""
    return _SOLICITED + address[13:]


def in_prefix(address: bytes, prefix: bytes, length: int) -> bool:
    """Whether the first `length` bits agree."""
    shift = 128 - length
    return int.from_bytes(address, "big") >> shift == int.from_bytes(prefix, "big") >> shift


def is_link_local(address: bytes) -> bool:
    return in_prefix(address, _LINK_LOCAL + bytes(8), _LINK_LOCAL_LENGTH)


class Addresses6:
    """Those of one interface. `changed` is set whenever ways or addresses become others."""

    def __init__(self, config: ReplicaConfig) -> None:
        self._key = config.isn_key
        self._mac = config.mac
        fixed = IPv6Address(config.address6).packed
        gateway = IPv6Address(config.gateway6).packed if config.gateway6 else b""
        self.link_local = _LINK_LOCAL + self._identifier(_LINK_LOCAL)
        self.own = {octets: Address(octets, ASSIGNED, NEVER) for octets in (fixed, self.link_local)}
        self.groups = {solicited_node(octets) for octets in self.own}
        self._prefixes = {(fixed, config.prefix_length6): NEVER}
        self._routers = {gateway: NEVER} if gateway else {}
        self._silent: set[bytes] = set()
        """Routers that do not answer."""
        self.changed = False

    def _identifier(self, prefix: bytes) -> bytes:
        """The same in all replicas (RFC 7217)."""
        digest = bytearray(blake2s(prefix + self._mac, key=self._key, digest_size=8, person=b"iid").digest())
        digest[0] &= 0xFD
        return bytes(digest)

    # ---- what others ask ----
    def next_hop(self, remote: bytes) -> bytes:
        """Who a packet to `remote` is given to: a router that answers, if it is not on the link."""
        if remote[0] == 0xFF or is_link_local(remote):
            return remote
        if any(in_prefix(remote, prefix, length) for prefix, length in self._prefixes):
            return remote
        answering = [router for router in self._routers if router not in self._silent]
        return next(iter(answering or self._routers), remote)

    def is_ours(self, address: bytes) -> bool:
        """Whether we take packets to this address."""
        own = self.own.get(address)
        return own is not None and own.state != DUPLICATE

    def source_for(self, destination: bytes) -> bytes:
        """Which of our addresses speaks to `destination`; UNSPECIFIED while none may. One of its scope, and of its
        prefix if there is one (RFC 6724 section 5, rules 2 and 8)."""
        sure = [own.octets for own in self.own.values() if own.state == ASSIGNED]
        local = is_link_local(destination) or destination[:2] == ALL_NODES[:2]
        fitting = [octets for octets in sure if is_link_local(octets) == local] or sure
        near = [octets for octets in fitting if octets[:8] == destination[:8]]
        return next(iter(near or fitting), UNSPECIFIED)

    # ---- duplicate addresses ----
    def check(self) -> list[bytes]:
        """Begin to see whether others have our addresses: which ones."""
        for own in self.own.values():
            own.state = OPTIMISTIC
            own.checked_us = NEVER
        return list(self.own)

    def claimed(self, address: bytes) -> bool:
        """Somebody else has an address of ours. True if it is given up: it was being checked (RFC 4862, 5.4.5)."""
        own = self.own[address]
        if own.state != OPTIMISTIC:
            return False
        own.state = DUPLICATE
        self._regroup()
        return True

    # ---- what routers say ----
    def heard_router(self, router: bytes, lifetime_s: int, now: int) -> None:
        """A router advertised itself for so long; 0: it routes no more."""
        if lifetime_s == 0:
            if self._routers.get(router, NEVER) != NEVER:
                self._forget_router(router)
            return
        if router not in self._routers:
            if len(self._routers) >= _MAX_ROUTERS:
                return
            self.changed = True
        self._routers[router] = max(now + lifetime_s * 1_000_000, self._routers.get(router, 0))
        self.answers(router)

    def heard_prefix(self, prefix: bytes, length: int, lifetime_s: int, now: int) -> None:
        """Addresses with this prefix are on the link for so long (RFC 4861 section 6.3.4)."""
        known = self._prefixes.get((prefix, length), 0)
        if known == NEVER or is_link_local(prefix) or length > 128:
            return
        if lifetime_s == 0:
            self.changed |= self._prefixes.pop((prefix, length), 0) != 0
        elif known or len(self._prefixes) < _MAX_PREFIXES:
            self._prefixes[prefix, length] = _until(lifetime_s, now)
            self.changed |= not known

    def configure(self, prefix: bytes, length: int, valid_s: int, preferred_s: int, now: int) -> bytes:
        """An autonomous prefix (RFC 4862 section 5.5.3): the address that was made of it, b"" for none."""
        if is_link_local(prefix) or preferred_s > valid_s or length != _IDENTIFIER_LENGTH:
            return b""
        until = _until(valid_s, now)
        octets = prefix[:8] + self._identifier(prefix[:8])
        own = self.own.get(octets)
        if own is not None:
            # A shorter life than two hours is not believed of who cannot prove himself (section 5.5.3 e).
            if until >= min(own.valid_until_us, now + _TWO_HOURS_US):
                own.valid_until_us = until
            elif own.valid_until_us > now + _TWO_HOURS_US:
                own.valid_until_us = now + _TWO_HOURS_US
            return b""
        if valid_s == 0 or len(self.own) >= _MAX_ADDRESSES:
            return b""
        self.own[octets] = Address(octets, OPTIMISTIC, until)
        self._regroup()
        return octets

    def silent(self, router: bytes) -> None:
        """It does not answer: another router, if there is one, gets what is sent."""
        if router in self._routers and router not in self._silent:
            self._silent.add(router)
            self.changed = True

    def answers(self, router: bytes) -> None:
        """It was heard of."""
        if router in self._silent:
            self._silent.discard(router)
            self.changed = True

    def _forget_router(self, router: bytes) -> None:
        del self._routers[router]
        self._silent.discard(router)
        self.changed = True

    def _regroup(self) -> None:
        self.groups = {solicited_node(own.octets) for own in self.own.values() if own.state != DUPLICATE}
        self.changed = True

    def expire(self, now: int) -> None:
        """Once a second: addresses become sure, and what is over is forgotten."""
        for own in list(self.own.values()):
            if own.state == OPTIMISTIC:
                if own.checked_us == NEVER:
                    own.checked_us = now + _DAD_US
                elif own.checked_us <= now:
                    own.state = ASSIGNED
            if own.valid_until_us <= now:
                del self.own[own.octets]
                self._regroup()
        for prefix, until in list(self._prefixes.items()):
            if until <= now:
                del self._prefixes[prefix]
                self.changed = True
        for router, until in list(self._routers.items()):
            if until <= now:
                self._forget_router(router)


def _until(lifetime_s: int, now: int) -> int:
    return NEVER if lifetime_s == _INFINITE_S else now + lifetime_s * 1_000_000
