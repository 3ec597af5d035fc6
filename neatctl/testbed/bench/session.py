"""The verb `bench`: finds or brings up what is to be loaded, has it measured, reports, and says whether it held.

Each function returns an exit code: 0 held, 1 errors or no answer, 2 wrong usage.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed import verbs
from neatctl.testbed.bench import clients, keep, limit, linux, plots, results
from neatctl.testbed.bench.against import LIMIT, LINUX, OTHERS, judged
from neatctl.testbed.bench.cpu import note_of_others
from neatctl.testbed.bench.machine import environment, machine
from neatctl.testbed.bench.outcome import result_of
from neatctl.testbed.bench.progress import Bar
from neatctl.testbed.bench.results import BadReport, Report, Result, Workload
from neatctl.testbed.bench.runner import CannotMeasure, measure, planned_s
from neatctl.testbed.bench.targets import Wanted, taking_turns
from neatctl.testbed.bench.workload import Asked, BadWorkload, numbers_of, workloads
from neatctl.testbed.endings import ended_in_order
from neatctl.testbed.screens import note
from neatctl.testbed.settings import BadSetting, settings_from

MAX_REPETITIONS = 1000


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    asked: Asked = field(default_factory=Asked)
    name: str | None = None
    replicas: str | None = None
    """As it was written: 2, or several for a sweep: 1,2,4."""
    workers: str = "1"
    versus: tuple[str, ...] = ()
    repetitions: int = 5
    seed: int = 1
    as_json: bool = False
    as_csv: bool = False
    out: Path | None = None
    plot: bool = False


def bench(options: Options) -> int:
    """Measure and report."""
    try:
        workers = numbers_of("--workers", options.workers)
        wanted = [each for number in workers for each in workloads(replace(options.asked, workers=number))]
        configurations = _configurations(options, wanted)
        _check(options, configurations)
    except (BadWorkload, BadSetting) as error:
        note(f"neatctl: {error}")
        return verbs.USAGE
    begun = datetime.datetime.now(datetime.UTC)
    began = time.monotonic()
    try:
        with ended_in_order():
            made = _measured(configurations, options)
    except CannotMeasure as error:
        note(f"neatctl: {error}")
        return verbs.DID_NOT_HOLD
    except BadWorkload as error:
        note(f"neatctl: {error}")
        return verbs.USAGE
    report = report_of(made, options, begun, time.monotonic() - began)
    kept = options.out is None or _kept(report, options.out, options.plot)
    show(report, options)
    return verbs.HELD if report.held and kept else verbs.DID_NOT_HOLD


def _kept(report: Report, directory: Path, plot: bool) -> bool:
    """Keep everything; when the disk will not have it, say so, and what was measured is shown all the same."""
    try:
        keep.keep(directory, report, environment(sys.argv))
        if plot:
            for file in plots.draw(report, directory):
                note(f"drew {file}")
    except OSError as error:
        note(f"neatctl: --out: {error.filename or directory}: {error.strerror}; not everything was kept")
        return False
    note(f"kept in {directory}; `neatctl bench compare {directory} OTHER` compares")
    return True


def _check(options: Options, configurations: Sequence[Wanted]) -> None:
    """BadWorkload or BadSetting for what can be known before anything is started."""
    if not 1 <= options.repetitions <= MAX_REPETITIONS:
        raise BadWorkload(f"--repetitions: {options.repetitions} is not between 1 and {MAX_REPETITIONS}")
    if not 0 <= options.seed < 1 << 62:
        raise BadWorkload("--seed: a seed is 0 to 2^62 - 1")
    if options.as_json and options.as_csv:
        raise BadWorkload("--json and --csv: one of them; --out DIR keeps both")
    if lack := clients.missing(options.asked.client):
        raise BadWorkload(f"--client: {lack}")
    for configuration in configurations:
        if configuration.replicas is not None:
            settings_from({"replicas": configuration.replicas}, None)
    if len(configurations) > 1 and options.name is not None and RunDirectory(options.name).locked():
        raise BadWorkload(f"--replicas: {options.name} runs already, and a sweep brings testbeds up: leave --name out")
    for name in options.versus:
        if name not in OTHERS:
            raise BadWorkload(f"--versus: {name!r} is none of {', '.join(OTHERS)}")
    if LINUX in options.versus and (lack := linux.lacks()):
        raise BadWorkload(lack)
    if LIMIT in options.versus and options.asked.path is None and (lack := limit.lacks(configurations[0].workloads)):
        raise BadWorkload(f"--versus: {lack}")
    if options.plot and options.out is None:
        raise BadWorkload("--plot writes into the directory of --out DIR: give that too")
    if options.plot and (lack := plots.lacks()):
        raise BadWorkload(f"--plot: {lack}")
    if options.out is not None and (problem := keep.usable(options.out)):
        raise BadWorkload(f"--out: {problem}")


def _configurations(options: Options, wanted: Sequence[Workload]) -> list[Wanted]:
    """A testbed for each number of replicas; just one if none or one was given."""
    numbers: Sequence[int | None] = numbers_of("--replicas", options.replicas) if options.replicas else [None]
    given_path = options.asked.path is not None
    versus = tuple(name for name in OTHERS if name in options.versus)
    return [Wanted(wanted, options.name, number, options.seed, given_path, versus) for number in numbers]


def _measured(configurations: Sequence[Wanted], options: Options) -> list[Result]:
    """A result for each workload, target and configuration. In a sweep every repetition goes through all
    configurations, each on a fresh testbed, so that a machine whose speed drifts slows all of them."""
    sweeping = len(configurations) > 1
    rounds = [(number, 1) for number in range(1, options.repetitions + 1)] if sweeping else [(1, options.repetitions)]
    workloads_each = configurations[0].workloads
    runs = len(configurations) * len(workloads_each) * (1 + len(configurations[0].versus)) * options.repetitions
    made: dict[tuple[int, int], list[Result]] = {}
    with Bar(runs, runs * sum(map(planned_s, workloads_each)) / len(workloads_each)) as bar:
        for first, repetitions in rounds:
            for number, configuration in enumerate(configurations):
                with taking_turns(configuration) as pairs:
                    parts = measure(pairs, repetitions, options.seed, bar.tick, bar.done, first)
                for place, part in enumerate(parts):
                    made.setdefault((number, place), []).append(part)
    return [
        result_of(parts[0].target, parts[0].workload, [run for part in parts for run in part.runs])
        for parts in made.values()
    ]


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
        versus=judged(made),
    )


def show(report: Report, options: Options) -> None:
    """On standard output, as it was asked for."""
    if options.as_json:
        print(results.encode(report).decode())
    elif options.as_csv:
        print(keep.rows(report), end="")
    else:
        from neatctl.testbed.bench.tables import show_report
        from neatctl.testbed.bench.versus_tables import show_sweeps, show_versus

        show_report(report)
        show_versus(report)
        show_sweeps(report)


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
