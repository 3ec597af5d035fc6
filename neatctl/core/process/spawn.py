"""Starts children by exec, never by a bare fork: each has a memory layout of its own (paper section 3.8).

A child dies with the supervisor (parent-death signal), leads a session of its own, so that Ctrl-C is
the supervisor's alone, writes to a log file, and has one end of a socket pair as its stdin, over which
descriptors are passed. Its end is seen at once through its pidfd (pidfd_open(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Protocol

import neatctl

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_LOG_LINE_OCTETS = 400


def interpreter() -> list[str]:
    """The command of an interpreter for a child. It looks through no site directories, which would be a good part of
    its start: PYTHONPATH, which it inherits, must say `module_places`."""
    return [sys.executable, "-S"]


def module_places() -> str:
    """Where modules come from, as PYTHONPATH has it."""
    package = os.path.dirname(os.path.dirname(neatctl.__file__))
    return os.pathsep.join([package, *(place for place in sys.path if place and place != package)])


class Spawned(Protocol):
    """What the supervisor started: a process, or (`--transport inproc`) a thread."""

    pid: int
    end_fd: int
    """Readable when it has ended."""

    def send_descriptor(self, fd: int) -> None: ...
    def signal(self, number: int) -> None: ...
    def rename_log(self, path: str) -> None: ...
    def reap(self) -> str: ...


class ChildProcess:
    """One process that the supervisor started."""

    def __init__(self, argv: Sequence[str], log_path: str) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()

        def prepare() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if os.getppid() != parent:
                os._exit(1)

        with open(log_path, "ab") as log, theirs:
            # The parent-death signal has to be set between fork and exec; nothing but system calls happens there.
            self._process = subprocess.Popen(
                argv,
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=prepare,  # noqa: PLW1509
            )
        self.pid = self._process.pid
        self.end_fd = os.pidfd_open(self.pid)
        self.socket = ours
        self.log_path = log_path

    def send_descriptor(self, fd: int) -> None:
        """Pass a descriptor over the child's stdin."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self.socket, [b"\0"], [fd])

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.end_fd, number)

    def rename_log(self, path: str) -> None:
        """Call the log by what the child has become."""
        os.rename(self.log_path, path)
        self.log_path = path

    def reap(self) -> str:
        """After its end: how it ended, for people: `SIGKILL`, or `exit 1: last line of its log`."""
        code = self._process.wait()
        os.close(self.end_fd)
        self.socket.close()
        if code < 0:
            return signal.Signals(-code).name
        last = self._last_line() if code else ""
        return f"exit {code}: {last}" if last else f"exit {code}"

    def _last_line(self) -> str:
        try:
            with open(self.log_path, "rb") as log:
                log.seek(max(os.fstat(log.fileno()).st_size - 4096, 0))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return lines[-1][:_LOG_LINE_OCTETS] if lines else ""
