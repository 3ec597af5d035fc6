"""Whom what arrives at a port is for: the local ends that sockets listen or are bound to, of one protocol.

A port may have several: one of its address goes before one of its family, that before one of any; of several that fit
alike (SO_REUSEPORT) a keyed hash of both ends chooses, so that one peer always meets the same. Knows no protocol.
"""

from __future__ import annotations

from ipaddress import ip_address

from neatctl.core.tcp.isn import Secrets


class LocalEnd:
    """A port at `address`: one of 4 or 16 octets, or b"" for any. `family_octets`: with any address 4 or 16 for one of
    IPv4 or IPv6 alone, 0 for both."""

    def __init__(self, number: int, address: bytes, port: int, family_octets: int) -> None:
        self.number = number
        """Of the socket, as the SYSCALL server counts."""
        self.address = address
        self.port = port
        self.family_octets = family_octets

    def fit(self, key: bytes, octets: int) -> int:
        """How well it fits what arrives with this key, whose addresses have so many octets: 3 by its address, 2 by its
        family, 1 as one of any, 0 not at all."""
        if self.address:
            return 3 if key[octets : 2 * octets] == self.address else 0
        if self.family_octets == octets:
            return 2
        return 1 if self.family_octets == 0 else 0


class LocalEnds:
    """All of a protocol in one replica."""

    def __init__(self, secrets: Secrets) -> None:
        self.ports: dict[int, list[LocalEnd]] = {}
        self._secrets = secrets

    def enter(self, end: LocalEnd) -> None:
        """It exists from now on."""
        self.ports.setdefault(end.port, []).append(end)

    def leave(self, end: LocalEnd) -> None:
        """It exists no more."""
        others = self.ports[end.port]
        others.remove(end)
        if not others:
            del self.ports[end.port]

    def find(self, key: bytes) -> LocalEnd | None:
        """Whom something is for that arrives with this key: source and destination address and port, as on the wire."""
        found: LocalEnd | None = None
        octets = (len(key) - 4) >> 1
        candidates = self.ports.get(key[2 * octets + 2] << 8 | key[2 * octets + 3])
        if candidates is None:
            return None
        best = 1
        equals = 0
        for end in candidates:
            fit = end.fit(key, octets)
            if fit > best:
                best = fit
                equals = 0
            if fit == best:
                equals += 1
                found = end
        if equals > 1:
            place = self._secrets.port_offset(key) % equals
            found = [end for end in candidates if end.fit(key, octets) == best][place]
        return found


def parse_address(address: str) -> tuple[bytes, int]:
    """`address` and `family_octets` of a LocalEnd: of one address, of "0.0.0.0" or "::" (any of a family) or "" (any).
    ValueError if it is none of these."""
    octets = ip_address(address).packed if address else b""
    return octets if any(octets) else b"", len(octets)
