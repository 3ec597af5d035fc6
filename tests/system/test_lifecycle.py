"""The life of a testbed as its user sees it: up, faults, recovery, scaling, down, and what is left afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.system.testbed import NEATCTL, Testbed, TestbedStarter, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]


def processes(testbed: Testbed) -> dict[tuple[str, int], dict[str, Any]]:
    """The rows of status by component and index."""
    return {(row["component"], row["index"]): row for row in testbed.status()["processes"]}


def events(testbed: Testbed, after: int = 0) -> list[dict[str, Any]]:
    lines = testbed.neatctl("events", "--json").stdout.splitlines()
    return [event for event in map(json.loads, lines) if event["serial"] > after]


def last_serial(testbed: Testbed) -> int:
    return int(events(testbed)[-1]["serial"])


def start_load(testbed: Testbed, connections: int, seconds: float) -> subprocess.Popen[str]:
    url = f"http://{testbed.address}/20b"
    how = ["--connections", str(connections), "--seconds", str(seconds), "--rate", "2500"]
    argv = ["-m", "neatctl.apps.load", url, *how]
    return testbed.spawn(sys.executable, *argv)


def finish(load: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = load.communicate(timeout=60)
    assert load.returncode == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def connections_of(testbed: Testbed) -> int:
    return sum(row["connections"] or 0 for row in testbed.status()["processes"])


# ---- up and down ----
def test_status_tells_what_a_script_needs(shared_testbed: Testbed) -> None:
    status = shared_testbed.status()
    assert (status["schema"], status["name"], status["state"]) == (1, shared_testbed.name, "serving")
    assert status["address"] == "10.77.0.2/24"
    if os.geteuid() == 0:
        assert Path("/run/netns", status["client_netns"]).exists()
    rows = processes(shared_testbed)
    assert {("driver", 0), ("syscall", 0), ("replica", 1), ("replica", 2), ("web", 0)} <= set(rows)
    assert len({row["pid"] for row in rows.values()}) == len(rows), "each is a process of its own"
    replicas = [row for row in rows.values() if row["component"] == "replica"]
    assert all(0 < row["memory_octets"] <= 40 << 20 for row in replicas) or not status["compiled"]


def test_status_changes_nothing(shared_testbed: Testbed) -> None:
    before = last_serial(shared_testbed)
    for _ in range(2):
        shared_testbed.status()
        shared_testbed.neatctl("status")
    assert last_serial(shared_testbed) == before


def test_exec_passes_output_and_exit_code_on(shared_testbed: Testbed) -> None:
    done = shared_testbed.client("sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert "10.77.0.1/24" in shared_testbed.client("ip", "-4", "addr", "show", "neat0").stdout
    assert shared_testbed.client("no-such-command", check=False).returncode == 127


def test_a_second_up_of_the_name_is_refused_and_disturbs_nobody(shared_testbed: Testbed) -> None:
    before = processes(shared_testbed)
    refused = shared_testbed.neatctl("up", "--detach", check=False)
    assert refused.returncode == 1
    assert "is running" in refused.stderr
    assert {key: row["pid"] for key, row in processes(shared_testbed).items()} == {
        key: row["pid"] for key, row in before.items()
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tcp", "9"], "replica 9 is not running"),
        (["tcp"], "needs the number of a replica"),
        (["disk"], "there is no component `disk`"),
        (["driver", "3"], "driver 3 is not running"),
        (["web", "--kind", "exception"], "web takes"),
        (["tcp", "1", "--kind", "bad-luck"], "replica takes"),
    ],
)
def test_a_fault_without_a_target_exits_with_2_and_changes_nothing(
    shared_testbed: Testbed, arguments: list[str], said: str
) -> None:
    before = last_serial(shared_testbed)
    done = shared_testbed.neatctl("inject-fault", *arguments, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert last_serial(shared_testbed) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_ends_in_order_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    testbed = Testbed(f"test-{os.getpid()}-fg{number}")
    with (
        open(tmp_path / "out", "w") as out,
        subprocess.Popen(
            [*NEATCTL, "up", "--name", testbed.name, "--replicas", "1"], stdout=out, stderr=out, start_new_session=True
        ) as up,
    ):
        try:
            wait_for(lambda: "neatctl exec" in (tmp_path / "out").read_text(), 30)
            pids = [row["pid"] for row in testbed.status()["processes"]]
            assert len(testbed.fetch()) == 20
            up.send_signal(number)
            assert up.wait(20) == 0
        finally:
            testbed.neatctl("down", "--force")
    assert "stopping" in (tmp_path / "out").read_text()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert testbed.neatctl("status", check=False).returncode == 3
    assert not list(Path("/dev/shm").glob(f"neatctl-*-{testbed.name}"))
    assert not Path("/run/netns", f"neatctl-{testbed.name}").exists()


def test_up_clears_what_a_killed_supervisor_left(testbed: Testbed) -> None:
    rows = testbed.status()["processes"]
    supervisor = int(Path(f"/proc/{rows[0]['pid']}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: testbed.neatctl("status", check=False).returncode == 3)
    assert "down --force" in testbed.neatctl("exec", "--", "true", check=False).stderr
    testbed.neatctl("up", "--detach")
    assert len(testbed.fetch()) == 20


def test_up_says_why_it_cannot(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "secret").write_bytes(b"x")
    file = tmp_path / "lab.toml"
    file.write_text(f'web = "{site}"\nname = "test-{os.getpid()}-no"\n')
    started = subprocess.Popen([*NEATCTL, "up", "--config", str(file)], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    (site / "secret").unlink()
    site.rmdir()
    _, said = started.communicate(timeout=60)
    assert started.returncode in {1, 2}
    assert str(site).encode() in said


# ---- faults ----
@pytest.mark.parametrize(
    ("component", "kind"),
    [
        *((component, kind) for component in ("tcp 2", "driver", "syscall", "web") for kind in ("kill", "hang")),
        ("web", "segv"),
        ("tcp 2", "exception"),
        ("driver", "exception"),
        ("syscall", "exception"),
        ("tcp 1", "spin"),
    ],
)
def test_whatever_fails_serves_again(shared_testbed: Testbed, component: str, kind: str) -> None:
    before = processes(shared_testbed)
    shared_testbed.neatctl("inject-fault", *component.split(), "--kind", kind, "--wait")
    assert len(shared_testbed.fetch()) == 20
    seen = events(shared_testbed)
    start = max(at for at, event in enumerate(seen) if event["event"] == "fault_injected")
    seen = seen[start:]
    names = [event["event"] for event in seen]
    order = [names.index(name) for name in ("fault_injected", "crashed", "detected", "restarted", "serving")]
    assert order == sorted(order)
    serving = next(event for event in seen if event["event"] == "serving")
    assert serving["since_failure_us"] < (1_500_000 if kind in {"hang", "spin"} else 1_000_000)
    name, _, index = component.partition(" ")
    key = ("replica", int(index)) if index else (name, 0)
    after = processes(shared_testbed)
    assert after[key]["pid"] != before[key]["pid"]
    assert after[key]["generation"] == before[key]["generation"] + 1
    others = set(before) - {key} - {k for k in before if k[0] == "standby"}
    assert {k: after[k]["pid"] for k in others} == {k: before[k]["pid"] for k in others}


def test_recover_restarts_on_request_and_waits(shared_testbed: Testbed) -> None:
    before = processes(shared_testbed)["replica", 1]
    said = json.loads(shared_testbed.neatctl("recover", "ip", "1", "--json").stdout)
    after = processes(shared_testbed)["replica", 1]
    assert (said["component"], said["pid"]) == ("replica", before["pid"])
    assert (after["state"], after["restarts"]) == ("serving", before["restarts"] + 1)


def test_a_killed_replica_loses_its_own_connections_and_no_others(start_testbed: TestbedStarter) -> None:
    testbed = start_testbed(4)
    load = start_load(testbed, 100, 4.0)
    wait_for(lambda: connections_of(testbed) == 100)
    wait_for(lambda: (processes(testbed)["replica", 2]["packets_in"] or 0) > 500)
    serial = last_serial(testbed)
    testbed.neatctl("inject-fault", "tcp", "2", "--wait")
    report = finish(load)
    crashed = next(event for event in events(testbed, serial) if event["event"] == "crashed")
    assert 0 < crashed["connections_lost"] < 100
    assert report["broken_connections"] == crashed["connections_lost"]
    assert report["errors"]["content"] == report["errors"]["status"] == report["errors"]["timeout"] == 0


def test_a_download_survives_driver_and_syscall_server(start_testbed: TestbedStarter, tmp_path: Path) -> None:
    octets = os.urandom(1 << 20) * 100
    (tmp_path / "big").write_bytes(octets)
    testbed = start_testbed(2, "--web", str(tmp_path))
    url = f"http://{testbed.address}/big"
    curl = testbed.spawn("sh", "-c", f"curl -sS --fail --limit-rate 60M --max-time 60 {url} | sha256sum")
    wait_for(lambda: (processes(testbed)["driver", 0]["packets_out"] or 0) > 200)
    for component in ("driver", "syscall", "driver"):
        testbed.neatctl("inject-fault", component, "--wait")
    out, err = curl.communicate(timeout=60)
    assert out.split()[0] == sha256(octets).hexdigest(), err


# ---- scaling ----
def test_scaling_under_load_breaks_no_connection(start_testbed: TestbedStarter) -> None:
    testbed = start_testbed(2)
    load = start_load(testbed, 40, 8.0)
    wait_for(lambda: connections_of(testbed) == 40)
    testbed.neatctl("scale", "4", "--wait")
    late = start_load(testbed, 40, 3.0)

    def spread_of_all() -> list[int]:
        rows = processes(testbed)
        spread = [row["connections"] for (component, _), row in rows.items() if component == "replica"]
        return spread if sum(spread) == 80 else []

    spread = wait_for(spread_of_all)
    assert len(spread) == 4
    assert all(spread), "new connections go to all"
    testbed.neatctl("scale", "1")
    states = {index: row["state"] for (component, index), row in processes(testbed).items() if component == "replica"}
    assert states[1] == "serving"
    assert "draining" in states.values()
    assert finish(late)["errors_total"] == 0
    assert finish(load)["errors_total"] == 0
    wait_for(lambda: [key for key in processes(testbed) if key[0] == "replica"] == [("replica", 1)])
    assert len(testbed.fetch()) == 20


@pytest.mark.skipif(len(os.sched_getaffinity(0)) != 2, reason="only on two cores does anything get a place")
def test_one_replica_on_two_cores_is_placed_until_there_are_more(start_testbed: TestbedStarter) -> None:
    testbed = start_testbed(1)

    def cores() -> dict[str, set[int]]:
        return {row["component"]: os.sched_getaffinity(row["pid"]) for row in testbed.status()["processes"]}

    placed = cores()
    assert placed["driver"] == placed["replica"]
    assert placed["driver"] | placed["web"] == os.sched_getaffinity(0)
    assert len(placed["driver"]) == len(placed["web"]) == 1
    testbed.neatctl("inject-fault", "tcp", "1", "--wait")
    assert cores()["replica"] == placed["driver"]
    testbed.neatctl("scale", "2", "--wait")
    assert all(where == os.sched_getaffinity(0) for where in cores().values())


# ---- other ways to run ----
def test_batches_over_zeromq_carry_the_same(start_testbed: TestbedStarter, tmp_path: Path) -> None:
    octets = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(octets)
    testbed = start_testbed(2, "--channel", "zmq", "--web", str(tmp_path))
    assert testbed.fetch("/file") == octets
    for component in (["tcp", "1"], ["driver"], ["syscall"]):
        testbed.neatctl("inject-fault", *component, "--wait")
        assert testbed.fetch("/file") == octets


@pytest.mark.parametrize("channel", ["ring", "zmq"])
def test_all_components_in_one_process_serve_and_recover(start_testbed: TestbedStarter, channel: str) -> None:
    testbed = start_testbed(2, "--transport", "inproc", "--channel", channel)
    assert len({row["pid"] for row in testbed.status()["processes"]}) == 1
    refused = testbed.neatctl("inject-fault", "tcp", "1", "--kind", "kill", check=False)
    assert refused.returncode == 2
    assert "one process" in refused.stderr
    for component in (["tcp", "1"], ["driver"]):
        testbed.neatctl("inject-fault", *component, "--kind", "exception", "--wait")
        assert len(testbed.fetch()) == 20
