"""What tells the results of one report from each other, in words: target, replicas, workers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from neatctl.testbed.bench.against import OTHERS
from neatctl.testbed.bench.results import Result


def counted(number: int, what: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def row_of(result: Result) -> str:
    """The configuration of the stack, or what else was measured: `4 replicas`, `linux`."""
    if result.target.name in OTHERS or result.target.replicas is None:
        return result.target.name
    return counted(result.target.replicas, "replica")


def label(result: Result, results: Sequence[Result], beside: bool = True) -> str:
    """No more than is needed to tell a result from the others of its size. `beside`: also the testbed that another
    target took turns with."""
    ours = {one.target.replicas for one in results if one.target.name not in OTHERS}
    words = [row_of(result) if len(ours) > 1 else result.target.name]
    if beside and len(ours) > 1 and result.target.beside_replicas is not None:
        words.append(f"beside {counted(result.target.beside_replicas, 'replica')}")
    if len({one.workload.workers for one in results}) > 1:
        words.append(counted(result.workload.workers, "worker"))
    return ", ".join(words)
