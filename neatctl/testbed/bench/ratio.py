"""The ratio of two figures that were each measured a few times, with an interval, and whether noise hides it.

Exact rank tests and the intervals that belong to them, so nothing is assumed of how the figures scatter, and one wild
run does not decide. Unpaired: Mann and Whitney's test, the estimate of Hodges and Lehmann. Paired, for runs that took
turns: Wilcoxon's signed ranks, the median of Walsh averages. (M. Hollander, D. Wolfe, E. Chicken: "Nonparametric
Statistical Methods", sections 3.1 to 3.3 and 4.1 to 4.3.) Pure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

import msgspec

ALPHA = 0.05
"""An interval covers the true ratio with at least 1 - ALPHA."""


class Ratio(msgspec.Struct, frozen=True):
    """How many times the first figure the second one is."""

    ratio: float | None
    """Null where the first figure is 0."""
    low: float | None
    """Of the interval of 95 %; null with both ends open: too few repetitions to tell."""
    high: float | None
    verdict: str
    """`more`, `less`, `noise` (the interval holds 1), `too few` (repetitions for any interval), `none` (no ratio)."""


@lru_cache(maxsize=64)
def _mann_whitney(first: int, second: int) -> list[float]:
    """P(U <= u) for u = 0, 1 ..: of all orders of `first` and `second` values alike."""
    # ways[i][u]: of i values of the first among those seen so far, with u pairs won.
    size = first * second + 1
    ways = [[0] * size for _ in range(first + 1)]
    ways[0][0] = 1
    for j in range(1, first + second + 1):
        for i in range(min(j, first), 0, -1):
            won = j - i
            if won > second:
                continue
            for u in range(size - 1, won - 1, -1):
                ways[i][u] += ways[i - 1][u - won]
    return _cumulated(ways[first], math.comb(first + second, first))


@lru_cache(maxsize=64)
def _signed_ranks(count: int) -> list[float]:
    """P(T <= t) for t = 0, 1 ..: of all signs of the ranks 1 to `count`."""
    ways = [1] + [0] * (count * (count + 1) // 2)
    for rank in range(1, count + 1):
        for t in range(len(ways) - 1, rank - 1, -1):
            ways[t] += ways[t - rank]
    return _cumulated(ways, 1 << count)


def _cumulated(ways: list[int], total: int) -> list[float]:
    made, seen = [], 0
    for way in ways:
        seen += way
        made.append(seen / total)
    return made


def ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Of runs that have nothing to do with each other; at least one of each."""
    if min(first) <= 0:
        return Ratio(None, None, None, "none")
    return _judged([b / a for a in first for b in second], _mann_whitney(len(first), len(second)))


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Of runs that took turns: the nth of each belong together. As many of one as of the other."""
    if min(first) <= 0:
        return Ratio(None, None, None, "none")
    each = [b / a for a, b in zip(first, second, strict=True)]
    walsh = [math.sqrt(each[i] * each[j]) for i in range(len(each)) for j in range(i, len(each))]
    return _judged(walsh, _signed_ranks(len(each)))


def _judged(ratios: list[float], below: list[float]) -> Ratio:
    """The median of the ratios, and between which of them the true one lies: as many cut off at each end as the
    test's distribution (`below`) allows."""
    ratios.sort()
    middle = statistics.median(ratios)
    cut = sum(chance <= ALPHA / 2 for chance in below)
    if not cut:
        return Ratio(middle, None, None, "too few")
    low, high = ratios[cut - 1], ratios[-cut]
    verdict = "more" if low > 1 else "less" if high < 1 else "noise"
    return Ratio(middle, low, high, verdict)
