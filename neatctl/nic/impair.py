"""Impairment: frames that the driver loses on purpose, by a seeded generator of its own per direction.

The decisions of a direction depend on the seed and on how many frames went that way before, and on
nothing else: same seed, same frames lost. The generator is Marsaglia's xorshift of 32 bits.
Knows nothing of frames, queues or time.
"""

from __future__ import annotations

KNOWN = ("loss",)
MASK32 = 0xFFFFFFFF


def parse_impairment(text: str) -> dict[str, float]:
    """`loss=5%` as {"loss": 0.05}; several are parted by commas, "" is none. ValueError says what is wrong."""
    rates: dict[str, float] = {}
    for part in text.split(",") if text.strip() else []:
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if name not in KNOWN:
            raise ValueError(f"impairment {name!r} is not known; known: {', '.join(KNOWN)} (for example loss=5%)")
        if name in rates:
            raise ValueError(f"impairment {name!r} is given twice")
        try:
            rate = float(amount.removesuffix("%")) / 100 if equals and amount.endswith("%") else -1.0
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            raise ValueError(f"impairment {part.strip()!r}: {name} is a share from 0% to 100% (for example {name}=5%)")
        rates[name] = rate
    return rates


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
