"""`--versus limit`: the ceiling, what the device and the load client allow on this machine.

One compiled process behind a TAP of its own answers every request with the same octets and keeps no state of
connections: no channels, no replicas, no TCP that could recover from anything. It is no stack and cannot be used as
one; whatever a stack behind the same kind of device does, it cannot do more than this in the same minutes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from neatctl.core.native import COMPILED
from neatctl.testbed.bench.against import LIMIT
from neatctl.testbed.bench.limit_answers import MAX_CONTENT
from neatctl.testbed.bench.results import TargetFacts, Workload
from neatctl.testbed.bench.runner import Target
from neatctl.testbed.bench.server_process import server_process
from neatctl.testbed.bench.site import network_beside

_NETWORKS = ("10.92.0.1/24", "10.192.0.1/24")


def lacks(workloads: Sequence[Workload]) -> str:
    """Why there is no ceiling for these workloads, with what to do; "" if there is."""
    if not COMPILED:
        return "the ceiling needs the compiled build (`make build` with gcc): plain Python would be the limit"
    sizes = {workload.octets or 0 for workload in workloads}
    if len(sizes) > 1:
        return "the ceiling has one answer: give one size with --bytes"
    if max(sizes) > MAX_CONTENT:
        return f"the ceiling answers with at most {MAX_CONTENT} octets, not {max(sizes)}: it has no flow control"
    return ""


@contextlib.contextmanager
def limit(beside: Target, files: Path, path: str) -> Iterator[Target]:
    """The ceiling beside a target, for clients of the same namespace; it answers whatever is asked with `path` of the
    directory `files`. CannotMeasure if it does not start."""
    arguments = [network_beside(beside.facts.url, _NETWORKS), str(files / path[1:])]
    with server_process(beside, "neatctl.testbed.bench.limit_process", arguments) as ready:
        facts = TargetFacts(name=LIMIT, url=ready.urls[0], compiled=ready.compiled)
        pids = {LIMIT: ready.pids}
        yield Target(facts, beside.client_prefix, beside.client_netns, lambda: pids)
