"""When to start again what has failed: at once, unless it fails again and again.

Five failures within ten seconds are a crash loop: from then on each further failure waits 1, 2, 4 ..
30 seconds, until the component has stayed up for as long as the window and its last wait together
(MINIX's reincarnation server backs off alike; OTP gives up instead). A failure that was caused on
purpose counts only where the component had hardly served: a campaign of faults is no crash loop.
Pure: no clock, no process; times are microseconds.
"""

from __future__ import annotations

INTENSITY = 5
"""So many failures within the window start the back-off."""
WINDOW_US = 10_000_000
FIRST_WAIT_US = 1_000_000
LONGEST_WAIT_US = 30_000_000
YOUNG_US = 1_000_000
"""A fault on purpose counts when the component had served for less than this."""


class RestartPolicy:
    """The restarts of one component."""

    def __init__(self) -> None:
        self._failures: list[int] = []
        self._wait_us = 0
        self._quiet_from = 0

    def failed(self, now: int, served_us: int = 0, on_purpose: bool = False) -> int:
        """The component failed at `now` after serving for `served_us`: how long to wait before it starts again."""
        if on_purpose and served_us >= YOUNG_US:
            return 0
        if self._wait_us and now >= self._quiet_from:
            self._wait_us = 0
            self._failures.clear()
        self._failures = [at for at in self._failures if at > now - WINDOW_US]
        self._failures.append(now)
        if self._wait_us:
            self._wait_us = min(self._wait_us * 2, LONGEST_WAIT_US)
        elif len(self._failures) > INTENSITY:
            self._wait_us = FIRST_WAIT_US
        if self._wait_us:
            self._quiet_from = now + self._wait_us + WINDOW_US
        return self._wait_us

    @property
    def backing_off(self) -> bool:
        """Whether the last failure had to wait."""
        return self._wait_us > 0
