"""The driver on a real TAP, with the Linux kernel as the peer, in a network namespace of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from neatctl.nic.devices.tap import open_tap

ROOT = Path(__file__).parents[3]


@pytest.mark.tap
def test_the_kernel_talks_through_the_driver_with_offloads(need: Callable[[str], str]) -> None:
    need("ip")
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    done = subprocess.run(
        [*unshare, sys.executable, "-m", "tests.nic.tap_conversation"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["echoed"] == "hello"
    assert seen["up"], "a stream from the kernel arrives whole"
    assert seen["down"], "super-frames to the kernel are segmented and checksummed by it"
    assert seen["udp_needs_checksum"]
    assert seen["gso"]
    assert seen["largest"] > 10_000, "the kernel's super-frames come through as one record"
    assert seen["flows"] == 1
    assert seen["refused_when_down"] == 1
    assert seen["counters"]["rx_frames"] >= seen["counters"]["to_replica_1"] > 0


@pytest.mark.parametrize("name", ["", "sixteen-octets!!"])
def test_a_name_that_no_interface_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 15 octets"):
        open_tap(name)
