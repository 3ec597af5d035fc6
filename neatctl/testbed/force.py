"""Clears up after a supervisor that did not: `down --force`, and the next `up`.

Only what `testbed.json` lists is ended, each process by pid and start time, and only names that belong
to this testbed are removed. Doing it twice is harmless.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from neatctl.core.process.proc import start_time
from neatctl.core.process.run_directory import ProcessRecord, RunDirectory
from neatctl.testbed.network import netns_name, remove_namespace

END_LIMIT_S = 5.0


def end_process(record: ProcessRecord) -> bool:
    """SIGKILL exactly this process and wait for its end; whether there was one."""
    try:
        pidfd = os.pidfd_open(record.pid)
    except (ProcessLookupError, ValueError):
        return False
    try:
        if start_time(record.pid) != record.start_time:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        select.select([pidfd], [], [], END_LIMIT_S)
    finally:
        os.close(pidfd)
    return True


def clear(run: RunDirectory) -> list[str]:
    """End and remove what a testbed has left, but the directory and its lock; what was there, for people."""
    found = []
    record = run.record()
    if record is not None:
        for process in (record.supervisor, *record.children):
            if process.pid != os.getpid() and end_process(process):
                found.append(f"process {process.pid} ({process.component})")
    if os.geteuid() == 0:
        name = netns_name(run.name)
        if os.path.lexists(f"/run/netns/{name}"):
            remove_namespace(name)
            found.append(f"network namespace {name}")
    if any(entry.name != "lock" for entry in run.path.iterdir()):
        found.append(f"files in {run.path}")
    run.clear()
    return found
