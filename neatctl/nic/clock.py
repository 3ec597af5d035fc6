"""Clocks in nanoseconds, and timers that end when they should: the plain twin of `clock.pyx`, which makes no objects.

clock_gettime(2), PR_SET_TIMERSLACK of prctl(2).
"""

from __future__ import annotations

import time


def now_ns() -> int:
    """The monotonic clock."""
    return time.monotonic_ns()


def wall_ns() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()


def exact_timers() -> None:
    """Have the sleeps of this thread end when they should, not up to 50 us later; the plain twin cannot."""
