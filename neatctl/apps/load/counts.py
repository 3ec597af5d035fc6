"""Values counted in the buckets of an HdrHistogram without objects: 1 us to 1 h, 3 significant digits.

The layout is HdrHistogram's (a bucket for each power of two from 2048 on, each in 1024 parts), so that the counts
become one of the `hdrhistogram` package without loss (histogram.py). Knows nothing of what is counted.
"""

from __future__ import annotations

from array import array

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
SIGNIFICANT_DIGITS = 3

_HIGHEST_US = HIGHEST_US
_HALF_SHIFT = 10
_HALF = 1 << _HALF_SHIFT
_FINEST = 2 * _HALF - 1
"""Up to here every value has a part of its own."""
_BUCKETS = (HIGHEST_US // (2 * _HALF)).bit_length() + 1


class Counts:
    """How often each value was recorded. Less than 1 us counts as 1 us, more than 1 h as 1 h."""

    def __init__(self) -> None:
        self.counts = array("q", bytes(8 * (_BUCKETS + 1) * _HALF))
        self.total = 0
        self.sum_us = 0
        self.least_us = HIGHEST_US
        self.most_us = 0

    def record(self, value_us: int) -> int:
        """Count one value."""
        if value_us < 1:
            value_us = 1
        elif value_us > _HIGHEST_US:
            value_us = _HIGHEST_US
        bucket = 0
        part = value_us
        while part > _FINEST:
            part >>= 1
            bucket += 1
        self.counts[(bucket << _HALF_SHIFT) + part] += 1
        self.total += 1
        self.sum_us += value_us
        if value_us < self.least_us:
            self.least_us = value_us
        if value_us > self.most_us:
            self.most_us = value_us
        return 0

    def recorded(self) -> list[tuple[int, int]]:
        """The values that were counted, each the lowest of its part, and how often; in order."""
        found = []
        for index, count in enumerate(self.counts):
            if count:
                bucket = max((index >> _HALF_SHIFT) - 1, 0)
                found.append(((index - (bucket << _HALF_SHIFT)) << bucket, count))
        return found
