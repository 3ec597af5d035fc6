"""Scenarios on real testbeds: what is expected holds, and a false expectation fails."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.system.testbed import NEATCTL, run

pytestmark = [pytest.mark.system, pytest.mark.tap]
SCENARIOS = Path(__file__).parents[2] / "scenarios"

FALSE = """
schema = 1
title = "A replica dies, and this expects that it does not"
[testbed]
replicas = 2
files = { a = 100_000 }
[[load]]
name = "clients"
connections = 20
rate = 500
seconds = 2
[[fetch]]
name = "downloads"
path = "/a"
times = 3
[[command]]
name = "python"
argv = ["PYTHON", "-c", "import sys; sys.exit('{address}'.count('.'))"]
[[fault]]
at = 1
component = "tcp"
replica = 1
[[expect]]
measure = "restarts"
component = "tcp"
equals = 0
[[expect]]
measure = "fetches_equal"
of = "downloads"
equals = 1
[[expect]]
measure = "exit_code"
of = "python"
equals = 3
[[expect]]
measure = "replicas_serving"
equals = 2
"""


def test_a_crash_is_as_the_paper_says() -> None:
    done = run([*NEATCTL, "replay", str(SCENARIOS / "crash-tcp.toml")])
    assert "PASS" in done.stdout
    assert "FAIL" not in done.stdout


def test_a_false_expectation_fails_and_the_others_hold(tmp_path: Path) -> None:
    file, junit = tmp_path / "false.toml", tmp_path / "junit.xml"
    file.write_text(FALSE.replace("PYTHON", sys.executable))
    done = run([*NEATCTL, "scenario", "run", str(file), "--json", "--junit", str(junit)], check=False)
    assert done.returncode == 1
    (report,) = json.loads(done.stdout)["scenarios"]
    assert [verdict["held"] for verdict in report["verdicts"]] == [False, True, True, True]
    assert report["verdicts"][0]["measured"] > 0
    (suite,) = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
