"""Runs a scenario as a user would: a testbed comes up, the steps are done at their times, and it is taken down always.

What was seen is an `Observed`; whether that is what was expected is not decided here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from neatctl.core.control.messages import Answer
from neatctl.core.process.run_directory import AlreadyRunning, RunDirectory
from neatctl.testbed import client, launch, verbs
from neatctl.testbed.endings import heeded_later
from neatctl.testbed.scenario.model import (
    Command,
    Fault,
    Fetch,
    Impair,
    Load,
    Recover,
    Replay,
    Scale,
    Scenario,
    Step,
    SynBurst,
)
from neatctl.testbed.scenario.observed import Done, Observed
from neatctl.testbed.scenario.plan import plan_of
from neatctl.testbed.settings import Settings

_GRACE_S = 10.0
"""What a process may take beyond its own limit."""
_MOST_OUTPUT_OCTETS = 1 << 24
_NEATCTL = (sys.executable, "-m", "neatctl")


class Broken(Exception):
    """The scenario could not be run to its end; the message says why."""


@dataclass(slots=True)
class _Started:
    done: Done
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    errors: IO[bytes]
    end_at: float
    """When it is given up."""


def run_scenario(scenario: Scenario, directory: Path, say: Callable[[str], None]) -> Observed:
    """One run; files of the scenario are beside it in `directory`. Broken if it could not be run to its end."""
    with tempfile.TemporaryDirectory(prefix="neatctl-scenario-") as site:
        hashes = _make_site(scenario, Path(site))
        bed = scenario.testbed
        settings = Settings(
            name=f"scenario-{os.getpid()}",
            replicas=bed.replicas,
            channel=bed.channel,
            transport=bed.transport,
            placement=bed.placement,
            impair=bed.impair,
            seed=scenario.seed,
            web=site if hashes else "",
        )
        try:
            with _brought_up(settings) as run, _Run(scenario, directory, settings, run, hashes, say) as running:
                return running.run()
        except (client.NotRunning, client.Unresponsive) as error:
            raise Broken(str(error)) from None


@contextlib.contextmanager
def _brought_up(settings: Settings) -> Iterator[RunDirectory]:
    """A testbed of our own, taken down whatever happens; Ctrl-C while it comes or goes is heeded afterwards."""
    run = RunDirectory(settings.name)
    ours = False
    try:
        with heeded_later():
            launch.detach(settings, lambda _report: None)
            ours = True
        yield run
    except (launch.Failed, AlreadyRunning, PermissionError) as error:
        raise Broken(f"the testbed did not come up: {error}") from None
    finally:
        if ours:
            with heeded_later():
                verbs.down(run, force=True)


def _make_site(scenario: Scenario, site: Path) -> dict[str, str]:
    """The testbed's files, the same for the same seed; their SHA-256 by name."""
    draw = random.Random(scenario.seed)
    hashes = {}
    for name, octets in sorted(scenario.testbed.files.items()):
        content = draw.randbytes(octets)
        (site / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    if hashes and "20b" not in hashes:
        (site / "20b").write_bytes(b"twenty octets, NEaT\n")
    return hashes


class _Run:
    """One run on a testbed that serves; processes that it started end with it."""

    def __init__(
        self,
        scenario: Scenario,
        directory: Path,
        settings: Settings,
        run: RunDirectory,
        hashes: dict[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._scenario = scenario
        self._directory = directory
        self._settings = settings
        self._address = settings.address.partition("/")[0]
        self._run = run
        self._hashes = hashes
        self._say = say
        self._plan = plan_of(scenario)
        self._started: list[_Started] = []

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        for started in self._started:
            _kill(started.process)
            started.output.close()
            started.errors.close()

    def run(self) -> Observed:
        """Do everything at its time, wait for what was started, and look."""
        before = client.status(self._run)
        serial = max((event.serial for event in client.events(self._run)), default=0)
        begun = time.monotonic()
        end = begun + self._scenario.limit_s
        steps = []
        for due in self._plan.dues:
            time.sleep(max(begun + due.at_s - time.monotonic(), 0))
            begun_s = time.monotonic() - begun
            if begun_s > self._scenario.limit_s:
                raise Broken(f"it took longer than {self._scenario.limit_s:g} s (limit_s)")
            self._say(f"{begun_s:6.2f} s  {describe(due.step)}")
            done = Done(due.step, due.at_s, begun_s)
            steps.append(done)
            self._do(done)
        for started in self._started:
            self._finish(started, end)
        time.sleep(self._scenario.settle_s)
        events = client.events(self._run, serial)
        return Observed(self._plan.chosen, int(begun * 1e6), before, client.status(self._run), events, steps)

    def _do(self, done: Done) -> None:
        step = done.step
        url = f"http://{self._address}"
        if isinstance(step, Load):
            words = ["--connections", step.connections, "--seconds", step.seconds, "--seed", self._scenario.seed]
            words += ["--requests-per-connection", step.requests_per_connection]
            words += ["--rate", step.rate] if step.rate else []
            self._client(done, step.seconds, "neatctl.apps.load", f"{url}{step.path}", *words)
        elif isinstance(step, Fetch):
            longest_s = step.timeout_s * -(-step.times // step.parallel)
            fetcher = "neatctl.testbed.scenario.fetcher"
            self._client(done, longest_s, fetcher, f"{url}{step.path}", step.times, step.parallel, step.timeout_s)
        elif isinstance(step, SynBurst):
            burst = "neatctl.testbed.scenario.syn_burst"
            seed = self._scenario.seed
            self._client(done, step.seconds, burst, self._address, step.port, step.count, step.seconds, seed)
        elif isinstance(step, Command):
            self._exec(done, step.timeout_s, [word.replace("{address}", self._address) for word in step.argv])
        elif isinstance(step, Replay):
            words = ["replay", self._directory / step.file]
            if step.mode != "offline":
                words += [f"--{step.mode}", "--name", self._settings.name, "--speed", step.speed]
                words += ["--server", step.server] if step.server else []
            else:
                words += ["--replicas", step.replicas, "--seed", self._scenario.seed]
                words += ["--appliance", step.appliance] if step.appliance else []
            self._start(done, step.timeout_s, [*_NEATCTL, *map(str, words), "--json"])
        else:
            answer = self._ask(step)
            if answer is not None and answer.code:
                done.error = answer.message or f"it was answered with {answer.code}"

    def _ask(self, step: Step) -> Answer | None:
        """What the supervisor does; None for a step that is nothing to do."""
        if isinstance(step, Fault):
            index = self._index(step.replica)
            return client.ask(self._run, "inject", component=step.component, index=index, kind=step.kind)
        if isinstance(step, Recover):
            return client.ask(self._run, "recover", component=step.component, index=self._index(step.replica))
        if isinstance(step, Scale):
            return client.ask(self._run, "scale", replicas=step.replicas)
        if isinstance(step, Impair):
            return client.ask(self._run, "impair", frames=step.frames, seed=self._scenario.seed)
        return None

    def _index(self, replica: int | str) -> int:
        return self._plan.chosen if isinstance(replica, str) else replica

    # ---- processes ----
    def _client(self, done: Done, seconds: float, module: str, *arguments: object) -> None:
        self._exec(done, seconds, [sys.executable, "-m", module, *map(str, arguments)])

    def _exec(self, done: Done, seconds: float, argv: list[str]) -> None:
        """A command on the clients' side."""
        self._start(done, seconds, [*_NEATCTL, "exec", "--name", self._settings.name, "--", *argv])

    def _start(self, done: Done, seconds: float, argv: list[str]) -> None:
        """A process in a group of its own, whose output is kept in files: nobody reads it while it runs."""
        output, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True)
        self._started.append(_Started(done, process, output, errors, time.monotonic() + seconds + _GRACE_S))

    def _finish(self, started: _Started, end: float) -> None:
        """Wait for a process, at most until the scenario's end, and take what it says."""
        done = started.done
        limit_s = min(started.end_at, end + _GRACE_S) - time.monotonic()
        try:
            done.exit_code = started.process.wait(max(limit_s, 0.1))
        except subprocess.TimeoutExpired:
            done.error = "it did not end in time"
            _kill(started.process)
        started.output.seek(0)
        started.errors.seek(0)
        with contextlib.suppress(ValueError, RecursionError):
            done.result = json.loads(started.output.read(_MOST_OUTPUT_OCTETS))
        said = started.errors.read(_MOST_OUTPUT_OCTETS).decode(errors="replace").strip()
        done.said = said.splitlines()[-1][:500] if said else ""
        if isinstance(done.step, Fetch) and isinstance(done.result, list):
            expected = self._hashes[done.step.path[1:]]
            done.result = [fetched.get("error") or fetched.get("sha256") == expected for fetched in done.result]
        if done.result is None and not isinstance(done.step, Command):
            done.error = done.error or done.said or f"it said nothing and exited with {done.exit_code}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def describe(step: Step) -> str:
    """A step in a few words."""
    given = msgspec.to_builtins(step)
    shown = {key: value for key, value in given.items() if key not in {"at", "name"} and value not in ("", 0)}
    words = [f"{key}={' '.join(value) if isinstance(value, list) else value}" for key, value in shown.items()]
    return " ".join(word for word in (type(step).__name__.lower(), step.name, *words) if word)
