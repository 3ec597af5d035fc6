"""A slice of the scripts against the Linux kernel: the runner still runs, and Linux agrees on the plain life."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
SLICE = (
    "open-three-steps", "connect-three-steps", "data-gap-filled", "data-sack-newest-first", "end-both-at-once",
    "end-there-first", "loss-timeout", "challenge-reset-in-window", "paws-old-timestamp", "time-wait-higher-syn",
)  # fmt: skip


@pytest.mark.system
@pytest.mark.tap
def test_linux_agrees_on_a_slice_of_the_scripts(need) -> None:  # type: ignore[no-untyped-def]
    need("ip")
    argv = ["unshare", "-n" if os.geteuid() == 0 else "-Urn", sys.executable, "-m", "tests.scripts.kernel"]
    files = [str(SCRIPTS / f"{name}.seg") for name in SLICE]
    ran = subprocess.run(
        [*argv, *files], cwd=SCRIPTS.parents[1], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, f"{len(SLICE)} agrees\n"), ran.stderr
