"""`neatctl bench` as a user runs it: on a testbed of its own, on one that runs, and on one that breaks meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.bench import results
from tests.system.testbed import NEATCTL, Testbed, run, wait_for

pytestmark = [pytest.mark.system, pytest.mark.tap]
SHORT = ("--seconds", "0.5", "--warm-up", "0.2", "--repetitions", "2", "--connections", "16")


def bench(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run([*NEATCTL, "bench", *arguments], check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.mark.smoke
def test_on_a_testbed_of_its_own(tmp_path: Path) -> None:
    kept, name = tmp_path / "kept", f"bench-test-{os.getpid()}"
    done = bench(*SHORT, "--json", "--name", name, "--bytes", "20,3000", "--workers", "2", "--out", str(kept))
    report = results.decode(done.stdout.encode(), "stdout")
    assert report.held
    assert [result.workload.octets for result in report.results] == [20, 3000]
    assert [len(result.runs) for result in report.results] == [2, 2]
    for each in (one for result in report.results for one in result.runs):
        assert each.requests > 100
        assert (each.errors_total, each.connections_achieved) == (0, 16)
        assert each.latency.count == each.requests
        assert {replica.index for replica in each.replicas} == {1, 2}
        assert sum(replica.connections_accepted for replica in each.replicas) >= 16
        assert each.cpu is not None
        components = {"driver", "replica 1", "replica 2", "web", "syscall", "supervisor", "client", "machine"}
        assert components <= set(each.cpu.us_per_request)
        assert each.cpu.us_per_request["replica 1"] > 0
    assert sorted(path.name for path in kept.iterdir()) == ["environment.json", "histograms", "report.json", "runs.csv"]
    printed = bench("compare", str(kept), str(kept / "report.json"), "--json", "--fail-below", "0.5").stdout
    compared = json.loads(printed)
    assert [pair["figures"][0]["ratio"]["ratio"] for pair in compared["pairs"]] == [1.0, 1.0]
    bench("compare", str(kept), str(kept), "--fail-below", "1.5", code=1)
    assert f"neatctl-{name}" not in run(["ip", "netns"]).stdout, "nothing is left"
    assert not RunDirectory(name).exists()


def test_on_one_that_runs_and_breaks(testbed: Testbed) -> None:
    named = ("--name", testbed.name)
    assert "runs with 2" in bench(*named, "--replicas", "3", code=2).stderr
    missing = bench(*named, "--bytes", "21", code=2).stderr
    assert "/21b: status 404, not the file that is wanted" in missing
    argv = [*NEATCTL, "bench", *named, "--seconds", "2", "--repetitions", "1", "--json", "--warm-up", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        # More than the one of whoever looks whether the file is there.
        wait_for(lambda: sum(row["connections"] or 0 for row in testbed.status()["processes"]) > 30, 20)
        testbed.neatctl("inject-fault", "tcp", "1", "--wait")
        out, _ = process.communicate(timeout=30)
    report = results.decode(out.encode(), "stdout")
    (broken,) = report.results[0].runs
    assert process.returncode == 1
    assert broken.errors_total > 0
    first = next(replica for replica in broken.replicas if replica.index == 1)
    assert first.generation_after > first.generation_before
    assert first.connections_lost > 0
    assert any("replica 1 crashed" in note for note in broken.notes)
    assert testbed.status()["state"] == "serving", "a testbed that was not ours stays"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "--csv"], "--json and --csv"),
        (["--name", "No Name"], "a name has 1 to 32 small letters"),
        (["compare", "/nowhere", "/nowhere"], "/nowhere: No such file"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], said: str) -> None:
    done = bench(*arguments, code=2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
