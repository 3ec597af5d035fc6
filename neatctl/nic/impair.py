"""Impairment: frames that the driver loses on purpose, by a seeded generator of its own per direction.

The decisions of a direction depend on the seed and on how many frames went that way before, and on
nothing else: same seed, same frames lost. The generator is Marsaglia's xorshift of 32 bits.
Knows nothing of frames, queues or time.
"""

from __future__ import annotations

from neatctl.core.control.impairment import parse_impairment

MASK32 = 0xFFFFFFFF


class Impairment:
    """Decides which frames are lost, each direction by itself. `text` as in `parse_impairment`."""

    def __init__(self, text: str = "", seed: int = 0) -> None:
        rates = parse_impairment(text)
        self.loss = rates.get("loss", 0.0)
        """The share of frames lost each way, 0 to 1."""
        self._limit = round(self.loss * MASK32)
        self.active = self._limit > 0
        # Consecutive seeds must not give related streams: the multiplier of Knuth's hash parts them.
        self._in = (2 * seed + 1) * 0x9E3779B1 & MASK32 or 1
        self._out = (2 * seed + 2) * 0x9E3779B1 & MASK32 or 1
        for _ in range(8):
            self._in = self._next(self._in)
            self._out = self._next(self._out)

    def lose_in(self) -> bool:
        """Whether the next frame from the device is lost."""
        self._in = self._next(self._in)
        return self._in <= self._limit

    def lose_out(self) -> bool:
        """Whether the next frame to the device is lost."""
        self._out = self._next(self._out)
        return self._out <= self._limit

    def _next(self, value: int) -> int:
        value ^= value << 13 & MASK32
        value ^= value >> 17
        return value ^ (value << 5 & MASK32)
