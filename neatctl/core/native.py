"""What cannot be said in Python, said as well as Python can: the plain twin of `native.pyx`.

Raw memory, atomic loads and stores, fences and system calls on octets. The same names and the same
behaviour as the compiled module, which the interpreter prefers where it was built; here a fence is
a lock taken and released, and words are stored and loaded whole because `struct` does that by `memcpy`
for types of the host. Processors that keep stores in order (x86-64) need no more than that.
Knows nothing of packets, rings or processes.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPILED = False

# Not "=": of the host's own types no octet is ever stored alone.
_HOST64 = struct.Struct("@q")
_HOST32 = struct.Struct("@I")
_HOST16 = struct.Struct("@H")
_barrier = threading.Lock()


class Memory:
    """A buffer that stays open: bounds-checked reads and writes at octet offsets.

    `get8 .. put32` are in network order, `get16h .. put32h` in the host's order, `load64`/`store64`
    are atomic with acquire and release order (host order, at a multiple of 8). Values put are cut
    to their width. An offset or count outside the buffer raises IndexError, as does a write to a
    buffer that is read-only.
    """

    __slots__ = ("_view", "_words", "octets", "writable")

    def __init__(self, buffer: Buffer) -> None:
        view = memoryview(buffer)
        self._view = view.cast("B") if view.format != "B" or view.ndim != 1 else view
        self.octets = len(self._view)
        self._words = self._view[: self.octets & ~7].cast("q")
        self.writable = not view.readonly

    def release(self) -> None:
        """Let the buffer go; every later access raises IndexError."""
        self.octets = 0
        self.writable = False
        self._words.release()
        self._words = memoryview(b"").cast("q")
        self._view.release()
        self._view = memoryview(b"")

    def __len__(self) -> int:
        return self.octets

    def _check(self, at: int, octets: int) -> None:
        if at < 0 or octets < 0 or at > self.octets - octets:
            raise IndexError(f"{octets} octets at {at} are outside {self.octets}")

    def _check_write(self, at: int, octets: int) -> None:
        self._check(at, octets)
        if not self.writable:
            raise IndexError(f"{octets} octets at {at} cannot be written: the memory is read-only")

    def get8(self, at: int) -> int:
        self._check(at, 1)
        return self._view[at]

    def get16(self, at: int) -> int:
        self._check(at, 2)
        return self._view[at] << 8 | self._view[at + 1]

    def get32(self, at: int) -> int:
        self._check(at, 4)
        return int.from_bytes(self._view[at : at + 4], "big")

    def put8(self, at: int, value: int) -> None:
        self._check_write(at, 1)
        self._view[at] = value & 0xFF

    def put16(self, at: int, value: int) -> None:
        self._check_write(at, 2)
        self._view[at : at + 2] = (value & 0xFFFF).to_bytes(2, "big")

    def put32(self, at: int, value: int) -> None:
        self._check_write(at, 4)
        self._view[at : at + 4] = (value & 0xFFFFFFFF).to_bytes(4, "big")

    def get16h(self, at: int) -> int:
        self._check(at, 2)
        value: int = _HOST16.unpack_from(self._view, at)[0]
        return value

    def put16h(self, at: int, value: int) -> None:
        self._check_write(at, 2)
        _HOST16.pack_into(self._view, at, value & 0xFFFF)

    def get32h(self, at: int) -> int:
        self._check(at, 4)
        value: int = _HOST32.unpack_from(self._view, at)[0]
        return value

    def put32h(self, at: int, value: int) -> None:
        self._check_write(at, 4)
        _HOST32.pack_into(self._view, at, value & 0xFFFFFFFF)

    def load64(self, at: int) -> int:
        self._check(at, 8)
        if at & 7:
            value: int = _HOST64.unpack_from(self._view, at)[0]
            return value
        return self._words[at >> 3]

    def store64(self, at: int, value: int) -> None:
        self._check_write(at, 8)
        if at & 7:
            _HOST64.pack_into(self._view, at, value)
        else:
            # One store: `struct` clears the octets first, and another process could see that.
            self._words[at >> 3] = value

    def copy(self, at: int, source: Memory, source_at: int, octets: int) -> None:
        """Copy from another memory (or this one; the places may overlap)."""
        self._check_write(at, octets)
        source._check(source_at, octets)
        self._view[at : at + octets] = source._view[source_at : source_at + octets]

    def put(self, at: int, data: bytes) -> None:
        self._check_write(at, len(data))
        self._view[at : at + len(data)] = data

    def put_part(self, at: int, data: bytes, start: int, octets: int) -> None:
        """Put `data[start:start + octets]` without making that slice."""
        if start < 0 or octets < 0 or start > len(data) - octets:
            raise IndexError(f"{octets} octets from {start} are outside {len(data)}")
        self._check_write(at, octets)
        self._view[at : at + octets] = memoryview(data)[start : start + octets]

    def fill(self, at: int, octets: int, value: int) -> None:
        self._check_write(at, octets)
        self._view[at : at + octets] = bytes([value & 0xFF]) * octets

    def bytes(self, at: int, octets: int) -> bytes:
        self._check(at, octets)
        return bytes(self._view[at : at + octets])

    def equal(self, at: int, other: Memory, other_at: int, octets: int) -> bool:
        self._check(at, octets)
        other._check(other_at, octets)
        return self._view[at : at + octets] == other._view[other_at : other_at + octets]

    def sum(self, at: int, octets: int, start: int) -> int:
        """The Internet checksum's sum (RFC 1071) of these octets and `start`: folded, not inverted."""
        self._check(at, octets)
        data = self._view[at : at + octets]
        value = int.from_bytes(data, "big") << 8 if octets & 1 else int.from_bytes(data, "big")
        total = value % 0xFFFF
        if total == 0 and value:
            total = 0xFFFF
        total += start
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return total

    def read_fd(self, fd: int, at: int, octets: int) -> int:
        """Read up to so many octets from a descriptor; -1 when it would block, 0 at its end."""
        self._check_write(at, octets)
        try:
            return os.readv(fd, [self._view[at : at + octets]])
        except BlockingIOError:
            return -1

    def write_fd(self, fd: int, at: int, octets: int) -> int:
        """Write so many octets to a descriptor; -1 when it would block."""
        self._check(at, octets)
        try:
            return os.write(fd, self._view[at : at + octets])
        except BlockingIOError:
            return -1


