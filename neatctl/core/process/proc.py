"""What /proc says of processes: state, CPU time, waits for a core, memory, start time (proc(5)).

Read by hand, for the supervisor looks at every child each second. A process that is gone has no facts.
"""

from __future__ import annotations

import os

from neatctl.core.control.liveness import ProcessFacts

_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")


def _stat(path: str) -> list[str] | None:
    """The fields of a stat file from the third (the state) on; the second may hold anything, brackets too."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.read(fd, 4096).decode("ascii", "replace").rpartition(")")[2].split()
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)


def _cpu_us(fields: list[str]) -> int:
    return (int(fields[11]) + int(fields[12])) * _TICK_US


def process_facts(pid: int, threads: bool = True) -> ProcessFacts | None:
    """State and CPU time, for a judgement on liveness; `threads`: look whether one beside the main one is runnable."""
    fields = _stat(f"/proc/{pid}/stat")
    if fields is None:
        return None
    runnable = fields[0] == "R"
    if threads and not runnable:
        try:
            names = os.listdir(f"/proc/{pid}/task")
        except FileNotFoundError:
            return None
        for thread in names:
            of_thread = _stat(f"/proc/{pid}/task/{thread}/stat")
            if of_thread is not None and of_thread[0] == "R":
                runnable = True
    return ProcessFacts(fields[0], runnable, _cpu_us(fields))


def usage(pid: int) -> tuple[int, int] | None:
    """CPU time so far in microseconds, and resident memory in octets."""
    fields = _stat(f"/proc/{pid}/stat")
    return None if fields is None else (_cpu_us(fields), int(fields[21]) * _PAGE_OCTETS)


def scheduled(pid: int) -> tuple[int, int] | None:
    """How long the main thread has run, and how long it has been ready and waited for a core, in microseconds; None if
    there is no such process, or if this kernel does not count it (/proc/PID/schedstat, CONFIG_SCHED_INFO)."""
    try:
        fd = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        ran_ns, waited_ns = os.read(fd, 128).split()[:2]
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    return int(ran_ns) // 1000, int(waited_ns) // 1000


def start_time(pid: int) -> int | None:
    """When the process started, in ticks since boot: pid and start time name one process. None for a zombie."""
    fields = _stat(f"/proc/{pid}/stat")
    return None if fields is None or fields[0] in "ZX" else int(fields[19])
