"""Doorbells: a ring wakes, many rings are one, and a ring for the dead goes nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from neatctl.core.channel.doorbell import Doorbell, Ringer
from tests.core.channel.links import rung


def test_a_ring_is_heard_once(tmp_path: Path) -> None:
    bell = Doorbell(str(tmp_path / "bell"))
    ringer = Ringer(bell.path)
    assert not rung(bell)
    ringer.ring()
    ringer.ring()
    assert rung(bell)
    assert not rung(bell)
    ringer.close()
    bell.close()


@pytest.mark.parametrize("rings", [63, 64, 65, 128, 1000])
def test_clear_takes_all_rings(tmp_path: Path, rings: int) -> None:
    bell = Doorbell(str(tmp_path / "bell"))
    ringer = Ringer(bell.path)
    for _ in range(rings):
        ringer.ring()
    assert ringer.rings == rings
    assert rung(bell)
    assert not rung(bell)
    ringer.close()
    bell.close()


def test_a_bell_that_nobody_answers_does_not_block_or_kill_its_ringers(tmp_path: Path) -> None:
    bell = Doorbell(str(tmp_path / "bell"))
    ringer = Ringer(bell.path)
    for _ in range(70_000):
        ringer.ring()
    os.close(bell.fd)
    for _ in range(10):
        ringer.ring()
    ringer.close()
    ringer.ring()
    ringer.close()


def test_the_fifo_is_private_new_and_goes_with_its_owner(tmp_path: Path) -> None:
    path = str(tmp_path / "bell")
    bell = Doorbell(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        Doorbell(path)
    os.unlink(path)
    bell.close()
    second = Doorbell(path)
    second.close()
    assert not os.path.exists(path)
    with pytest.raises(FileNotFoundError):
        Ringer(path)
    Ringer("").ring()
