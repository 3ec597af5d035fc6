"""Datagrams cut into fragments: RFC 791 section 3.2, RFC 8200 section 4.5. TCP never comes here.

Pure functions over octets. Identifications are never repeated by another replica of the same address, and cannot be
guessed from those that went elsewhere (RFC 7739 section 5.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2s

_IPV4, _IPV6, _FRAGMENT_HEADER = 20, 40, 8
_MORE4 = 0x2000
_FRAGMENT = 44
_SHARES = 64
"""Replicas with the same index modulo this number might use the same identification."""


class Identifications:
    """The identifications of one replica's fragments. `key`: 16 octets, secret, the same for all replicas."""

    def __init__(self, key: bytes, index: int) -> None:
        self._key = key
        self._share = index % _SHARES
        self._count = 0

    def next(self, ends: bytes) -> int:
        """The next one (32 bits; IPv4 takes the lower 16) for a pair of addresses."""
        self._count += 1
        start = int.from_bytes(blake2s(ends, key=self._key, digest_size=4, person=b"fragment").digest(), "big")
        return ((start // _SHARES + self._count) * _SHARES + self._share) & 0xFFFFFFFF


def fragments(header: bytes, payload: bytes, mtu: int, identification: int) -> Iterator[bytes]:
    """The packets that carry `payload` behind `header`, an IPv4 or IPv6 header without options whose length (and
    checksum) is not filled in, over a link of `mtu` octets."""
    if header[0] >> 4 == 4:
        yield from _fragments4(header, payload, mtu, identification & 0xFFFF)
    else:
        yield from _fragments6(header, payload, mtu, identification)


def _fragments4(header: bytes, payload: bytes, mtu: int, identification: int) -> Iterator[bytes]:
    step = (mtu - _IPV4) & ~7
    for offset in range(0, len(payload), step):
        piece = payload[offset : offset + step]
        more = _MORE4 if offset + step < len(payload) else 0
        head = bytearray(header)
        head[2:4] = (_IPV4 + len(piece)).to_bytes(2, "big")
        head[4:6] = identification.to_bytes(2, "big")
        head[6:8] = (offset >> 3 | more).to_bytes(2, "big")
        head[10:12] = bytes(2)
        total = sum(head[i] << 8 | head[i + 1] for i in range(0, _IPV4, 2))
        total = (total & 0xFFFF) + (total >> 16)
        head[10:12] = (~((total & 0xFFFF) + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
        yield bytes(head) + piece


def _fragments6(header: bytes, payload: bytes, mtu: int, identification: int) -> Iterator[bytes]:
    step = (mtu - _IPV6 - _FRAGMENT_HEADER) & ~7
    for offset in range(0, len(payload), step):
        piece = payload[offset : offset + step]
        more = offset + step < len(payload)
        head = bytearray(header)
        head[4:6] = (_FRAGMENT_HEADER + len(piece)).to_bytes(2, "big")
        head[6] = _FRAGMENT
        between = bytes((header[6], 0)) + (offset | more).to_bytes(2, "big") + identification.to_bytes(4, "big")
        yield bytes(head) + between + piece
