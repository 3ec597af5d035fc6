"""The command line without a running testbed: usage, exit codes, errors that say what to do, start-up time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neatctl import __version__
from neatctl.core.native import COMPILED
from tests.system.testbed import NEATCTL, run

pytestmark = pytest.mark.system
NOBODY = f"none-{os.getpid()}"


def neatctl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NEATCTL, *arguments], capture_output=True, text=True, check=False, env=os.environ | environment, timeout=60
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--json"],
        ["down"],
        ["exec", "--", "true"],
        ["events"],
        ["scale", "3"],
        ["inject-fault", "tcp", "1"],
        ["recover", "driver"],
        ["fetch", "http://10.77.0.1:8000/"],
    ],
)
def test_a_verb_for_a_testbed_that_does_not_run_exits_with_3_and_says_so(arguments: list[str]) -> None:
    done = neatctl(arguments[0], "--name", NOBODY, *arguments[1:])
    assert done.returncode == 3
    assert done.stdout == ""
    assert NOBODY in done.stderr


def test_down_by_force_is_content_with_nothing() -> None:
    assert neatctl("down", "--force", "--name", NOBODY).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "No such command"),
        (["inject-fault"], "Missing argument"),
        (["fetch", "https://10.77.0.1/"], "only http://"),
        (["fetch", "http://10.77.0.1:0/"], "a port is 1 to 65535, not 0"),
        (["fetch", "http://example.net/"], "http://ADDRESS[:PORT]/PATH"),
        (["scale", "many"], "many"),
        (["up", "--replicas", "0"], "--replicas: the number of replicas is 1 to 64, not 0"),
        (["up", "--channel", "smoke"], "--channel: a channel is ring or zmq"),
        (["up", "--address", "10.77.0.2"], "--address: the network of 10.77.0.2"),
        (["up", "--impair", "loss=much"], "--impair: impairment 'loss=much'"),
        (["up", "--web", "/nowhere"], "--web: /nowhere is no directory"),
        (["up", "--name", "No Name"], "a name has 1 to 32 small letters"),
        (["up", "--config", "/nowhere.toml"], "/nowhere.toml: No such file"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(arguments: list[str], said: str) -> None:
    done = neatctl(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_an_error_in_the_configuration_names_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text("# a lab\nreplicas = 2\nreplicates = 3\n")
    done = neatctl("up", "--config", str(file))
    assert done.returncode == 2
    assert f"{file}:3: replicates: there is no such setting" in done.stderr


def test_the_environment_sets_options_and_a_given_option_goes_before_it() -> None:
    from_environment = neatctl("up", NEATCTL_REPLICAS="99")
    assert "not 99" in from_environment.stderr
    given = neatctl("up", "--replicas", "98", NEATCTL_REPLICAS="99")
    assert "not 98" in given.stderr
    assert NOBODY in neatctl("status", NEATCTL_NAME=NOBODY).stderr


def test_version_says_which_packet_path_runs() -> None:
    said = json.loads(run([*NEATCTL, "version", "--json"]).stdout)
    assert (said["version"], said["compiled"]) == (__version__, COMPILED)
    assert ("compiled" if COMPILED else "pure") in run([*NEATCTL, "version"]).stdout


def test_doctor_has_a_command_for_whatever_is_not_well() -> None:
    done = neatctl("doctor", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ok"] else 1)
    assert {finding["subject"] for finding in said["findings"]} >= {"Python", "/dev/net/tun", "network namespaces"}
    assert all(finding["mend"] for finding in said["findings"] if finding["ok"] != "yes")


def test_every_verb_has_help() -> None:
    listed = run([*NEATCTL, "--help"]).stdout
    verbs = [line.split()[0] for line in listed.partition("Commands:")[2].splitlines() if line.strip()]
    assert {"up", "down", "status", "exec", "inject-fault", "recover", "scale", "events", "logs", "demo"} <= set(verbs)


def test_status_imports_neither_rich_nor_pyroute2() -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "neatctl", "status", "--json", "--name", NOBODY]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in imported
    assert not {name for name in imported if name.partition(".")[0] in {"rich", "pyroute2", "psutil", "asyncio"}}


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([*NEATCTL, "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "neatctl: output: No space left on device\n")
