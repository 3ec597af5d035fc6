"""What a driver is asked to do to frames, as people write it: `loss=5%`. Pure; nic/impair.py does it."""

from __future__ import annotations

KNOWN = ("loss",)


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
