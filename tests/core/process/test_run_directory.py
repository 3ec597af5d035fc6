"""The run directory: one owner at a time, nothing left behind, and a record for who clears up."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from neatctl.core.process import run_directory
from neatctl.core.process.run_directory import AlreadyRunning, BadName, ProcessRecord, RunDirectory, RunRecord


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime root of this test's own."""
    monkeypatch.setattr(run_directory, "runtime_root", lambda: tmp_path / "neatctl")
    return tmp_path / "neatctl"


def test_it_is_for_its_user_alone(root: Path) -> None:
    run = RunDirectory("t-1")
    run.take()
    try:
        run.fill()
        assert [stat.S_IMODE(path.stat().st_mode) for path in (root, run.path, run.path / "rings")] == [0o700] * 3
    finally:
        run.release()


def test_a_second_owner_is_refused_while_the_first_lives(root: Path) -> None:
    first, second = RunDirectory("t-1"), RunDirectory("t-1")
    first.take()
    try:
        with pytest.raises(AlreadyRunning, match="down --name t-1"):
            second.take()
        assert second.locked()
    finally:
        first.release()
    assert not second.locked()
    second.take()
    second.release()
    assert list(root.iterdir()) == []


def test_rings_are_on_tmpfs_and_go_with_the_directory(root: Path) -> None:
    run = RunDirectory(f"t-{os.getpid()}")
    run.take()
    run.fill()
    rings = os.path.realpath(run.path / "rings")
    (run.path / "rings" / "a.rx").write_bytes(b"x")
    assert rings.startswith(("/dev/shm/", str(root)))
    run.release()
    assert not os.path.exists(rings)
    assert not run.exists()


def test_what_a_dead_owner_left_is_cleared(root: Path) -> None:
    dead = RunDirectory("t-1")
    dead.take()
    dead.fill()
    (dead.path / "control").write_bytes(b"")
    os.close(dead._lock)
    run = RunDirectory("t-1")
    run.take()
    run.clear()
    assert [path.name for path in run.path.iterdir()] == ["lock"]
    run.fill()
    run.release()
    assert list(root.iterdir()) == []


def test_the_record_says_who_is_to_be_ended(root: Path) -> None:
    run = RunDirectory("t-1")
    assert run.record() is None
    run.take()
    try:
        record = RunRecord(
            name="t-1",
            supervisor=ProcessRecord(1, 2),
            children=[ProcessRecord(3, 4, "driver")],
            address="10.77.0.2/24",
            client_address="10.77.0.1",
            client_netns="neatctl-t-1",
            user_namespace=False,
            shared_memory="",
        )
        run.write_record(record)
        assert run.record() == record
        (run.path / "testbed.json").write_text("{ no")
        assert run.record() is None
    finally:
        run.release()


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-x", "x" * 33, "a b"])
def test_a_name_that_is_no_directory_or_namespace_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        RunDirectory(name)