class Epoll:
    """epoll(7) without objects: `wait`, then `ready(i)` for each. At most 16 descriptors at a time."""

    __slots__ = ("_epoll", "_found", "beside")

    def __init__(self, alone: bool = False) -> None:  # noqa: ARG002 - the compiled twin looks at it
        """`alone`: no other thread runs Python, so the interpreter need not be given up meanwhile."""
        self.beside = -1
        """A descriptor that ends a sleep as well, and is not among those found: unlike a registered one it costs nobody
        anything while this process is awake. -1 for none."""
        self._epoll = select.epoll()
        self._found: list[tuple[int, int]] = []

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()

    def register(self, fd: int, events: int) -> None:
        """Watch a descriptor; `events` as in `select.EPOLL*`."""
        self._epoll.register(fd, events)

    def unregister(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def wait(self, timeout_us: int) -> int:
        """How many descriptors are ready, 0 after the time-out (rounded up to milliseconds) or a signal; -1 waits for
        ever. What a signal handler raises is raised."""
        if self.beside >= 0 and timeout_us != 0:
            waiting = select.poll()
            waiting.register(self._epoll.fileno(), select.POLLIN)
            waiting.register(self.beside, select.POLLIN)
            waiting.poll(-(-timeout_us // 1000) if timeout_us >= 0 else None)
            timeout_us = 0
        self._found = self._epoll.poll(timeout_us / 1e6 if timeout_us >= 0 else -1, 16)
        return len(self._found)

    def ready(self, i: int) -> int:
        """The descriptor that the last wait found, from 0 on."""
        if not 0 <= i < len(self._found):
            raise IndexError(f"{i} of {len(self._found)} descriptors")
        return self._found[i][0]


def fence() -> None:
    """A full memory barrier: stores before it are visible before loads after it."""
    with _barrier:
        pass


def now_us() -> int:
    """The monotonic clock in microseconds."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def yield_cpu() -> None:
    """Let another runnable process of this core go first (sched_yield). The GIL is kept: a thread that shares its
    interpreter sleeps instead."""
    os.sched_yield()
