"""A running testbed for system tests, driven as a user drives it: by the `neatctl` command alone.

Knows the command line and its JSON, nothing inside the package. Every testbed has a name of its own
(`test-PID-N`), so that sessions run side by side, and is taken down with all that the test started in it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

NEATCTL = (str(Path(sys.executable).with_name("neatctl")),)
_numbers = count(1)
T = TypeVar("T")


class CommandFailed(AssertionError):
    """A command did not exit as it should have; the message holds what it printed."""


def run(argv: Sequence[str], timeout_s: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in a process group of its own, which is killed at the time limit."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            sys.stderr.write(f"{' '.join(argv)} was killed; it printed:\n{out}\n{err}\n")
            raise
    done = subprocess.CompletedProcess(list(argv), process.returncode, out, err)
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(argv)} exited with {done.returncode}\n{out}\n{err}")
    return done


class Testbed:
    """One testbed by its name. Commands raise CommandFailed unless they exit with 0 or `check` is False."""

    __test__ = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._started: list[subprocess.Popen[str]] = []

    def neatctl(
        self, verb: str, *arguments: str, timeout_s: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """`neatctl VERB --name NAME ARGUMENTS`."""
        return run([*NEATCTL, verb, "--name", self.name, *arguments], timeout_s, check)

    def json(self, verb: str, *arguments: str) -> Any:
        """What the verb prints with --json."""
        return json.loads(self.neatctl(verb, *arguments, "--json").stdout)

    def status(self) -> dict[str, Any]:
        """`status --json`."""
        status: dict[str, Any] = self.json("status")
        return status

    @cached_property
    def address(self) -> str:
        """Where the stack answers, without a prefix length."""
        return str(self.status()["address"]).partition("/")[0]

    @cached_property
    def client_netns(self) -> str:
        return str(self.status()["client_netns"])

    def client(self, *argv: str, timeout_s: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the clients' network namespace."""
        return run([*NEATCTL, "exec", "--name", self.name, "--", *argv], timeout_s, check)

    def spawn(self, *argv: str) -> subprocess.Popen[str]:
        """Start a command in the clients' namespace that goes on beside the test; ended with the testbed."""
        process = subprocess.Popen(
            [*NEATCTL, "exec", "--name", self.name, "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def fetch(self, path: str = "/20b", timeout_s: float = 30) -> bytes:
        """GET a path of the web server with curl; CommandFailed unless it answers with 200."""
        argv = [*NEATCTL, "exec", "--name", self.name, "--", "curl", "-sS", "--fail", "--max-time", str(timeout_s)]
        done = subprocess.run(
            [*argv, f"http://{self.address}{path}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s + 10,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"GET {path}: curl exited with {done.returncode}: {done.stderr.decode()}")
        return done.stdout

    def down(self) -> None:
        """End what the test started here, then the testbed; by force if it does not go in order."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        self._started.clear()
        try:
            done = self.neatctl("down", timeout_s=30, check=False)
            if done.returncode in {0, 3}:
                return
        except subprocess.TimeoutExpired:
            pass
        self.neatctl("down", "--force", timeout_s=30)


class TestbedStarter:
    """Starts testbeds and remembers them: called with the number of replicas and more options of `up`."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._testbeds: list[Testbed] = []

    def __call__(self, replicas: int = 2, *options: str, timeout_s: float = 60) -> Testbed:
        testbed = Testbed(f"test-{os.getpid()}-{next(_numbers)}")
        self._testbeds.append(testbed)
        testbed.neatctl("up", "--replicas", str(replicas), "--detach", *options, timeout_s=timeout_s)
        return testbed

    def end(self) -> None:
        """Take all down; the first failure is raised after every one was tried."""
        failed: list[BaseException] = []
        for testbed in reversed(self._testbeds):
            try:
                testbed.down()
            except (CommandFailed, subprocess.TimeoutExpired) as error:
                failed.append(error)
        self._testbeds.clear()
        if failed:
            raise failed[0]


def wait_for(condition: Callable[[], T], timeout_s: float = 10, interval_s: float = 0.02) -> T:
    """What `condition` returns as soon as that is true; AssertionError at the time limit."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not so within {timeout_s} s: last {value!r}")
        time.sleep(interval_s)
