"""The verb `bench`: finds or brings up what is to be loaded, has it measured, reports, and says whether it held.

Each function returns an exit code: 0 held, 1 errors or no answer, 2 wrong usage.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed import verbs
from neatctl.testbed.bench import clients, keep, own, results
from neatctl.testbed.bench.cpu import note_of_others
from neatctl.testbed.bench.machine import environment, machine
from neatctl.testbed.bench.progress import Bar
from neatctl.testbed.bench.results import BadReport, Report, Result, Workload
from neatctl.testbed.bench.runner import CannotMeasure, Target, measure, planned_s
from neatctl.testbed.bench.workload import Asked, BadWorkload, workloads
from neatctl.testbed.screens import note
from neatctl.testbed.settings import BadSetting, Settings, settings_from

DEFAULT_REPLICAS = 2
MAX_REPETITIONS = 1000
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
class Options:
    """What the command line says."""

    asked: Asked = field(default_factory=Asked)
    name: str | None = None
    replicas: int | None = None
    repetitions: int = 5
    seed: int = 1
    as_json: bool = False
    as_csv: bool = False
    out: Path | None = None


def bench(options: Options) -> int:
    """Measure and report."""
    try:
        wanted = workloads(options.asked)
        _check(options)
    except (BadWorkload, BadSetting) as error:
        note(f"neatctl: {error}")
        return verbs.USAGE
    begun = datetime.datetime.now(datetime.UTC)
    began = time.monotonic()
    try:
        with own.ended_in_order(), _target(options, wanted) as target:
            served = _found(target, wanted, options.asked.path is not None)
            made = _measured([(target, workload) for workload in served], options)
    except CannotMeasure as error:
        note(f"neatctl: {error}")
        return verbs.DID_NOT_HOLD
    except BadWorkload as error:
        note(f"neatctl: {error}")
        return verbs.USAGE
    report = report_of(made, options, begun, time.monotonic() - began)
    if options.out is not None:
        keep.keep(options.out, report, environment(sys.argv))
    show(report, options)
    return verbs.HELD if report.held else verbs.DID_NOT_HOLD


def _check(options: Options) -> None:
    """BadWorkload or BadSetting for what can be known before anything is started."""
    if not 1 <= options.repetitions <= MAX_REPETITIONS:
        raise BadWorkload(f"--repetitions: {options.repetitions} is not between 1 and {MAX_REPETITIONS}")
    if not 0 <= options.seed < 1 << 62:
        raise BadWorkload("--seed: a seed is 0 to 2^62 - 1")
    if options.as_json and options.as_csv:
        raise BadWorkload("--json and --csv: one of them; --out DIR keeps both")
    if lack := clients.missing(options.asked.client):
        raise BadWorkload(f"--client: {lack}")
    if options.replicas is not None:
        settings_from({"replicas": options.replicas}, None)
    if options.out is not None and (problem := keep.usable(options.out)):
        raise BadWorkload(f"--out: {problem}")


@contextlib.contextmanager
def _target(options: Options, wanted: Sequence[Workload]) -> Iterator[Target]:
    """The testbed of the name that was given, where it runs; otherwise one of our own, for as long as it is needed."""
    if options.name is not None and (run := RunDirectory(options.name)).locked():
        target = own.running(run)
        if options.replicas not in {None, target.facts.replicas}:
            raise BadWorkload(
                f"--replicas: {options.name} runs with {target.facts.replicas}; "
                f"`neatctl scale {options.replicas} --name {options.name}` changes that"
            )
        yield target
        return
    if options.asked.path is not None:
        raise BadWorkload("--path is for a testbed that runs (--name); one of our own serves files of --bytes octets")
    with tempfile.TemporaryDirectory(prefix="neatctl-bench-web-") as directory:
        own.make_site(Path(directory), [workload.octets or 0 for workload in wanted], options.seed)
        settings = Settings(
            name=options.name or f"bench-{os.getpid()}",
            replicas=options.replicas or DEFAULT_REPLICAS,
            web=directory,
        )
        with own.brought_up(settings) as target:
            yield target


def _found(target: Target, wanted: Sequence[Workload], given_path: bool) -> list[Workload]:
    """The workloads with paths that the target really serves. BadWorkload for a file that is not there, CannotMeasure
    when nothing answers."""
    return [_found_one(target, workload, given_path) for workload in wanted]


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
        if status == "200" and int(length) in {workload.octets, -1} | ({int(length)} if given_path else set()):
            octets = int(length) if int(length) >= 0 and workload.octets is None else workload.octets
            return replace(workload, path=path, octets=octets)
    status, _, length = said[0]
    what = f"a file of {length} octets" if status == "200" else f"status {status}"
    raise BadWorkload(
        f"{target.facts.url}{workload.path}: {what}, not the file that is wanted. Serve it "
        f"(`neatctl up --web DIR`, with DIR{workload.path}), name another with --path, or leave --name out: then a "
        "testbed with the files comes up for as long as it is needed"
    )


def _measured(pairs: Sequence[tuple[Target, Workload]], options: Options) -> list[Result]:
    runs = len(pairs) * options.repetitions
    with Bar(runs, sum(planned_s(workload) for _, workload in pairs) * options.repetitions) as bar:
        return measure(pairs, options.repetitions, options.seed, bar.tick, bar.done)


def report_of(made: list[Result], options: Options, begun: datetime.datetime, seconds: float) -> Report:
    """What is reported of a session."""
    errors = sum(result.errors_total for result in made)
    facts = machine(clients.version(options.asked.client))
    busy = note_of_others([run.cpu for result in made for run in result.runs if run.cpu is not None], facts.cores)
    return Report(
        schema=results.SCHEMA,
        kind=results.KIND,
        begun=begun.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        seed=options.seed,
        repetitions=options.repetitions,
        machine=facts,
        results=made,
        errors_total=errors,
        notes=[busy] if busy else [],
        held=not errors and all(run.requests for result in made for run in result.runs),
    )


def show(report: Report, options: Options) -> None:
    """On standard output, as it was asked for."""
    if options.as_json:
        print(results.encode(report).decode())
    elif options.as_csv:
        print(keep.rows(report), end="")
    else:
        from neatctl.testbed.bench.tables import show_report

        show_report(report)
        if options.out is not None:
            note(f"kept in {options.out}; `neatctl bench compare {options.out} OTHER` compares")


def compare_files(first: Path, second: Path, fail_below: float | None, as_json: bool) -> int:
    """Two reports, each a directory of `--out` or a JSON file."""
    from neatctl.testbed.bench.compare import compare
    from neatctl.testbed.bench.tables import show_comparison

    try:
        comparison = compare(keep.read(first), keep.read(second), fail_below)
    except BadReport as error:
        note(f"neatctl: {error}")
        return verbs.USAGE
    if not comparison.pairs:
        note(f"neatctl: {first} and {second} have no result in common")
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(comparison), indent=1).decode())
    else:
        show_comparison(comparison)
    return verbs.HELD if comparison.held else verbs.DID_NOT_HOLD
