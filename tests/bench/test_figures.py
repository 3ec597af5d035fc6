"""The figures that `make bench` prints: nothing that went wrong may hide in them."""

from __future__ import annotations

from argparse import Namespace

import pytest

from bench import run, versus
from neatctl.testbed.bench.results import Errors
from tests.testbed.bench import reports


def test_a_run_keeps_the_machines_cpu_and_all_errors() -> None:
    figures = versus.run_of(reports.run(5000.0, Errors(timeout=2, status=1), cpu_us=15.0))
    assert figures == versus.Run(5000.0, 15.0, 90, 300, 3)


def test_the_table_has_the_median_of_the_ratios_of_pairs_and_all_errors() -> None:
    def runs(rates: list[float], errors: int) -> list[versus.Run]:
        return [versus.Run(rate, 10, 100, 200, errors) for rate in rates]

    # The machine became half as fast after the first pair: the ratios of pairs do not care.
    pairs = {"neatctl": runs([200, 100, 110], 1), "linux": runs([100, 50, 100], 0)}
    row = versus.row(4, 32, pairs, Namespace(close=False, bytes=20))
    figure = run.comparison("keep-alive", row)
    assert figure.value == 2.0
    assert "3 errors" in figure.note
    line = run.table([figure]).splitlines()[1]
    assert "keep-alive, 32 connections, 4 replicas" in line
    assert "1.10..2.00" in line


@pytest.mark.parametrize("asked", ["0", "8,-1", "x"])
def test_nonsense_is_refused_before_anything_is_started(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        versus.parser().parse_args(["--connections", asked])
    assert refused.value.code == 2
    assert "--connections" in capsys.readouterr().err
