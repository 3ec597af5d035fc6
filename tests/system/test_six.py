"""IPv6 from end to end, and fragments of both families: the kernel's clients, a TAP, the NIC, the replicas."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.testbed import Testbed, TestbedStarter

pytestmark = [pytest.mark.system, pytest.mark.tap]
Need = Callable[[str], str]
PING = Path(__file__).with_name("ping.py")
SIZES = ("8", "1000", "1452", "1454", "8000", "60000")
REFUSED = """
import socket, sys
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(3)
sock.connect((sys.argv[1], 9))
sock.send(b"x")
try:
    sock.recv(1)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit("it was not refused")
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """Two replicas that serve a file of a megabyte."""
    site = tmp_path_factory.mktemp("six")
    (site / "middle").write_bytes(os.urandom(1_000_000))
    starter = TestbedStarter(site)
    testbed = starter(2, "--web", str(site))
    testbed.site = site  # type: ignore[attr-defined]
    yield testbed
    starter.end()


def address6(testbed: Testbed) -> str:
    return str(testbed.status()["address6"]).partition("/")[0]


def test_curl_gets_a_file_over_ipv6_through_both_replicas(two: Testbed, tmp_path: Path, need: Need) -> None:
    files = [tmp_path / str(number) for number in range(8)]
    options = [word for file in files for word in ("-o", str(file), f"http://[{address6(two)}]/middle")]
    two.client(need("curl"), "-6", "-g", "-sS", "--fail", "--parallel", "--no-keepalive", *options)
    expected = hashlib.sha256((two.site / "middle").read_bytes()).hexdigest()  # type: ignore[attr-defined]
    assert {hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == {expected}
    rows = [row for row in two.status()["processes"] if row["component"] == "replica"]
    assert len(rows) == 2
    assert all(row["counters"]["tcp_accepted"] for row in rows)


@pytest.mark.parametrize("family", [4, 6])
def test_echo_requests_are_answered_whole_and_in_fragments(two: Testbed, family: int) -> None:
    two.client(sys.executable, str(PING), two.address if family == 4 else address6(two), *SIZES)


@pytest.mark.parametrize("family", [4, 6])
def test_a_datagram_to_a_port_of_nobody_is_refused(two: Testbed, family: int) -> None:
    two.client(sys.executable, "-c", REFUSED, two.address if family == 4 else address6(two))
