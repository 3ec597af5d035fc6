"""The ports that a request for port 0 is given (RFC 6335 section 6)."""

from __future__ import annotations

from collections.abc import Callable

FIRST_FREE_PORT, LAST_FREE_PORT = 49152, 65535
_COUNT = LAST_FREE_PORT - FIRST_FREE_PORT + 1


class FreePorts:
    """One after the other from `next` on. `random(n)` gives a number below n."""

    def __init__(self, random: Callable[[int], int]) -> None:
        self.next = FIRST_FREE_PORT
        self._random = random

    def take(self, used: set[int], anywhere: bool) -> int:
        """A port that is not used, 0 if there is none. `anywhere`: from a random one on, where who knows the port of a
        question could forge its answer (RFC 6056)."""
        if anywhere:
            self.next = FIRST_FREE_PORT + self._random(_COUNT)
        for _ in range(_COUNT):
            port = self.next
            self.next = port + 1 if port < LAST_FREE_PORT else FIRST_FREE_PORT
            if port not in used:
                return port
        return 0
