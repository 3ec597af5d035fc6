"""Testbeds as targets: one that runs already, or one brought up for a benchmark, with the files that it needs.

What was brought up is taken down again, whatever happens: Ctrl-C while it comes or goes is heeded afterwards.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from neatctl.core.process.run_directory import AlreadyRunning, RunDirectory
from neatctl.testbed import client, launch, verbs
from neatctl.testbed.bench.losses import Look
from neatctl.testbed.bench.results import TargetFacts
from neatctl.testbed.bench.runner import CannotMeasure, Target
from neatctl.testbed.bench.workload import path_of
from neatctl.testbed.endings import heeded_later
from neatctl.testbed.settings import Settings

TARGET = "neatctl"
_PIECE_OCTETS = 1 << 20
BEAT_S = 0.15
"""Children tell their counters with every heartbeat, ten times a second."""


def make_site(directory: Path, sizes: Sequence[int], seed: int) -> None:
    """Files of these sizes, of octets that do not repeat, readable for every server."""
    draw = random.Random(seed)
    for size in sizes:
        file = directory / path_of(size)[1:]
        with file.open("wb") as opened:
            for at in range(0, size, _PIECE_OCTETS):
                opened.write(draw.randbytes(min(_PIECE_OCTETS, size - at)))
        file.chmod(0o644)
    directory.chmod(0o755)


def running(run: RunDirectory, name: str = TARGET) -> Target:
    """A testbed that runs, as a target; `client.NotRunning` if it does not."""
    status = client.status(run)
    record = run.record()
    supervisor = record.supervisor.pid if record is not None else 0

    def processes() -> dict[str, list[int]]:
        found: dict[str, list[int]] = {"supervisor": [supervisor]}
        for row in client.status(run).processes:
            # With --transport inproc all are threads of the supervisor.
            if row.pid and row.pid != supervisor and status.transport != "inproc":
                component = f"replica {row.index}" if row.component == "replica" else row.component
                found.setdefault(component, []).append(row.pid)
        return found

    def look(since: int) -> Look:
        """The events are those of serials after `since`; -1: none is asked for."""
        time.sleep(BEAT_S)
        events = client.events(run, max(since, 0))
        last = events[-1].serial if events else max(since, 0)
        return Look(client.status(run), last, events if since >= 0 else [])

    facts = TargetFacts(
        name=name,
        url=f"http://{status.address.partition('/')[0]}",
        replicas=status.replicas_wanted,
        channel=status.channel,
        transport=status.transport,
        compiled=status.compiled,
    )
    prefix = (sys.executable, "-m", "neatctl", "exec", "--name", run.name, "--")
    return Target(facts, prefix, status.client_netns, processes, look)


@contextlib.contextmanager
def brought_up(settings: Settings) -> Iterator[Target]:
    """A testbed of our own as a target, and its end. CannotMeasure if it does not come up."""
    run = RunDirectory(settings.name)
    ours = False
    try:
        with heeded_later():
            launch.detach(settings, lambda _report: None)
            ours = True
        yield running(run)
    except (launch.Failed, AlreadyRunning, PermissionError) as error:
        raise CannotMeasure(str(error)) from None
    finally:
        if ours:
            with heeded_later():
                verbs.down(run, force=True)
