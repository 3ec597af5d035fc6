"""The keys of connections heard of lately, as objects that know their hash: no bytes are made and hashed again.

A key is what stands in the packet from the source address on, up to the ports. Knows no headers.
"""

from __future__ import annotations

from neatctl.core.native import Memory

_MASK = 255


class Keys:
    """Keys of `octets` octets each: 12 for IPv4, 36 for IPv6."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._keys = [bytes(self._octets)] * (_MASK + 1)
        self._memory = Memory(bytearray(self._octets * (_MASK + 1)))

    def find(self, memory: Memory, at: int) -> bytes | None:
        """The key at `at` if it was heard of lately."""
        octets = self._octets
        slot = (memory.get16(at + octets - 4) >> 1) & _MASK
        if self._memory.equal(slot * octets, memory, at, octets):
            return self._keys[slot]
        return None

    def enter(self, memory: Memory, at: int) -> bytes:
        """The key at `at`, to be found the next time."""
        octets = self._octets
        slot = (memory.get16(at + octets - 4) >> 1) & _MASK
        key = memory.bytes(at, octets)
        self._memory.put(slot * octets, key)
        self._keys[slot] = key
        return key
