"""CPU time by component while a load runs: samples of process clocks and of /proc/stat, read between two times.

A process's clock (clock_getcpuclockid(3)) has all its threads, kernel time included, in nanoseconds. Interrupts and
softirqs are charged to whom they interrupt; `machine` (proc(5), /proc/stat, in ticks) has them all.
"""

from __future__ import annotations

import ctypes
import os
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

from neatctl.testbed.bench.results import Cpu

MACHINE = "machine"
OTHERS = "others"
MANY_OTHERS = 0.15
"""Share of all cores from which on figures may be somebody else's."""
_TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)


def process_cpu_ns(pid: int) -> int | None:
    """CPU time of a process so far, or None when it is gone."""
    clock = ctypes.c_int()
    if _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        return None
    try:
        return time.clock_gettime_ns(clock.value)
    except OSError:
        return None


def machine_busy_us() -> int:
    """CPU time that all cores have spent working: user, nice, system, irq, softirq."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) * _TICK_US


class Samples:
    """CPU time of components at several times. A process that ends keeps what it had spent."""

    def __init__(self, processes: Mapping[str, Sequence[int]]) -> None:
        self._processes = {name: list(pids) for name, pids in processes.items()}
        self._last_ns: dict[int, int] = {}
        self._first_ns: dict[int, int] = {}
        self.times_us: list[int] = []
        self.busy_us: dict[str, list[int]] = {name: [] for name in [*self._processes, MACHINE]}

    def take(self) -> None:
        """Sample everything now."""
        self.times_us.append(time.monotonic_ns() // 1000)
        self.busy_us[MACHINE].append(machine_busy_us())
        for name, pids in self._processes.items():
            self.busy_us[name].append(sum(self._since_first_ns(pid) for pid in pids) // 1000)

    def _since_first_ns(self, pid: int) -> int:
        now_ns = process_cpu_ns(pid)
        if now_ns is not None:
            self._last_ns[pid] = now_ns
            self._first_ns.setdefault(pid, now_ns)
        return self._last_ns.get(pid, 0) - self._first_ns.get(pid, 0)

    def between(self, begin_us: int, end_us: int, requests_per_s: float) -> Cpu:
        """What was spent between two monotonic times, and of it for each request at this rate."""
        begin_us = max(begin_us, self.times_us[0])
        end_us = max(min(end_us, self.times_us[-1]), begin_us + 1)
        spent = {
            name: round(_at(self.times_us, values, end_us) - _at(self.times_us, values, begin_us))
            for name, values in self.busy_us.items()
        }
        spent[OTHERS] = max(2 * spent[MACHINE] - sum(spent.values()), 0)
        window_s = (end_us - begin_us) / 1e6
        requests = requests_per_s * window_s
        per_request = {name: round(busy / requests, 3) for name, busy in spent.items()} if requests > 0 else {}
        return Cpu(window_s, spent, per_request)


def note_of_others(spent: Sequence[Cpu], cores: int) -> str:
    """A line when processes that are no part of the measurement took much of the machine in a run; "" if not."""
    shares = [each.busy_us[OTHERS] / max(each.window_s * 1e6 * cores, 1.0) for each in spent]
    if max(shares, default=0.0) < MANY_OTHERS:
        return ""
    return (
        f"{min(shares):.0%} to {max(shares):.0%} of the machine's CPU time went to processes that are no part of this, "
        "or to kernel threads"
    )


def _at(times_us: Sequence[int], values: Sequence[int], time_us: int) -> float:
    """A value at a time between two samples, on the line between them."""
    right = min(max(bisect_left(times_us, time_us), 1), len(times_us) - 1)
    if right < 1:
        return values[0]
    left = right - 1
    width = times_us[right] - times_us[left]
    share = min(max((time_us - times_us[left]) / width, 0.0), 1.0) if width else 1.0
    return values[left] + (values[right] - values[left]) * share
