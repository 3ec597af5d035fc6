"""Which flows were seen before, so that distinct ones can be counted: a set of RSS hashes.

Flows are told apart by their 32 bits of hash: of a million, some hundred are taken for another. At the most
ROOM are told apart. 8 MiB of memory, touched as far as it is used. Knows no frames and no replicas.
"""

from __future__ import annotations

import mmap

from neatctl.core.native import Memory

ROOM = 1 << 20
_BITS = 21
_SPREAD = 0x9E3779B1
_MASK32 = 0xFFFFFFFF
_ROOM = ROOM


class SeenFlows:
    """An open-addressing set, half full at the most; 0 marks a free place, so hash 0 is kept as 1."""

    def __init__(self) -> None:
        self.count = 0
        self.full = False
        """There were more flows than can be told apart."""
        self._memory = Memory(mmap.mmap(-1, 4 << _BITS))

    def add(self, hashed: int) -> bool:
        """Whether a flow with this hash was not seen before; False once the set is full."""
        memory = self._memory
        hashed = hashed or 1
        place = (hashed * _SPREAD & _MASK32) >> (32 - _BITS)
        while True:
            held = memory.get32h(place << 2)
            if held == hashed:
                return False
            if held == 0:
                break
            place = (place + 1) & ((1 << _BITS) - 1)
        if self.count == _ROOM:
            self.full = True
            return False
        memory.put32h(place << 2, hashed)
        self.count += 1
        return True
