"""Makes runs: one load on one target, and sessions whose repetitions alternate over several targets.

Knows load clients and what to look at while they work; brings nothing up and prints nothing.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from neatctl.testbed.bench import losses
from neatctl.testbed.bench.clients import client_of
from neatctl.testbed.bench.cpu import Samples
from neatctl.testbed.bench.losses import Look
from neatctl.testbed.bench.outcome import Outcome, merged, merged_errors, merged_reasons, result_of
from neatctl.testbed.bench.own_client import BadOutput
from neatctl.testbed.bench.results import Result, Run, TargetFacts, Workload

SAMPLE_S = 0.025
PATIENCE_S = 20.0
"""A client that takes so much longer than it should has failed."""
_FEW_UNSENT = 0.002
"""Share of what is due in a run that may be unsent at its end without a word."""
_SEEDS = 1 << 62


class CannotMeasure(Exception):
    """There is nothing to measure with, or nothing that answers; the message says what to do."""


def _no_look(_since: int) -> Look | None:
    return None


@dataclass(frozen=True)
class Target:
    """A web server to load."""

    facts: TargetFacts
    """`facts.url` is http://ADDRESS[:PORT], without a path."""
    client_prefix: tuple[str, ...] = ()
    """The begin of a command line that runs the rest on the clients' side, by exec; empty: here."""
    client_netns: str = ""
    """The clients' network namespace by its name, "" where it has none."""
    processes: Callable[[], dict[str, list[int]]] = field(default=dict)
    """The processes of each component by pid, looked up before each run."""
    look: Callable[[int], Look | None] = field(default=_no_look)
    """Counters of replicas and driver now, and events since that serial; None where there are none."""
    urls: tuple[str, ...] = ()
    """Of all its servers, where there are several: load process after load process asks the next."""

    def url_of(self, worker: int) -> str:
        """Which server a load process asks."""
        return self.urls[worker % len(self.urls)] if self.urls else self.facts.url


def _nothing() -> None:
    return None


def share(workload: Workload, worker: int) -> Workload:
    """What one of the workers does of a workload: connections and rate in equal parts."""
    each, over = divmod(workload.connections, workload.workers)
    rate = workload.rate / workload.workers if workload.rate is not None else None
    return replace(workload, connections=each + (worker < over), rate=rate, workers=1)


def planned_s(workload: Workload) -> float:
    """How long a run takes, without the start of processes."""
    return workload.warm_up_s + workload.seconds


@dataclass
class _Loaded:
    """What came of all workers together."""

    outcomes: list[Outcome]
    samples: Samples
    ended_us: int


