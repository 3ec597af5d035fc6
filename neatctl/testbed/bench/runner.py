"""Makes runs: one load on one target, and sessions whose repetitions alternate over several targets.

Knows load clients and what to look at while they work; brings nothing up and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from neatctl.testbed.bench.losses import Look
from neatctl.testbed.bench.results import Result, Run, TargetFacts, Workload


class CannotMeasure(Exception):
    """There is nothing to measure with, or nothing that answers; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """A web server to load."""

    facts: TargetFacts
    """`facts.url` is http://ADDRESS[:PORT], without a path."""
    client_prefix: tuple[str, ...]
    """The begin of a command line that runs the rest on the clients' side; empty: here."""
    client_netns: str
    """The clients' network namespace by its name, "" where it has none."""
    processes: Callable[[], dict[str, list[int]]]
    """The processes of each component by pid, looked up before each run."""
    look: Callable[[], Look | None]
    """Counters of replicas and driver now; None where there are none."""


def run_once(target: Target, workload: Workload, repetition: int, seed: int, tick: Callable[[], None]) -> Run:
    """One run, errors counted in it; `tick` is called some times a second. CannotMeasure if the client did not run."""
    raise NotImplementedError


def measure(
    pairs: Sequence[tuple[Target, Workload]],
    repetitions: int,
    seed: int,
    tick: Callable[[], None],
    done: Callable[[Target, Workload, Run], None],
) -> list[Result]:
    """Repetitions that alternate over all pairs, in their order; a result for each pair.
    Each run of one repetition has the same seed."""
    raise NotImplementedError
