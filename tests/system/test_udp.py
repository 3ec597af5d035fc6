"""UDP from end to end: the kernel's sockets, a TAP, the NIC, the replicas, and programs on the socket library."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.testbed import Testbed, TestbedStarter, run, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]
PORT = 7
SIZES = [0, 1, 1472, 1473, 8000, 65000]
CLIENT = Path(__file__).with_name("udp_client.py")
ASKING = Path(__file__).with_name("udp_asking.py")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    starter = TestbedStarter(tmp_path_factory.mktemp("udp"))
    yield starter(2)
    starter.end()


def replicas(two: Testbed) -> list[dict[str, Any]]:
    return [row for row in two.status()["processes"] if row["component"] == "replica"]


def bound(two: Testbed) -> bool:
    """Whether each replica has the echo server's sockets beside the web server's."""
    rows = replicas(two)
    return len(rows) == 2 and all(row["state"] == "serving" and row["gauges"].get("listeners") == 3 for row in rows)


@pytest.fixture(scope="module")
def echo(two: Testbed) -> subprocess.Popen[str]:
    place = f"/run/neatctl/{two.name}"
    process = two.spawn(sys.executable, "-m", "neatctl.apps.echo", place, "--port", str(PORT))
    wait_for(lambda: bound(two))
    return process


def ask(two: Testbed, family: int, *arguments: str) -> dict[str, Any]:
    """What a kernel's client got back: answers by size, and from how many sockets."""
    address = two.address if family == 4 else str(two.status()["address6"]).partition("/")[0]
    answer: dict[str, Any] = json.loads(two.client(sys.executable, str(CLIENT), address, str(PORT), *arguments).stdout)
    return answer


def counted(two: Testbed, name: str) -> list[int]:
    return [row["counters"][name] for row in replicas(two)]


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("family", [4, 6])
def test_datagrams_of_all_sizes_come_back_whole_through_both_replicas(two: Testbed, family: int) -> None:
    before = counted(two, "udp_delivered")
    answer = ask(two, family, *map(str, SIZES))
    assert answer["right"] == len(SIZES) * answer["sockets"], answer
    after = counted(two, "udp_delivered")
    assert all(now > then for now, then in zip(after, before, strict=True))


@pytest.mark.usefixtures("echo")
def test_a_replica_that_is_born_again_has_the_sockets(two: Testbed) -> None:
    two.neatctl("inject-fault", "tcp", "2")
    wait_for(lambda: [row["restarts"] for row in replicas(two)] == [0, 1] and bound(two))
    answer = ask(two, 4, "100")
    assert answer["right"] == answer["sockets"], answer
    assert min(counted(two, "udp_delivered")) > 0


def test_a_program_that_does_not_read_costs_datagrams_and_nothing_else(
    two: Testbed, echo: subprocess.Popen[str]
) -> None:
    before = sum(counted(two, "udp_drop_application_full"))
    os.kill(echo.pid, signal.SIGSTOP)
    try:
        two.client(sys.executable, str(CLIENT), two.address, str(PORT), "--flood", "2000")
        wait_for(lambda: sum(counted(two, "udp_drop_application_full")) > before)
        assert two.fetch()
    finally:
        os.kill(echo.pid, signal.SIGCONT)
    answer = ask(two, 4, "100")
    assert answer["right"] == answer["sockets"], answer


def test_sockets_of_the_library_ask_kernel_servers_and_hear_refusals(two: Testbed) -> None:
    """Datagrams that the stack begins, from ports that it chooses, in both families, and errors that come back."""
    server = two.spawn(sys.executable, str(CLIENT), "--serve", "9999")
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    for address in (str(two.status()["client_address"]), "fd77::1"):
        done = run([sys.executable, str(ASKING), f"/run/neatctl/{two.name}", address, "9999"])
        result = json.loads(done.stdout)
        assert result["answers"] == [0, 1, 1400, 8000, 65000]
        assert result["refused"] == "ECONNREFUSED"
        assert len(set(result["ports"])) == 4
