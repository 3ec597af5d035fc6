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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from neatctl.core.control.events import Event
from neatctl.core.control.status import Status
from neatctl.core.process.run_directory import AlreadyRunning, RunDirectory
from neatctl.testbed import client, launch, verbs
from neatctl.testbed.replay import offline
from neatctl.testbed.scenario.model import (
    Command,
    Fault,
    Fetch,
    Load,
    Replay,
    Scale,
    Scenario,
    Step,
    SynBurst,
)
from neatctl.testbed.settings import Settings

_GRACE_S = 10.0
"""What a process may take beyond its own limit."""


class Broken(Exception):
    """The scenario could not be run to its end; the message says why."""


@dataclass(slots=True)
class Done:
    """One step: when it was done, and what came of it."""

    step: Step
    begun_s: float
    took_s: float = 0.0
    exit_code: int = 0
    result: Any = None
    """What it printed as JSON, or reported."""
    error: str = ""


@dataclass(slots=True)
class Observed:
    """What was seen of one run."""

    chosen: int
    """The replica that "any" means."""
    before: Status
    after: Status
    events: list[Event]
    """Since the testbed served."""
    done: list[Done] = field(default_factory=list)

    def of(self, name: str) -> Done | None:
        """The step of this name."""
        return next((done for done in self.done if done.step.name == name), None)


@dataclass(slots=True)
class _Started:
    done: Done
    process: subprocess.Popen[str]
    limit_at: float


def run_scenario(scenario: Scenario, directory: Path, say: Callable[[str], None]) -> Observed:
    """One run; files of the scenario are beside it in `directory`. Broken if it could not be run to its end."""
    with tempfile.TemporaryDirectory(prefix="neatctl-scenario-") as site:
        hashes = _make_site(scenario, Path(site))
        settings = Settings(
            name=f"scenario-{os.getpid()}",
            replicas=scenario.testbed.replicas,
            channel=scenario.testbed.channel,
            transport=scenario.testbed.transport,
            placement=scenario.testbed.placement,
            impair=scenario.testbed.impair,
            seed=scenario.seed,
            web=site if hashes else "",
        )
        run = RunDirectory(settings.name)
        try:
            launch.detach(settings, lambda _report: None)
        except (launch.Failed, AlreadyRunning) as error:
            raise Broken(f"the testbed did not come up: {error}") from None
        try:
            return _Run(scenario, directory, settings, run, hashes, say).run()
        except (client.NotRunning, client.Unresponsive) as error:
            raise Broken(str(error)) from None
        finally:
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
    """One run on a testbed that serves."""

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
        self._started: list[_Started] = []
        self._chosen = random.Random(scenario.seed).randint(1, scenario.testbed.replicas)

    def run(self) -> Observed:
        before = self._status()
        serial = max((event.serial for event in self._events()), default=0)
        begun = time.monotonic()
        end = begun + self._scenario.limit_s
        steps = []
        try:
            for step in self._scenario.steps():
                self._wait_until(begun + step.at, end)
                self._say(f"{time.monotonic() - begun:6.2f} s  {_describe(step)}")
                done = Done(step, time.monotonic() - begun)
                steps.append(done)
                self._do(done)
            for started in self._started:
                self._finish(started, end)
        finally:
            for started in self._started:
                if started.process.poll() is None:
                    os.killpg(started.process.pid, signal.SIGKILL)
                    started.process.communicate()
        time.sleep(self._scenario.settle_s)
        events = [event for event in self._events() if event.serial > serial]
        return Observed(self._chosen, before, self._status(), events, steps)

    def _wait_until(self, at: float, end: float) -> None:
        if at > end:
            raise Broken(f"it took longer than {self._scenario.limit_s:g} s (limit_s)")
        time.sleep(max(at - time.monotonic(), 0))

    def _do(self, done: Done) -> None:
        step = done.step
        url = f"http://{self._address}"
        if isinstance(step, Load):
            words = ["--connections", step.connections, "--seconds", step.seconds, "--seed", self._scenario.seed]
            words += ["--requests-per-connection", step.requests_per_connection]
            words += ["--rate", step.rate] if step.rate else []
            self._start(done, step.seconds, "neatctl.apps.load", f"{url}{step.path}", *words)
        elif isinstance(step, Fetch):
            longest = step.timeout_s * -(-step.times // step.parallel)
            path = f"{url}/{step.path.lstrip('/')}"
            fetcher = "neatctl.testbed.scenario.fetcher"
            self._start(done, longest, fetcher, path, step.times, step.parallel, step.timeout_s)
        elif isinstance(step, SynBurst):
            burst = "neatctl.testbed.scenario.syn_burst"
            seed = self._scenario.seed
            self._start(done, step.seconds, burst, self._address, step.port, step.count, step.seconds, seed)
        elif isinstance(step, Command):
            self._exec(done, step.timeout_s, [word.replace("{address}", self._address) for word in step.argv])
        elif isinstance(step, Fault):
            index = self._chosen if step.replica == "any" else step.replica
            answer = client.ask(
                self._run, "inject", component=step.component, index=index, kind=step.kind, wait=False
            )
            done.exit_code = answer.code
        elif isinstance(step, Scale):
            done.exit_code = client.ask(self._run, "scale", replicas=step.replicas, wait=False).code
        elif isinstance(step, Replay):
            options = offline.Options(step.replicas, appliance=step.appliance, seed=self._scenario.seed)
            done.result = msgspec.to_builtins(offline.replay_offline(self._directory / step.file, options))
        done.took_s = time.monotonic() - done.begun_s

    def _start(self, done: Done, seconds: float, module: str, *arguments: object) -> None:
        self._exec(done, seconds, [sys.executable, "-m", module, *map(str, arguments)])

    def _exec(self, done: Done, seconds: float, argv: list[str]) -> None:
        """A process on the clients' side, in a group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "neatctl", "exec", "--name", self._settings.name, "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._started.append(_Started(done, process, time.monotonic() + seconds + _GRACE_S))

    def _finish(self, started: _Started, end: float) -> None:
        done = started.done
        limit = min(started.limit_at, end + _GRACE_S) - time.monotonic()
        try:
            output, errors = started.process.communicate(timeout=max(limit, 0.1))
        except subprocess.TimeoutExpired:
            done.error = "it did not end in time"
            done.exit_code = -signal.SIGKILL
            return
        done.exit_code = started.process.returncode
        with contextlib.suppress(json.JSONDecodeError):
            done.result = json.loads(output)
        if isinstance(done.step, Fetch) and isinstance(done.result, list):
            expected = self._hashes[done.step.path.lstrip("/")]
            done.result = [fetched.get("error") or fetched.get("sha256") == expected for fetched in done.result]
        if done.result is None and not isinstance(done.step, Command):
            done.error = errors.strip().splitlines()[-1] if errors.strip() else f"exit {done.exit_code}"

    def _status(self) -> Status:
        return msgspec.json.decode(client.ask(self._run, "status").body, type=Status)

    def _events(self) -> list[Event]:
        return msgspec.json.decode(client.ask(self._run, "events").body, type=list[Event])


def _describe(step: Step) -> str:
    """A step in a few words."""
    given = msgspec.to_builtins(step)
    shown = {key: value for key, value in given.items() if key not in {"at", "name"} and value not in ("", 0)}
    words = " ".join(f"{key}={value}" for key, value in shown.items())
    return f"{type(step).__name__.lower()} {step.name} {words}".replace("  ", " ")