def _load(target: Target, workload: Workload, seed: int, tick: Callable[[], None], directory: str) -> _Loaded:
    """Run the workers until all have ended; CannotMeasure when they do not, or say nothing."""
    client = client_of(workload.client)
    shares = [share(workload, worker) for worker in range(workload.workers)]
    limit = time.monotonic() + planned_s(workload) + workload.timeout_s + PATIENCE_S
    with contextlib.ExitStack() as stack:
        processes = []
        for worker, part in enumerate(shares):
            out = stack.enter_context(open(Path(directory) / f"out-{worker}", "w+b"))
            err = stack.enter_context(open(Path(directory) / f"err-{worker}", "w+b"))
            url = target.url_of(worker) + workload.path
            argv = [*target.client_prefix, *client.command(url, part, (seed + worker * 1_000_003) % _SEEDS, directory)]
            try:
                process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                raise CannotMeasure(f"{argv[0]}: {error.strerror}") from None
            stack.callback(_end, process)
            processes.append((process, out, err))
        samples = Samples({**target.processes(), "client": [process.pid for process, _, _ in processes]})
        ended_us = 0
        while True:
            # Looked up before the sample: the last one is then taken when all have ended.
            running = [process for process, _, _ in processes if process.poll() is None]
            ended_us = ended_us if running else time.monotonic_ns() // 1000
            samples.take()
            tick()
            if not running:
                break
            if time.monotonic() > limit:
                raise CannotMeasure(f"the load client {workload.client} did not end in time")
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[0].wait(SAMPLE_S)
        outcomes = []
        for (process, out, err), part in zip(processes, shares):
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode(errors="replace"))
            try:
                outcomes.append(client.outcome(said[0], said[1], process.returncode, part))
            except BadOutput as error:
                raise CannotMeasure(str(error)) from None
    return _Loaded(outcomes, samples, ended_us)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def run_once(
    target: Target, workload: Workload, repetition: int = 1, seed: int = 1, tick: Callable[[], None] = _nothing
) -> Run:
    """One run, errors counted in it; `tick` is called some times a second. CannotMeasure if the client did not run."""
    begun_unix_s = time.time()
    before = target.look(-1)
    warm_up: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="neatctl-bench-") as directory:
        Path(directory).chmod(0o755)
        if workload.warm_up_s and not client_of(workload.client).WARMS_UP:
            first = replace(workload, seconds=float(max(round(workload.warm_up_s), 1)), warm_up_s=0.0)
            warm_up = _load(target, first, seed, tick, directory).outcomes
        loaded = _load(target, workload, seed, tick, directory)
    after = target.look(before.last_event) if before is not None else None
    whole, requests_per_s = merged(loaded.outcomes)
    begun_us = whole.begun_us or loaded.ended_us - round(whole.seconds * 1e6)
    spent = loaded.samples.between(begun_us, begun_us + round(whole.seconds * 1e6), requests_per_s)
    seen = (before, after) if before is not None and after is not None else None
    errors = merged_errors([whole.errors, *(outcome.errors for outcome in warm_up)])
    return Run(
        repetition=repetition,
        seed=seed,
        begun_unix_s=round(begun_unix_s, 3),
        seconds=whole.seconds,
        requests=whole.requests,
        requests_per_s=round(requests_per_s, 2),
        octets_in=whole.octets_in,
        octets_per_s=round(whole.octets_in / whole.seconds, 1) if whole.octets_in is not None else None,
        connections_wanted=whole.connections_wanted,
        connections_achieved=whole.connections_achieved,
        connections_opened=whole.connections_opened,
        errors=errors,
        errors_total=errors.total(),
        error_reasons=merged_reasons([whole, *warm_up]),
        unanswered=whole.unanswered,
        unsent=whole.unsent,
        latency=whole.latency,
        service_time=whole.service_time,
        connect_time=whole.connect_time,
        cpu=spent,
        replicas=losses.replica_runs(*seen) if seen else [],
        driver_losses=losses.driver_losses(*seen) if seen else {},
        notes=[*(losses.notes(*seen) if seen else []), *_notes(whole, workload)],
    )


def _notes(whole: Outcome, workload: Workload) -> list[str]:
    """What the client's figures alone do not say loud enough."""
    # A few are always due at the very end.
    if not whole.unsent or whole.unsent <= _FEW_UNSENT * (workload.rate or 0) * whole.seconds:
        return []
    return [f"the rate was not reached: {whole.unsent} requests were due and not sent"]


def measure(
    pairs: Sequence[tuple[Target, Workload]],
    repetitions: int,
    seed: int,
    tick: Callable[[], None] = _nothing,
    done: Callable[[Target, Workload, Run], None] = lambda _target, _workload, _run: None,
    first: int = 1,
) -> list[Result]:
    """Repetitions, numbered from `first` on, that alternate over all pairs, in their order; a result for each pair.
    All runs of one repetition have the same seed."""
    runs: list[list[Run]] = [[] for _ in pairs]
    for repetition in range(first, first + repetitions):
        for (target, workload), made in zip(pairs, runs):
            made.append(run_once(target, workload, repetition, (seed + repetition - 1) % _SEEDS, tick))
            done(target, workload, made[-1])
    return [result_of(target.facts, workload, made) for (target, workload), made in zip(pairs, runs)]
