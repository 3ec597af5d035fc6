"""The figures of the load client against wrk."""

from __future__ import annotations

from bench.load import Run, figures_of


def test_ratios_are_of_pairs_and_errors_of_either_are_told() -> None:
    # The machine became half as fast after the first pair: the ratios of pairs do not care.
    pairs = [(Run(200, 8, 0), Run(100, 10, 1)), (Run(100, 9, 0), Run(50, 12, 2)), (Run(110, 7, 0), Run(100, 11, 0))]
    ratio, cpu = figures_of("keep-alive", pairs)
    assert (ratio["value"], ratio["unit"]) == (2.0, "x wrk")
    assert "1.10..2.00" in str(ratio["note"])
    assert "errors 0 and 3" in str(ratio["note"])
    assert (cpu["value"], cpu["note"]) == (8, "wrk: 11.0")
