"""The ledger of RFC 9293: whole, true to the tests, and the page is what it says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from neatctl.testbed.conformance.ledger import PAGE, carriers, make_ledger, matrix, page, showing
from neatctl.testbed.conformance.requirements import DEVIATES, IMPLEMENTED, NOT_APPLICABLE, REQUIREMENTS

SEVERAL = {"MUST-15": 2, "MUST-20": 2, "MUST-46": 2, "MUST-56": 3, "MUST-57": 2, "SHLD-5": 2}


def test_every_requirement_has_its_row() -> None:
    ids = {f"MUST-{i}" for i in range(1, 70)} | {f"SHLD-{i}" for i in range(1, 32)} | {f"MAY-{i}" for i in range(1, 19)}
    rows = Counter(row.id for row in REQUIREMENTS)
    assert set(rows) == ids | {"REC-1"}
    assert {id: count for id, count in rows.items() if count > 1} == SEVERAL


def test_what_is_implemented_is_shown_and_the_rest_has_a_reason() -> None:
    for entry in make_ledger().entries:
        assert entry.standing in {IMPLEMENTED, DEVIATES, NOT_APPLICABLE}
        assert (entry.standing == IMPLEMENTED) == bool(entry.tests), entry
        assert (entry.standing == IMPLEMENTED) != bool(entry.reason), entry


def test_no_test_carries_an_id_that_does_not_exist() -> None:
    assert set(carriers(PAGE.parents[1])) <= {row.id for row in REQUIREMENTS}


def test_no_test_shows_what_a_row_says_is_not_so() -> None:
    found = carriers(PAGE.parents[1])
    others = [row for row in REQUIREMENTS if row.standing != IMPLEMENTED]
    assert len(others) > 10
    assert {f"{row.id} {row.what}": tests for row in others if (tests := showing(row, found.get(row.id, [])))} == {}


def test_enough_musts_are_shown() -> None:
    ledger = make_ledger()
    assert ledger.musts == 69
    assert ledger.musts_shown >= 63


def test_the_page_is_what_the_ledger_says() -> None:
    assert PAGE.read_text() == page(make_ledger()), "neatctl conformance matrix --write"


def test_tests_are_found_in_names_and_comments(tmp_path: Path) -> None:
    scripts = tmp_path / "tests" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "a.seg").write_text("# One. (RFC 9293; MUST-3, SHLD-4)\n# (MAY-5)\nlisten\n# (MUST-6)\n")
    (tmp_path / "tests" / "test_b.py").write_text("def test_must_7_it_holds() -> None:\n    pass\n# must_8\n")
    assert carriers(tmp_path) == {
        "MUST-3": ["tests/scripts/a.seg"],
        "SHLD-4": ["tests/scripts/a.seg"],
        "MAY-5": ["tests/scripts/a.seg"],
        "MUST-7": ["tests/test_b.py::test_must_7_it_holds"],
    }


def test_the_verb_says_that_it_needs_a_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("neatctl.testbed.conformance.ledger.TREE", tmp_path)
    assert matrix(as_json=False, write=False) == 1
    assert "source tree" in capsys.readouterr().err
