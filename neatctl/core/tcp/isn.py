"""Numbers that cannot be guessed: initial sequence numbers (RFC 6528), SYN cookies (RFC 4987), ports (RFC 6056), and
the start of the timestamp clock (RFC 7323).

ISN = M + F(connection, key): M counts 4 us steps of the caller's clock, F is BLAKE2s under a key that the
supervisor keeps, the same in all replicas and their rebirths. The timestamp clock has one secret offset
for all connections, so that it never runs backwards for a peer, whichever replica answers (RFC 6191).
Knows no clock.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Any

_MASK = 0xFFFFFFFF


class Secrets:
    """What is derived from the boot's 16-octet key."""

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2s(key=key, digest_size=4)
        self._cookies = blake2s(key=key, digest_size=4, person=b"cookies")
        self._ports = blake2s(key=key, digest_size=4, person=b"ports")
        self.timestamp_offset = int.from_bytes(blake2s(b"timestamps", key=key, digest_size=4).digest(), "big")

    def isn(self, connection: bytes, now: int) -> int:
        """The ISN for a connection (its 12 octets of addresses and ports) at `now` in microseconds."""
        return (self._hashed(self._keyed, connection) + (now >> 2)) & _MASK

    def cookie(self, connection: bytes, irs: int, period: int, bits: int) -> int:
        """32 bits that only who knows the key can say of a connection, the peer's ISN and two more numbers."""
        return self._hashed(self._cookies, b"%b%d %d %d" % (connection, irs, period, bits))

    def port_offset(self, ends: bytes) -> int:
        """Where the search for a local port begins for a local address and a remote endpoint (RFC 6056, 3.3.3)."""
        return self._hashed(self._ports, ends)

    def _hashed(self, keyed: Any, octets: bytes) -> int:
        hashing = keyed.copy()
        hashing.update(octets)
        digest: bytes = hashing.digest()
        return (digest[0] << 24 | digest[1] << 16 | digest[2] << 8 | digest[3]) & _MASK
