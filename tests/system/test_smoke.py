"""The shortest way through everything, in both modes: up, a page, a fault, recovery, down; nothing is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.system.testbed import Testbed, TestbedStarter, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap, pytest.mark.smoke]


def test_a_page_comes_through_the_whole_stack(testbed: Testbed) -> None:
    assert len(testbed.fetch("/20b")) == 20
    assert b"<html" in testbed.fetch("/")


def test_a_megabyte_comes_as_it_was_sent(start_testbed: TestbedStarter, tmp_path: Path) -> None:
    octets = os.urandom(1_000_000)
    (tmp_path / "file").write_bytes(octets)
    assert start_testbed(2, "--web", str(tmp_path)).fetch("/file") == octets


def test_the_stack_serves_on_after_each_replica_was_killed_once(testbed: Testbed) -> None:
    for replica in ("1", "2"):
        testbed.neatctl("inject-fault", "tcp", replica, "--wait")
        assert len(testbed.fetch()) == 20
    restarts = {row["index"]: row["restarts"] for row in testbed.status()["processes"] if row["component"] == "replica"}
    assert restarts == {1: 1, 2: 1}


def test_testbeds_stand_side_by_side_and_leave_nothing(start_testbed: TestbedStarter) -> None:
    one, two = start_testbed(1), start_testbed(1)
    assert len(one.fetch()) == len(two.fetch()) == 20
    namespaces = [one.client_netns, two.client_netns]
    processes = [row["pid"] for bed in (one, two) for row in bed.status()["processes"]]
    one.down()
    assert len(two.fetch()) == 20
    two.down()
    assert one.neatctl("status", check=False).returncode == 3
    assert not [name for name in namespaces if Path("/run/netns", name).exists()]
    wait_for(lambda: not [pid for pid in processes if Path(f"/proc/{pid}").exists()])


def test_a_killed_supervisor_leaves_nothing_that_force_does_not_clear(testbed: Testbed) -> None:
    status = testbed.status()
    supervisor = int(Path(f"/proc/{status['processes'][0]['pid']}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    testbed.neatctl("down", "--force")
    wait_for(lambda: not [row for row in status["processes"] if Path(f"/proc/{row['pid']}").exists()])
    testbed.neatctl("up", "--detach")
    assert len(testbed.fetch()) == 20
