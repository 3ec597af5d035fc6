"""`neatctl replay --stateful`: curl is captured in the driver and by the kernel, and played to the live server."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_capture import Running
from tests.system.testbed import Testbed

pytestmark = [pytest.mark.system, pytest.mark.tap]
SIZE = 300_000
CHANGED = 123_456
ETAG = 'ETag: "[0-9a-f]*"'


def recorded(testbed: Testbed, directory: Path) -> list[Path]:
    """Two connections of curl, the second with two requests, as the driver and as the clients' kernel saw them."""
    paths = [directory / "driver.pcapng", directory / "kernel.pcap"]
    by_driver = Running(testbed, "--write", str(paths[0]), "--both")
    script = Path(__file__).with_name("packet_capture.py")
    root = str(script.parent.parent.parent)
    by_kernel = testbed.spawn("env", f"PYTHONPATH={root}", sys.executable, str(script), "neat0", str(paths[1]))
    assert by_kernel.stdout is not None
    assert by_kernel.stdout.readline() == "begun\n"
    url = f"http://{testbed.address}"
    testbed.client("curl", "-sS", "-o", "/dev/null", f"{url}/file")
    testbed.client("curl", "-sS", "-o", "/dev/null", "-o", "/dev/null", f"{url}/small", f"{url}/file")
    time.sleep(0.3)  # the last segments go when curl has ended
    by_driver.end()
    os.killpg(by_kernel.pid, signal.SIGTERM)
    by_kernel.wait(timeout=10)
    return paths


def played(testbed: Testbed, path: Path, *options: str) -> tuple[int, Any]:
    done = testbed.neatctl("replay", str(path), "--stateful", "--json", *options, check=False)
    return done.returncode, json.loads(done.stdout)


def test_captured_clients_are_answered_alike_until_an_octet_changes(start_testbed: Any, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    content = bytearray(os.urandom(SIZE))
    (site / "file").write_bytes(content)
    (site / "small").write_text("small")
    testbed: Testbed = start_testbed(2, "--web", str(site))
    paths = recorded(testbed, tmp_path)
    for path in paths:
        code, report = played(testbed, path)
        assert (code, report["equal"], report["ended"], report["end_differs"]) == (0, 2, {"closed": 2}, 0), report
        assert [each["live_octets"] > SIZE for each in report["connections"]] == [True, True]
        assert [each["masked_places"] for each in report["connections"]] == [1, 2]

    assert played(testbed, paths[1], "--speed", "max", "--connections", "2", "--with-dates")[0] == 1

    # Another octet in the file, nothing else: neither its time nor its length.
    times = os.stat(site / "file")
    content[CHANGED] ^= 1
    (site / "file").write_bytes(content)
    os.utime(site / "file", ns=(times.st_atime_ns, times.st_mtime_ns))
    testbed.neatctl("inject-fault", "web", "--wait")
    code, report = played(testbed, paths[0], "--ignore", ETAG)
    assert (code, report["equal"], report["different"]) == (1, 0, 2)
    for each in report["connections"]:
        header = each["captured_octets"] - SIZE
        assert each["difference"]["captured_offset"] == each["difference"]["live_offset"] == header + CHANGED
        at = each["difference"]["before"]
        live, captured = (bytes.fromhex(each["difference"][f"{which}_hex"]) for which in ("live", "captured"))
        assert (live[at], live[at] ^ captured[at]) == (content[CHANGED], 1)
    shown = testbed.neatctl("replay", str(paths[1]), "--stateful", check=False)
    assert (shown.returncode, "the first difference is at octet" in shown.stdout) == (1, True)
    assert "places, " in shown.stderr
    assert "Date headers (--with-dates compares them)" in shown.stderr


def test_who_cannot_be_played_to_is_said_in_a_line(shared_testbed: Testbed) -> None:
    web = str(Path(__file__).parent.parent.parent / "scenarios" / "web.pcap")
    for options, code, said in (
        (["--server", "10.77.0.9"], 1, "nobody on the testbed's link answers to 10.77.0.9"),
        (["--bpf", "udp"], 1, "no TCP connection that could be played"),
    ):
        done = shared_testbed.neatctl("replay", web, "--stateful", *options, check=False)
        assert (done.returncode, said in done.stderr) == (code, True), (options, done.stderr)
        assert "Traceback" not in done.stderr
