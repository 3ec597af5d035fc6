"""More web servers for a testbed of our own: the paper adds instances of the web server beside replicas of the stack.

A port belongs to one application, so each has one of its own: 80 for the testbed's, then 81, 82 .. They are ordinary
applications on the socket library that the supervisor knows nothing of: nobody starts one again that fails.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from msgspec.structs import replace

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.bench.runner import CannotMeasure, Target
from neatctl.testbed.bench.server_process import end_with_parent

FIRST_PORT = 80
START_LIMIT_S = 10.0
END_LIMIT_S = 8.0
_WAIT = """\
import socket, sys, time
end = time.monotonic() + float(sys.argv[1])
for port in sys.argv[3:]:
    while True:
        try:
            socket.create_connection((sys.argv[2], int(port)), 1).close()
            break
        except OSError as error:
            if time.monotonic() > end:
                sys.exit(f"port {port}: {error}")
            time.sleep(0.05)
"""


@contextlib.contextmanager
def more_web(target: Target, name: str, files: Path, servers: int) -> Iterator[Target]:
    """The testbed of this name, which serves `files`, with so many web servers in all. CannotMeasure if they fail."""
    ports = range(FIRST_PORT, FIRST_PORT + servers)
    host = urlsplit(target.facts.url).hostname or ""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        started = [_start(stack, name, files, port, target.facts.channel or "ring", errors) for port in ports[1:]]
        wait = [sys.executable, "-c", _WAIT, str(START_LIMIT_S), host, *map(str, ports)]
        waited = subprocess.run(
            [*target.client_prefix, *wait], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if waited.returncode:
            errors.seek(0)
            words = [line for line in errors.read().decode(errors="replace").splitlines() if " paths, " not in line]
            raise CannotMeasure(f"not all web servers started: {[*words, waited.stderr.strip()][0]}")
        pids = [process.pid for process in started]

        def processes() -> dict[str, list[int]]:
            found = target.processes()
            return {**found, "web": [*found.get("web", []), *pids]}

        yield dataclasses.replace(
            target,
            facts=replace(target.facts, web_servers=servers),
            processes=processes,
            urls=tuple(f"http://{host}:{port}" for port in ports),
        )


def _start(
    stack: contextlib.ExitStack, name: str, files: Path, port: int, channel: str, errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    ours = os.getpid()
    argv = [sys.executable, "-m", "neatctl.apps.web", str(RunDirectory(name).path), "--web", str(files)]
    process = subprocess.Popen(
        [*argv, "--port", str(port), "--channel", channel],
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        start_new_session=True,
        preexec_fn=lambda: end_with_parent(ours),  # noqa: PLW1509
    )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_LIMIT_S)
    if process.poll() is None:
        process.kill()
        process.wait()
