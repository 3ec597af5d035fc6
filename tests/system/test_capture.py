"""`neatctl capture`: the packets of a request, with the replica that served it; also over a crash of the driver."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.testbed import NEATCTL, Testbed, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]


def mirrors(testbed: Testbed) -> int:
    """How many rings of mirrors there are."""
    rings = Path("/run/neatctl") / testbed.name / "rings"
    return sum(path.name.startswith("mirror.") for path in rings.iterdir())


class Running:
    """A capture that goes on beside the test."""

    def __init__(self, testbed: Testbed, *options: str) -> None:
        before = mirrors(testbed)
        argv = [*NEATCTL, "capture", "--name", testbed.name, "--json", *options]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: mirrors(testbed) > before)

    def end(self) -> Any:
        """Ctrl-C; the report."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=10)
        assert self.process.returncode == 0, err
        return json.loads(out)


def served(testbed: Testbed) -> dict[str, int]:
    """Connections that each replica has accepted so far."""
    rows = testbed.status()["processes"]
    return {str(row["index"]): row["counters"]["tcp_accepted"] for row in rows if row["component"] == "replica"}


def test_a_request_is_captured_with_the_replica_that_served_it(shared_testbed: Testbed, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    before = served(shared_testbed)
    running = Running(shared_testbed, "--write", str(path), "--both", "--filter", "tcp port 80")
    assert len(shared_testbed.fetch("/1m")) == 1 << 20
    wait_for(lambda: served(shared_testbed) != before)
    after = served(shared_testbed)
    report = running.end()
    ((replica),) = [number for number, count in after.items() if count != before[number]]
    counted = {(kind["replica"], kind["direction"], kind["kind"]): kind["frames"] for kind in report["kinds"]}
    assert {number for number, *_ in counted} == {replica}
    assert counted[replica, "received", "tcp_syn"] == counted[replica, "sent", "tcp_syn_ack"] == 1
    assert counted[replica, "sent", "tcp_data"] >= 1
    assert report["lost"] == 0
    wait_for(lambda: mirrors(shared_testbed) == 0)
    if shutil.which("tshark"):
        names = ["-e", "frame.comment", "-e", "tcp.checksum.status", "-e", "ip.checksum.status"]
        argv = ["tshark", "-r", str(path), "-T", "fields", *names, "-o", "tcp.check_checksum:TRUE"]
        argv += ["-o", "ip.check_checksum:TRUE"]
        lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(lines) == report["frames"]
        assert set(lines) == {f"sent by replica {replica}\t1\t1", f"for replica {replica}\t1\t1"}


def test_a_capture_goes_on_with_the_next_driver_and_ends_with_its_reader(start_testbed: Any) -> None:
    testbed: Testbed = start_testbed(1)
    running = Running(testbed)
    testbed.fetch()
    testbed.neatctl("inject-fault", "driver", "--wait")
    testbed.fetch()
    killed = Running(testbed)
    killed.process.kill()
    killed.process.communicate()
    kinds = {kind["kind"]: kind["frames"] for kind in running.end()["kinds"]}
    assert kinds["tcp_syn_ack"] == 2
    wait_for(lambda: mirrors(testbed) == 0)
    assert len(testbed.fetch()) == 20


def test_mistakes_get_a_line_and_the_right_code(shared_testbed: Testbed) -> None:
    for options, code, said in (
        (["--filter", "tcp and"], 2, "is no filter"),
        (["--replica", "0"], 2, "numbered from 1"),
        (["--write", "/nowhere/out"], 2, "/nowhere/out: No such file or directory"),
        (["--write", "-", "--json"], 2, "for a pipe"),
        (["--name", "test-none"], 3, "no testbed named test-none"),
    ):
        done = shared_testbed.neatctl("capture", *options, check=False)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
