"""Initial sequence numbers that cannot be guessed (RFC 6528), and the start of the timestamp clock (RFC 7323).

ISN = M + F(connection, key): M counts 4 us steps of the caller's clock, F is BLAKE2s under a key that the
supervisor keeps, the same in all replicas and their rebirths. The timestamp clock has one secret offset
for all connections, so that it never runs backwards for a peer, whichever replica answers (RFC 6191).
Knows no clock.
"""

from __future__ import annotations

from hashlib import blake2s

_MASK = 0xFFFFFFFF


class Secrets:
    """What is derived from the boot's 16-octet key."""

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2s(key=key, digest_size=4)
        self.timestamp_offset = int.from_bytes(blake2s(b"timestamps", key=key, digest_size=4).digest(), "big")

    def isn(self, connection: bytes, now: int) -> int:
        """The ISN for a connection (its 12 octets of addresses and ports) at `now` in microseconds."""
        keyed = self._keyed.copy()
        keyed.update(connection)
        digest: bytes = keyed.digest()
        secret = digest[0] << 24 | digest[1] << 16 | digest[2] << 8 | digest[3]
        return (secret + (now >> 2)) & _MASK
