"""What TCP and UDP sockets of the library share: how long a call may wait, and that a closed socket does nothing."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING

from neatctl.core.native import now_us
from neatctl.core.sockets.flow import failure
from neatctl.core.sockets.readiness import Watched
from neatctl.core.sockets.stack import Stack

if TYPE_CHECKING:
    from typing import Self


class Endpoint:
    """A socket of either kind. Blocking at first, like Python's; `settimeout` and `setblocking` change that."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.timeout_us = -1
        """-1 blocks, 0 does not, else how long a call may wait."""
        self.closed = False

    def close(self) -> None:
        """Be done with it."""
        raise NotImplementedError

    def watched(self) -> Watched:
        """What a poll waits for."""
        raise NotImplementedError

    def settimeout(self, value: float | None) -> None:
        """Seconds that a call may wait; 0 for none, None for ever."""
        if value is None:
            self.timeout_us = -1
        elif value < 0:
            raise ValueError("Timeout value out of range")
        else:
            # Rounded up: a small timeout must not turn the socket into one that never waits.
            self.timeout_us = -int(-value * 1_000_000 // 1)

    def gettimeout(self) -> float | None:
        return None if self.timeout_us < 0 else self.timeout_us / 1_000_000

    def setblocking(self, flag: bool) -> None:
        self.timeout_us = -1 if flag else 0

    def getblocking(self) -> bool:
        return self.timeout_us != 0

    def fileno(self) -> int:
        """-1 when closed; an open socket of this stack has none."""
        if self.closed:
            return -1
        raise io.UnsupportedOperation("a socket of this stack has no descriptor: wait with neatctl.core.sockets.Poll")

    def _wait(self, watched: Watched, events: int, limit: int) -> None:
        if not self.stack.wait(watched, events, limit):
            raise TimeoutError("timed out")

    def _limit(self) -> int:
        """When a call that begins now must give up, in us of the monotonic clock; -1 for never."""
        return now_us() + self.timeout_us if self.timeout_us >= 0 else -1

    def _open(self) -> None:
        if self.closed:
            raise failure(errno.EBADF)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
