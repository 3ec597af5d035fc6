"""Signals that end a verb which has brought something up: heeded when it can be taken down again, and in order."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def heeded_later() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP wait until the end of the block."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    kept = {number: signal.signal(number, remember) for number in (signal.SIGINT, *_ENDS)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    if came:
        os.kill(os.getpid(), came[0])
        # The handler runs before the next line.
        time.sleep(0)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does: by an exception that cleans up on its way."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    kept = {number: signal.signal(number, leave) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
