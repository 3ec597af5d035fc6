"""How far a session is, on stderr and only on a terminal: a bar that moves with the planned time."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from neatctl.testbed.bench.results import Run, Workload
from neatctl.testbed.bench.runner import Target

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_RUN_EXTRA_S = 0.8
"""What a run takes beside its planned time: processes that start, counters that are waited for."""


class Bar:
    """`tick` and `done` for a session of so many runs of so many planned seconds; a context manager."""

    def __init__(self, runs: int, planned_s: float) -> None:
        self._runs = runs
        self._made = 0
        self._total_s = planned_s + runs * _RUN_EXTRA_S
        self._begun = 0.0
        self._shown: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._begun = time.monotonic()
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._shown = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._shown.add_task(f"run 1 of {self._runs}", total=self._total_s)
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.stop()

    def tick(self) -> None:
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=min(time.monotonic() - self._begun, self._total_s))

    def done(self, target: Target, workload: Workload, run: Run) -> None:
        """A run was made: its rate is shown until the next one."""
        self._made += 1
        if self._shown is not None and self._task is not None:
            errors = f", {run.errors_total} errors" if run.errors_total else ""
            rate = f"{target.facts.name}{workload.path}: {run.requests_per_s:,.0f} requests/s{errors}"
            following = f"run {min(self._made + 1, self._runs)} of {self._runs}"
            self._shown.update(self._task, description=f"{rate}; {following}")
