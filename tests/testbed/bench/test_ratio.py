"""Ratios of figures that were measured a few times: exact distributions, intervals, and what noise hides."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import combinations, product

import pytest

from neatctl.testbed.bench import ratio as ratios
from neatctl.testbed.bench.ratio import Ratio, paired_ratio, ratio


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 3), (4, 4), (5, 3)])
def test_the_distribution_of_mann_and_whitney_is_that_of_all_orders(first: int, second: int) -> None:
    every = range(first + second)
    wins: Counter[int] = Counter()
    for chosen in combinations(every, first):
        wins[sum(a > b for a in chosen for b in every if b not in chosen)] += 1
    total = math.comb(first + second, first)
    cumulated = [sum(wins[u] for u in range(top + 1)) / total for top in range(first * second + 1)]
    assert ratios._mann_whitney(first, second) == pytest.approx(cumulated)


def test_the_distribution_of_signed_ranks_is_that_of_all_signs() -> None:
    sums = Counter(sum(rank for rank, plus in enumerate(signs, 1) if plus) for signs in product((0, 1), repeat=6))
    cumulated = [sum(sums[t] for t in range(top + 1)) / 64 for top in range(22)]
    assert ratios._signed_ranks(6) == pytest.approx(cumulated)


def test_a_difference_larger_than_the_scatter_is_told() -> None:
    found = ratio([100, 102, 98, 101, 99], [110, 112, 108, 111, 109])
    assert found.verdict == "more"
    assert found.ratio == pytest.approx(1.1, rel=0.01)
    assert found.low is not None
    assert found.low > 1.05
    assert ratio([110, 112, 108, 111, 109], [100, 102, 98, 101, 99]).verdict == "less"


def test_an_interval_cuts_off_as_much_as_the_exact_test_allows() -> None:
    # Of 4 and 4 runs all orders but the two outermost of 70 are within 95 %; of 5 and 5 three ratios are cut off.
    four = ratio([1, 2, 4, 8], [16, 32, 64, 128])
    assert (four.low, four.ratio, four.high) == (2, 16, 128)
    first, second = (1, 2, 4, 8, 16), (1, 3, 5, 7, 11)
    five = ratio(first, second)
    each = sorted(b / a for a in first for b in second)
    assert (five.low, five.high) == (each[2], each[-3])


def test_noise_hides_a_difference_smaller_than_itself() -> None:
    found = ratio([100, 140, 80, 120, 60], [110, 70, 150, 130, 90])
    assert found.verdict == "noise"
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1 < found.high


def test_one_wild_run_does_not_decide() -> None:
    calm, wild = [100.0, 101, 99, 100.5, 99.5], [100.2, 101.1, 99.2, 900.0, 99.9]
    found = ratio(calm, wild)
    assert found.verdict == "noise"
    assert found.ratio == pytest.approx(1.0, abs=0.02)


def test_three_runs_a_side_are_too_few_and_four_are_enough() -> None:
    few = ratio([1, 1.01, 1.02], [2, 2.01, 2.02])
    assert few.ratio == pytest.approx(1.98, abs=0.02)
    assert (few.low, few.high, few.verdict) == (None, None, "too few")
    assert ratio([1, 1.01, 1.02, 1.03], [2, 2.01, 2.02, 2.03]).verdict == "more"
    assert paired_ratio([1, 1, 1, 1, 1], [2, 2, 2, 2, 2]).verdict == "too few"
    assert paired_ratio([1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2]).verdict == "more"


def test_pairs_see_through_a_machine_whose_speed_drifts() -> None:
    drift = [100.0, 200, 50, 400, 80, 300, 150]
    faster = [value * 1.05 for value in drift]
    assert ratio(drift, faster).verdict == "noise"
    assert paired_ratio(drift, faster).verdict == "more"


def test_without_a_first_figure_there_is_no_ratio() -> None:
    assert ratio([0.0] * 4, [1.0] * 4) == Ratio(None, None, None, "none")
    assert paired_ratio([0.0, 1.0], [1.0, 1.0]).ratio is None


def test_the_interval_misses_the_truth_no_more_often_than_it_says() -> None:
    draw = random.Random(7)
    missed = 0
    for _ in range(400):
        sides = [[math.exp(draw.gauss(0, 0.2)) for _ in range(5)] for _ in range(2)]
        missed += ratio(*sides).verdict != "noise"
    assert missed <= 400 * 0.05 * 1.6, f"{missed} of 400, where 5 % are allowed"
