"""Clients that were not written with this stack in mind, each under load, each without a single error."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.testbed import Testbed, TestbedStarter, run, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]
Need = Callable[[str], str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    (directory / "20b").write_bytes(b"x" * 20)
    (directory / "middle").write_bytes(os.urandom(1_000_000))
    (directory / "large").write_bytes(os.urandom(100_000_000))
    return directory


@pytest.fixture(scope="module")
def four(site: Path) -> Iterator[Testbed]:
    """Four replicas that serve the site, for all tests of this file."""
    starter = TestbedStarter(site)
    yield starter(4, "--web", str(site))
    starter.end()


def test_curl_gets_100_megabytes_as_they_were_sent(four: Testbed, site: Path, tmp_path: Path, need: Need) -> None:
    four.client(need("curl"), "-sS", "--fail", "-o", str(tmp_path / "got"), f"http://{four.address}/large")
    got, sent = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "got", site / "large"))
    assert got == sent


def test_200_curls_at_once(four: Testbed, need: Need) -> None:
    options = ["-sS", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "200", "--no-keepalive"]
    urls = [f"http://{four.address}/20b?{number}" for number in range(200)]
    assert four.client(need("curl"), *options, *urls).stdout == "x" * 20 * 200


def test_wrk_with_256_connections(four: Testbed, need: Need) -> None:
    printed = four.client(need("wrk"), "-t1", "-c256", "-d3s", f"http://{four.address}/20b").stdout
    assert re.search(r"Requests/sec: +[1-9]", printed)
    assert "Socket errors" not in printed
    assert "Non-2xx" not in printed


def test_httperf_with_100_calls_a_connection(four: Testbed, need: Need) -> None:
    options = ["--hog", "--num-conns", "200", "--rate", "100", "--num-calls", "100", "--timeout", "5"]
    printed = four.client(need("httperf"), *options, "--server", four.address, "--uri", "/20b").stdout
    assert "Reply status: 1xx=0 2xx=20000 3xx=0 4xx=0 5xx=0" in printed
    assert "Errors: total 0 " in printed


@pytest.mark.parametrize("keep_alive", [["-k"], []], ids=["keep-alive", "a connection for every request"])
def test_ab(four: Testbed, need: Need, keep_alive: list[str]) -> None:
    printed = four.client(need("ab"), "-q", *keep_alive, "-n", "5000", "-c", "50", f"http://{four.address}/20b").stdout
    assert re.search(r"Complete requests: +5000\n", printed)
    assert re.search(r"Failed requests: +0\n", printed)
    assert "Non-2xx" not in printed


def test_tshark_finds_nothing_to_warn_of(four: Testbed, tmp_path: Path, need: Need) -> None:
    netns, capture = four.client_netns, tmp_path / "capture.pcapng"
    links = run([need("ip"), "-n", netns, "-o", "link", "show", "type", "tun"]).stdout
    device = links.split(": ")[1]
    tshark = four.spawn(need("tshark"), "-q", "-B", "64", "-i", device, "-w", str(capture))
    assert tshark.stderr is not None
    while "Capturing" not in tshark.stderr.readline():
        assert tshark.poll() is None
    time.sleep(1)  # dumpcap says so a little before it is so
    for path in ("20b", "missing", "middle"):
        curl = f"{need('curl')} -sS -o {tmp_path}/{path} http://{four.address}/{path}"
        four.client("sh", "-c", f"for number in 1 2 3 4 5; do {curl} || exit; done")
    wait_for(lambda: capture.stat().st_size > 5_000_000)
    os.killpg(tshark.pid, signal.SIGINT)
    tshark.wait(10)
    argv = ["tshark", "-r", str(capture), "-q", "-z", "expert,warn"]
    report = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert not re.search(r"^(?:Errors|Warns)", report, re.M), report
