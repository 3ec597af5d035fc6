"""What our stack is measured against: lighttpd on Linux and the ceiling, beside a testbed, and what they leave."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from neatctl.core.native import COMPILED
from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.bench import limit, linux, own, site
from neatctl.testbed.bench.results import Workload
from neatctl.testbed.bench.runner import CannotMeasure, Target, run_once
from tests.system.testbed import Testbed, run, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]
SHORT = Workload(connections=8, seconds=0.5, warm_up_s=0.1)


@pytest.fixture
def beside(shared_testbed: Testbed) -> Iterator[Target]:
    """A testbed as a target; whatever a test put beside it must be gone afterwards."""
    target = own.running(RunDirectory(shared_testbed.name))
    before = shared_testbed.client("ls", "/sys/class/net").stdout
    yield target
    assert shared_testbed.client("ls", "/sys/class/net").stdout == before


@pytest.fixture
def files(tmp_path: Path) -> Path:
    site.fill(tmp_path, [SHORT], 1)
    return tmp_path


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_lighttpd_on_linux(beside: Target, files: Path, need: Callable[[str], str]) -> None:
    need("lighttpd")
    with linux.lighttpd(beside, files, instances=2) as target:
        pids = target.processes()["linux"]
        assert len(pids) == len(target.urls) == 2
        made = run_once(target, replace(SHORT, workers=2))
        assert made.errors_total == 0
        assert made.requests > 100
        assert made.cpu is not None
        assert made.cpu.us_per_request["linux"] > 0
        assert "lighttpd" in target.facts.version
        for pid in pids:
            user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[11:13]
            assert int(user) + int(system) > 0, "both were asked"
    assert gone(pids)
    with pytest.raises(CannotMeasure, match="does not start"), linux.lighttpd(beside, files / 'a"b'):
        pass


def test_the_ceiling(beside: Target, files: Path, need: Callable[[str], str]) -> None:
    with limit.limit(beside, files, "/20b") as target:
        pids = target.processes()["limit"]
        need("curl")
        curl = [*target.client_prefix, "curl", "-sS", "-m", "5", "-o", str(files / "got"), "-w", "%{http_code}"]
        assert run([*curl, target.facts.url]).stdout == "200"
        assert (files / "got").read_bytes() == (files / "20b").read_bytes()
        for client, on_each in (("own", 10), ("own", 1), ("wrk", 0)):
            if client == "wrk":
                need("wrk")
            seconds = 1.0 if client == "wrk" else 0.5
            load = replace(SHORT, seconds=seconds, warm_up_s=0, client=client, requests_per_connection=on_each)
            made = run_once(target, load)
            assert made.errors_total == 0, made.error_reasons
            assert made.requests > (1000 if COMPILED else 50)
    assert gone(pids)


def test_nothing_is_left_by_who_is_killed(beside: Target, files: Path, need: Callable[[str], str]) -> None:
    need("lighttpd")
    child = os.fork()
    if child == 0:
        with linux.lighttpd(beside, files, instances=2), limit.limit(beside, files, "/20b"):
            os.kill(os.getpid(), 9)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    devices = (f"vo{child}", f"lim{child}")
    listed = [*beside.client_prefix, "ls", "/sys/class/net"]
    wait_for(lambda: not any(name in run(listed).stdout for name in devices))
