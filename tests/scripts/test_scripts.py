"""Every `*.seg` beside this file, against our stack in virtual time; one test a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.pure import PureMachine
from tests.scripts.reading import read_script
from tests.scripts.running import Differs, run

SCRIPTS = sorted(Path(__file__).parent.glob("*.seg"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    script = read_script(path)
    try:
        run(script, PureMachine(script))
    except Differs as wrong:
        if script.fails:
            pytest.xfail(script.fails)
        pytest.fail(str(wrong), pytrace=False)
    assert not script.fails, "it holds: its line `fails` can go"


def test_there_are_enough_and_each_shows_something_else() -> None:
    shown = [read_script(path).shows for path in SCRIPTS]
    assert len(shown) >= 200
    assert len(set(shown)) == len(shown)
