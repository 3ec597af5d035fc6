"""The targets of a session: a testbed found or brought up, its files, and what takes turns with it.

What was brought up goes with its block. Asks every server for its files before anything is measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.bench import own, site
from neatctl.testbed.bench.against import LIMIT, LINUX
from neatctl.testbed.bench.limit import lacks, limit
from neatctl.testbed.bench.linux import lighttpd
from neatctl.testbed.bench.more_web import more_web
from neatctl.testbed.bench.results import Workload
from neatctl.testbed.bench.runner import CannotMeasure, Target
from neatctl.testbed.bench.workload import BadWorkload
from neatctl.testbed.settings import Settings

DEFAULT_REPLICAS = 2
_BUILT_IN = {1 << 20: "/1m"}
"""Files of the built-in site that are not named by their size."""
_PROBE = """\
import http.client, sys
asked = http.client.HTTPConnection(sys.argv[1], timeout=float(sys.argv[2]))
for path in sys.argv[3:]:
    try:
        asked.request("HEAD", path)
        answer = asked.getresponse()
        answer.read()
        print(answer.status, answer.getheader("Content-Length", "-1"))
    except (OSError, http.client.HTTPException) as error:
        print(0, error)
"""


@dataclass(frozen=True)
class Wanted:
    """One configuration: a testbed, and the workloads that are measured on it."""

    workloads: Sequence[Workload]
    name: str | None
    replicas: int | None
    seed: int
    given_path: bool
    """The path was given, so a file of any length is the right one."""
    versus: tuple[str, ...] = ()
    """What else is measured, of `against.OTHERS`."""


@contextlib.contextmanager
def taking_turns(wanted: Wanted) -> Iterator[list[tuple[Target, Workload]]]:
    """The pairs of one repetition, in their order: for each workload what ours is measured against, then ours.
    BadWorkload for what cannot be asked for, CannotMeasure for what does not come up."""
    servers = max(workload.workers for workload in wanted.workloads)
    with contextlib.ExitStack() as stack:
        if wanted.name is not None and RunDirectory(wanted.name).locked():
            ours = _running(wanted)
            served = found(ours, wanted.workloads, wanted.given_path)
            files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neatctl-bench-web-")))
            if wanted.versus:
                site.fill(files, served, wanted.seed)
        else:
            files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neatctl-bench-web-")))
            ours = stack.enter_context(_brought_up(wanted, files))
            if servers > 1:
                ours = stack.enter_context(more_web(ours, wanted_name(wanted), files, servers))
            served = found(ours, wanted.workloads, wanted.given_path)
        targets = [ours]
        if LINUX in wanted.versus:
            targets.insert(0, _beside(ours, stack.enter_context(lighttpd(ours, files, servers))))
        if LIMIT in wanted.versus:
            if lack := lacks(served):
                raise BadWorkload(f"--versus: {lack}")
            targets.append(_beside(ours, stack.enter_context(limit(ours, files, served[0].path))))
        yield [(target, workload) for workload in served for target in targets]


def wanted_name(wanted: Wanted) -> str:
    """Of a testbed that is brought up for this."""
    return wanted.name or f"bench-{os.getpid()}"


def _beside(ours: Target, other: Target) -> Target:
    return dataclasses.replace(other, facts=replace(other.facts, beside_replicas=ours.facts.replicas))


def _running(wanted: Wanted) -> Target:
    """The testbed of the name that was given."""
    target = own.running(RunDirectory(wanted.name or ""))
    if wanted.replicas not in {None, target.facts.replicas}:
        raise BadWorkload(
            f"--replicas: {wanted.name} runs with {target.facts.replicas}; "
            f"`neatctl scale {wanted.replicas} --name {wanted.name}` changes that"
        )
    return target


@contextlib.contextmanager
def _brought_up(wanted: Wanted, files: Path) -> Iterator[Target]:
    """A testbed of our own with the files, for as long as it is needed."""
    if wanted.given_path:
        raise BadWorkload("--path is for a testbed that runs (--name); one of our own serves files of --bytes octets")
    own.make_site(files, list(dict.fromkeys(workload.octets or 0 for workload in wanted.workloads)), wanted.seed)
    replicas = wanted.replicas or DEFAULT_REPLICAS
    with own.brought_up(Settings(name=wanted_name(wanted), replicas=replicas, web=str(files))) as target:
        yield target


def found(target: Target, wanted: Sequence[Workload], given_path: bool) -> list[Workload]:
    """The workloads with paths that the target really serves. BadWorkload for a file that is not there, CannotMeasure
    when nothing answers."""
    known: dict[tuple[str, int | None], Workload] = {}
    for workload in wanted:
        if (workload.path, workload.octets) not in known:
            known[workload.path, workload.octets] = _found_one(target, workload, given_path)
    pages = [known[workload.path, workload.octets] for workload in wanted]
    return [replace(workload, path=page.path, octets=page.octets) for workload, page in zip(wanted, pages)]


def _found_one(target: Target, workload: Workload, given_path: bool) -> Workload:
    paths = [workload.path]
    if not given_path and workload.octets in _BUILT_IN:
        paths.append(_BUILT_IN[workload.octets])
    address = target.facts.url.removeprefix("http://")
    argv = [*target.client_prefix, sys.executable, "-c", _PROBE, address, f"{workload.timeout_s:g}", *paths]
    limit_s = len(paths) * workload.timeout_s + 20
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        raise CannotMeasure(f"{target.facts.url}{workload.path} did not answer in {limit_s:.0f} s") from None
    said = [line.partition(" ") for line in done.stdout.splitlines()]
    if done.returncode or len(said) != len(paths):
        words = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing was said"]
        raise CannotMeasure(f"{target.facts.url} cannot be asked from the clients' side: {words[0]}")
    for path, (status, _, length) in zip(paths, said):
        if status == "0":
            raise CannotMeasure(f"{target.facts.url}{path} does not answer: {length}")
        any_length = given_path and workload.octets is None
        if status == "200" and (any_length or int(length) in {workload.octets, -1}):
            octets = int(length) if int(length) >= 0 and workload.octets is None else workload.octets
            return replace(workload, path=path, octets=octets)
    status, _, length = said[0]
    what = f"a file of {length} octets" if status == "200" else f"status {status}"
    raise BadWorkload(
        f"{target.facts.url}{workload.path}: {what}, not the file that is wanted. Serve it "
        f"(`neatctl up --web DIR`, with DIR{workload.path}), name another with --path, or leave --name out: then a "
        "testbed with the files comes up for as long as it is needed"
    )
