"""A component as a thread of the supervisor's process: `--transport inproc`, for debugging and fast tests.

The same face as a child process has. A thread cannot be killed: a signal asks it to end, and what does
not heed that stays until the process ends.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable


class ThreadChild:
    """One component. `life` gets the component's end of the socket over which descriptors come, and returns at the
    end; `end` asks it to."""

    def __init__(self, life: Callable[[socket.socket], None], end: Callable[[], None], name: str) -> None:
        self.pid = os.getpid()
        self.end_fd, self._ended = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._ours, self._theirs = socket.socketpair()
        self._end = end
        self._how = "exit 0"
        self._thread = threading.Thread(target=self._live, args=(life,), name=name, daemon=True)
        self._thread.start()

    def _live(self, life: Callable[[socket.socket], None]) -> None:
        try:
            life(self._theirs)
        except BaseException as error:
            # As with a process: whatever ends a component is told, and the component is started again.
            traceback.print_exc(file=sys.stderr)
            self._how = f"exit 1: {type(error).__name__}: {error}"
        os.write(self._ended, b"e")

    def send_descriptor(self, fd: int) -> None:
        socket.send_fds(self._ours, [b"\0"], [fd])

    def signal(self, number: int) -> None:
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._end()

    def rename_log(self, path: str) -> None:
        """All threads write to the supervisor's log."""

    def reap(self) -> str:
        self._thread.join(0.5)
        for end in (self._ours, self._theirs):
            end.close()
        os.close(self.end_fd)
        os.close(self._ended)
        return self._how
