"""Servers beside a testbed, for comparisons: a process on the clients' side that makes what it needs, says so, serves.

What it makes (devices, namespaces without a name) lives no longer than the process, and the process no longer than who
started it: nothing is left behind, however either ends. Both sides of that are here; what is served is not known.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import msgspec

from neatctl.testbed.bench.runner import CannotMeasure, Target

READY_LIMIT_S = 15.0
END_LIMIT_S = 5.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Ready(msgspec.Struct, frozen=True):
    """The one line that such a process says: where it serves, or why it cannot."""

    urls: list[str] = []
    """http://ADDRESS[:PORT], one for each server."""
    pids: list[int] = []
    """Of the servers."""
    version: str = ""
    compiled: bool | None = None
    failed: str = ""


def end_with_parent(parent: int) -> None:
    """In the process: be killed when the process that started it, of this pid, ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it had ended before that


def say(ready: Ready) -> None:
    """In the process: the line."""
    sys.stdout.buffer.write(msgspec.json.encode(ready) + b"\n")
    sys.stdout.buffer.flush()


@contextlib.contextmanager
def server_process(beside: Target, module: str, arguments: Sequence[str]) -> Iterator[Ready]:
    """`python -m MODULE PID ARGUMENTS` on the clients' side of a target, once it serves; PID is ours. CannotMeasure if
    it does not."""
    argv = [*beside.client_prefix, sys.executable, "-m", module, str(os.getpid()), *arguments]
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        process = stack.enter_context(
            # Ctrl-C is for who measures: this ends with the block.
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        )
        stack.callback(_end, process)
        said = _line(process)
        if said is None:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise CannotMeasure(f"{module.rpartition('.')[2]} does not serve: {words[0]}")
        if said.failed:
            raise CannotMeasure(said.failed)
        yield said


def _line(process: subprocess.Popen[bytes]) -> Ready | None:
    """What it said, None when it ended or was silent for too long."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    limit = time.monotonic() + READY_LIMIT_S
    text = b""
    while not text.endswith(b"\n") and (left := limit - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        part = process.stdout.read()
        if part == b"":
            break
        text += part or b""
    try:
        return msgspec.json.decode(text, type=Ready)
    except msgspec.DecodeError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """In order if it goes, otherwise by force."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_LIMIT_S)
    if process.poll() is None:
        process.kill()
    process.wait()
