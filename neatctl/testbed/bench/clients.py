"""Load clients: ours, wrk and httperf behind one face. What can be asked of each, its command line, its report.

Processes are started by `runner`. Pure but for looking up the programs and their versions.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Protocol

from neatctl.testbed.bench import httperf, own_client, wrk
from neatctl.testbed.bench.outcome import Outcome
from neatctl.testbed.bench.results import Workload

CLIENTS = ("own", "wrk", "httperf")


class LoadClient(Protocol):
    """A program that loads. Modules are clients."""

    PROGRAM: str
    """What must be installed, and in which Debian package; "" for our own."""
    WARMS_UP: bool
    """Whether one process does warm-up and measurement; if not, another one before it warms up."""

    def lacks(self, workload: Workload, /) -> str:
        """What it cannot do of this workload, with what to do instead; "" if all."""

    def command(self, url: str, workload: Workload, seed: int, directory: str, /) -> list[str]:
        """The command line; files that it needs are written to `directory`."""

    def outcome(self, out: str, err: str, code: int, workload: Workload, /) -> Outcome:
        """What the process said. BadOutput when that is not to be understood."""


def client_of(name: str) -> LoadClient:
    """The client of this name, one of CLIENTS."""
    known: dict[str, LoadClient] = {"own": own_client, "wrk": wrk, "httperf": httperf}
    return known[name]


def missing(name: str) -> str:
    """What is to be installed for a client; "" if it is there."""
    program = client_of(name).PROGRAM
    if not program or shutil.which(program):
        return ""
    return f"{program} is not installed: apt-get install {program}, or take --client own"


def version(name: str) -> str:
    """Name and version, as the client itself tells."""
    program = client_of(name).PROGRAM
    if not program:
        from neatctl import __version__

        return f"neatctl.apps.load {__version__}"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10)
    found = re.search(rf"{program}[-/ ](?:debian/)?(\d+\.\d\S*)", done.stdout + done.stderr)
    return f"{program} {found[1]}" if found else program
