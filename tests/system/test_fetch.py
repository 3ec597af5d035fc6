"""`neatctl fetch`: connections that replicas open to a server on kernel sockets, and a replica that dies meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.testbed import NEATCTL, Testbed, TestbedStarter, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]
PORT = 8000
BODY = os.urandom(1_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
CONNECTIONS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    (folder / "body").write_bytes(BODY)
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> Iterator[Testbed]:
    starter = TestbedStarter(folder)
    yield starter(2, "--ecn")
    starter.end()


@pytest.fixture(scope="module")
def server(two: Testbed, folder: Path) -> subprocess.Popen[str]:
    """A web server where the clients are."""
    script = str(Path(__file__).with_name("http_server.py"))
    process = two.spawn(sys.executable, script, str(PORT), str(folder / "body"), str(folder / "gate"))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def url(two: Testbed, path: str, port: int = PORT) -> str:
    address = two.status()["client_address"].partition("/")[0]
    return f"http://{address}:{port}{path}"


def conflicts(two: Testbed) -> int:
    """How often a replica claimed the flow of another, or broke the rules of its queue."""
    [driver] = [row for row in two.status()["processes"] if row["component"] == "driver"]
    return int(driver["counters"]["flow_conflict"] + driver["counters"]["peer_faults"])


@pytest.mark.usefixtures("server")
def test_every_replica_opens_connections_and_no_octet_is_wrong(two: Testbed, folder: Path) -> None:
    out = folder / "got"
    report = two.json("fetch", url(two, "/whole"), "--connections", str(CONNECTIONS), "-o", str(out))
    assert (report["completed"], report["failed"], report["sha256"]) == (CONNECTIONS, 0, [SHA256])
    assert report["octets"] == CONNECTIONS * len(BODY)
    assert set(report["replicas"]) == {"1", "2"}
    assert sum(report["replicas"].values()) == CONNECTIONS
    ports = {each["local_port"] for each in report["connections"]}
    assert len(ports) == CONNECTIONS
    assert out.read_bytes() == BODY
    assert conflicts(two) == 0


@pytest.mark.usefixtures("server")
def test_replicas_open_connections_over_ipv6_and_ask_for_ecn(two: Testbed) -> None:
    client = next(
        line.split()[3]
        for line in two.client("ip", "-6", "-o", "addr", "show", "scope", "global").stdout.splitlines()
    ).partition("/")[0]
    whole = f"http://[{client}]:{PORT}/whole"
    # Nothing is sent from an address as long as duplicates of it are looked for.
    wait_for(lambda: two.neatctl("fetch", whole, "--connections", "8", check=False).returncode == 0)
    report = two.json("fetch", whole, "--connections", "8")
    assert (report["completed"], report["failed"], report["sha256"]) == (8, 0, [SHA256])
    marked = two.client("grep", "Ip6InECT0Pkts", "/proc/net/snmp6").stdout.split()
    assert int(marked[1]) >= 8, "the requests left ECN-capable"
    done = two.neatctl("fetch", f"http://[{client}]:8001/", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Connection refused" in done.stderr


@pytest.mark.usefixtures("server")
def test_what_cannot_be_fetched_says_so(two: Testbed, folder: Path) -> None:
    out = folder / "nothing"
    for target, said in (
        (url(two, "/", 8001), "port 8001: Connection refused"),
        (url(two, "/missing"), "the server answers 404"),
    ):
        done = two.neatctl("fetch", target, "-o", str(out), check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
    assert list(folder.glob("nothing*")) == []


def test_a_replica_that_dies_fails_its_own_connections_and_no_others(
    two: Testbed, server: subprocess.Popen[str], folder: Path
) -> None:
    argv = [*NEATCTL, "fetch", "--name", two.name, url(two, "/gated"), "--connections", str(CONNECTIONS), "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as fetching:
        assert server.stdout is not None
        for _ in range(CONNECTIONS):
            assert server.stdout.readline() == "half\n"
        two.neatctl("inject-fault", "tcp", "1", "--wait")
        (folder / "gate").touch()
        printed, _ = fetching.communicate(timeout=30)
    report: dict[str, Any] = json.loads(printed)
    assert fetching.returncode == 1
    for each in report["connections"]:
        expected = ("", "Connection reset by peer") if each["replica"] == 1 else (SHA256, "")
        assert (each["sha256"], each["error"]) == expected
    assert set(report["replicas"]) == {"1", "2"}
    assert conflicts(two) == 0
    again = two.json("fetch", url(two, "/whole"), "--connections", str(CONNECTIONS))
    assert (again["failed"], again["sha256"]) == (0, [SHA256])
