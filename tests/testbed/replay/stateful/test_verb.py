"""What is said to wrong options before anything is played, and the command for who plays a capture in a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neatctl.cli import app
from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed.client import NotRunning
from neatctl.testbed.replay.stateful.verb import Options, argv, run_stateful
from neatctl.testbed.verbs import USAGE

WEB = Path(__file__).parents[4] / "scenarios" / "web.pcap"
NOBODY = f"test-none-{os.getpid()}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(speed="fast"), "--speed is a factor"),
        (Options(speed="-1"), "--speed is a factor"),
        (Options(speed="nan"), "--speed is a factor"),
        (Options(server=["example"]), "with an IPv4 address"),
        (Options(server=["any"]), "with an IPv4 address"),
        (Options(server=["10.0.0.1:0"]), "with an IPv4 address"),
        (Options(server=["10.0.0.1", "10.0.0.2"]), "one --server"),
        (Options(ignore=["("]), "is no regular expression"),
        (Options(connections="3-1"), "--connections is A-B"),
        (Options(connections="0"), "--connections is A-B"),
        (Options(connections="first"), "--connections is A-B"),
        (Options(timeout_s=0), "--timeout and --limit"),
        (Options(limit_s=-1), "--timeout and --limit"),
        (Options(timeout_s=float("nan")), "--timeout and --limit"),
        (Options(at_once=0), "--at-once"),
    ],
)
def test_wrong_options(options: Options, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stateful(RunDirectory(NOBODY), WEB, options, True) == USAGE
    out, err = capsys.readouterr()
    assert (out, said in err, len(err.splitlines())) == ("", True, 1), err


@pytest.mark.parametrize(
    "options", [Options(), Options(connections="3-"), Options(server=["10.0.0.1:80"], speed="max")]
)
def test_right_options_ask_for_the_testbed(options: Options) -> None:
    with pytest.raises(NotRunning, match=NOBODY):
        run_stateful(RunDirectory(NOBODY), WEB, options, False)


def test_options_that_go_nowhere_are_refused() -> None:
    for options in (["--stateful", "--live"], ["--stateful", "--write", "x"], ["--ignore", "x"], ["--with-dates"]):
        done = CliRunner().invoke(app, ["replay", str(WEB), *options])
        assert done.exit_code == USAGE, done.output


def test_the_command_says_all_options() -> None:
    options = Options(["10.0.0.1:8080"], "2.5", 3.0, 60.0, "2-4", 7, ["a", "b"], True, "tcp")
    made = argv(NOBODY, WEB, options)
    assert made[1:4] == ["-m", "neatctl", "replay"]
    assert CliRunner().invoke(app, made[3:]).exit_code == 3, "the command line takes them, and nothing runs"
    for value in ("10.0.0.1:8080", "2.5", "3.0", "60.0", "2-4", "7", "a", "b", "tcp", "--with-dates"):
        assert value in made
