"""Receive-side scaling: the Toeplitz hash of a flow key and the redirection table from hash to replica.

The hash as in Microsoft's "RSS hashing types" and the Intel 82599 datasheet 7.1.2.8: for each bit of
the input that is set, 32 bits of the key from that bit on, all XORed. Here one look-up an octet, from
tables made of the key beforehand. The key must be secret: who knows it chooses the replica.
Knows nothing of frames, flows or queues.
"""

from __future__ import annotations

from neatctl.core.native import Memory

KEY_OCTETS = 40
INPUT_OCTETS = 36
"""The longest input: two IPv6 addresses and two ports; 32 bits of the key remain for its last bit."""
TABLE_ENTRIES = 128


class Rss:
    """A key of 40 octets and a redirection table of 128 replica numbers, 0 where there is none."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_OCTETS:
            raise ValueError(f"an RSS key is {KEY_OCTETS} octets long, not {len(key)}")
        self._words = Memory(bytearray(INPUT_OCTETS * 1024))
        self._table = Memory(bytearray(TABLE_ENTRIES * 2))
        self._fill_words(int.from_bytes(key, "big"))

    def _fill_words(self, key: int) -> None:
        """For octet i of the input and its value v, at 1024 i + 4 v: what v adds to the hash."""
        words = self._words
        for i in range(INPUT_OCTETS):
            base = i << 10
            for bit in range(8):
                window = key >> (8 * (KEY_OCTETS - 4 - i) - bit) & 0xFFFFFFFF
                step = 0x80 >> bit
                words.put32h(base + 4 * step, window)
            for value in range(3, 256):
                lowest = value & -value
                if value != lowest:
                    one = words.get32h(base + 4 * lowest)
                    words.put32h(base + 4 * value, words.get32h(base + 4 * (value ^ lowest)) ^ one)

    def hash(self, memory: Memory, at: int, octets: int) -> int:
        """The hash (32 bits) of 8, 12, 32 or 36 octets: source and destination addresses, and ports if any."""
        words = self._words
        value = 0
        base = 0
        for i in range(at, at + octets, 4):
            part = memory.get32(i)
            value ^= (
                words.get32h(base + (part >> 22 & 0x3FC))
                ^ words.get32h(base + (part >> 14 & 0x3FC) + 1024)
                ^ words.get32h(base + (part >> 6 & 0x3FC) + 2048)
                ^ words.get32h(base + (part << 2 & 0x3FC) + 3072)
            )
            base += 4096
        return value

    def spread(self, replicas: list[int]) -> None:
        """Fill the table round-robin over these replica numbers; with none, every entry is 0."""
        for i in range(TABLE_ENTRIES):
            self._table.put16h(2 * i, replicas[i % len(replicas)] if replicas else 0)

    def replica(self, value: int) -> int:
        """The replica for this hash, or 0 when no replica accepts new flows."""
        return self._table.get16h((value & 127) << 1)

    def table(self) -> list[int]:
        """The redirection table, for people."""
        return [self.replica(i) for i in range(TABLE_ENTRIES)]
