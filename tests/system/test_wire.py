"""What the stack sends, as tshark judges it: whole frames, right checksums, nothing that its TCP analysis finds amiss.

Recorded by `neatctl capture`, which has the checksums that the device fills in; without impairment, in both families.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.testbed import NEATCTL, Testbed, TestbedStarter, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]
Need = Callable[[str], str]
HERE = Path(__file__).parent
CHECKS = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]
AMISS = (
    "_ws.malformed or tcp.analysis.flags or _ws.expert.severity >= 0x400000 and not tcp "
    "or ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0 or icmp.checksum.status == 0 "
    "or icmpv6.checksum.status == 0"
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    site = tmp_path_factory.mktemp("wire")
    (site / "large").write_bytes(os.urandom(2_000_000))
    starter = TestbedStarter(site)
    yield starter(2, "--web", str(site))
    starter.end()


@pytest.fixture
def echo(two: Testbed) -> None:
    two.spawn(sys.executable, "-m", "neatctl.apps.echo", f"/run/neatctl/{two.name}", "--port", "7")
    replicas = [row["index"] for row in two.status()["processes"] if row["component"] == "replica"]

    def bound() -> bool:
        rows = [row for row in two.status()["processes"] if row["component"] == "replica"]
        return len(rows) == len(replicas) and all(row["gauges"].get("listeners") == 3 for row in rows)

    wait_for(bound)


def talk(two: Testbed, addresses: list[str], folder: Path, need: Need) -> None:
    """Downloads, small requests, uploads that come back, datagrams, pings, an unknown port; by the kernel's clients."""
    for address in addresses:
        url = f"http://[{address}]" if ":" in address else f"http://{address}"
        for path in ("large", "missing", "large"):
            two.client(need("curl"), "-g", "-sS", "-o", os.devnull, f"{url}/{path}")
        two.client(sys.executable, str(HERE / "tcp_echo_client.py"), address, "7", "50", "40000")
        two.client(sys.executable, str(HERE / "udp_client.py"), address, "7", "0", "1400", "8000")
        two.client(sys.executable, str(HERE / "ping.py"), address, "8", "3000")
        two.client(need("curl"), "-g", "-sS", "-m", "3", f"{url}:81/", check=False)


@pytest.mark.usefixtures("echo")
def test_tshark_finds_nothing_amiss_in_what_the_stack_sends(two: Testbed, tmp_path: Path, need: Need) -> None:
    capture = tmp_path / "sent.pcapng"
    six = str(two.status()["address6"]).partition("/")[0]
    recording = subprocess.Popen(
        [*NEATCTL, "capture", "--name", two.name, "--both", "-w", str(capture)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(lambda: capture.exists() and capture.stat().st_size > 0)
        two.client(need("curl"), "-sS", "-o", os.devnull, f"http://{two.address}/missing")
        talk(two, [two.address, six], tmp_path, need)
    finally:
        recording.send_signal(signal.SIGINT)
        recording.communicate(timeout=20)
    ours = f"(ip.src == {two.address} or ipv6.src == {six})"
    sent = shown(need("tshark"), capture, ours, "-T", "fields", "-e", "frame.protocols", "-e", "ipv6.fraghdr.ident")
    assert len(sent) > 500
    for kind in ("ip:tcp", "ip:udp", "ip:icmp", "ipv6:tcp", "ipv6:udp", "ipv6:icmpv6", "ipv6:ipv6.fraghdr"):
        assert any(kind in each for each in sent), f"nothing of {kind} was sent"
    assert shown(need("tshark"), capture, f"{ours} and ({AMISS})") == []


def shown(tshark: str, capture: Path, wanted: str, *options: str) -> list[str]:
    """The frames of a capture that a display filter takes, a line each."""
    argv = [tshark, "-r", str(capture), *CHECKS, "-Y", wanted, *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
