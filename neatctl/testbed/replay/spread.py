"""How even a spread is: Pearson's chi-square against the shares that were meant.

The p value is the regularised incomplete gamma function Q(degrees/2, statistic/2), by its series below the mode and its
continued fraction above (Abramowitz and Stegun 6.5.29 and 6.5.31).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

_TERMS = 10_000
_SMALL = 1e-15
_FEW = 5


class Spread(msgspec.Struct, frozen=True):
    """A small `p_value` says that chance alone would rarely spread so unevenly."""

    chi_square: float
    degrees: int
    p_value: float
    rough: bool = False
    """So little was counted (fewer than 5 expected somewhere) that the p value says little (Cochran's rule)."""


def spread_of(counts: Sequence[int], shares: Sequence[float] = ()) -> Spread | None:
    """Of counts that should be in the proportions of `shares` (as many, all above 0; without them, equal); None with
    fewer than two of them, or nothing counted."""
    shares = shares or [1] * len(counts)
    total = sum(counts)
    if len(counts) < 2 or total == 0:
        return None
    unit = total / sum(shares)
    statistic = sum((count - share * unit) ** 2 / (share * unit) for count, share in zip(counts, shares, strict=True))
    degrees = len(counts) - 1
    return Spread(round(statistic, 4), degrees, upper_gamma(degrees / 2, statistic / 2), min(shares) * unit < _FEW)


def upper_gamma(shape: float, at: float) -> float:
    """Q(shape, at): the share of a gamma distribution above `at`; shape > 0, at >= 0."""
    if at <= 0:
        return 1.0
    scale = math.exp(shape * math.log(at) - at - math.lgamma(shape))
    if at < shape + 1:
        term = total = 1 / shape
        for n in range(1, _TERMS):
            term *= at / (shape + n)
            total += term
            if term < total * _SMALL:
                break
        return max(1.0 - total * scale, 0.0)
    # Lentz's way through the continued fraction.
    tiny = 1e-300
    b = at + 1 - shape
    c = 1 / tiny
    d = 1 / b
    value = d
    for n in range(1, _TERMS):
        a = -n * (n - shape)
        b += 2
        d = 1 / (a * d + b or tiny)
        c = b + a / c or tiny
        value *= d * c
        if abs(d * c - 1) < _SMALL:
            break
    return scale * value
