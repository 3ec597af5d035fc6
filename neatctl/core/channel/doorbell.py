"""Doorbells: how a process that sleeps is woken by one that put something into its queue.

One FIFO per process incarnation, in the run directory: its owner waits on it (epoll), others ring it.
Rings carry no meaning; whoever wakes looks into its queues. A doorbell that nobody owns any more, or
one that was rung and not yet answered, swallows the ring.
"""

from __future__ import annotations

import contextlib
import os

from neatctl.core.native import Memory


class Doorbell:
    """The owner's end. The FIFO is made here (mode 0600) and removed by `close`."""

    def __init__(self, path: str) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._octets = Memory(bytearray(64))

    def fileno(self) -> int:
        return self.fd

    def clear(self) -> None:
        """Take note of all rings so far."""
        while self._octets.read_fd(self.fd, 0, 64) == 64:
            pass

    def close(self) -> None:
        os.close(self.fd)
        # The SYSCALL server removes it too, when it hears that its application left.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


class Ringer:
    """Anybody else's end. `path` may be "" for a consumer that never sleeps (tests)."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC) if path else -1
        self.rings = 0
        self._octet = Memory(bytearray(1))

    def ring(self) -> None:
        """Wake the owner: one octet, unless the FIFO is full of rings already."""
        if self.fd >= 0:
            self.rings += 1
            self._octet.write_fd(self.fd, 0, 1)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
