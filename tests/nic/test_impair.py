"""Impairment: what may be asked for, and that the same seed loses the same frames."""

from __future__ import annotations

import pytest

from neatctl.core.control.impairment import parse_impairment
from neatctl.nic.impair import Impairment

FRAMES = 20_000


def lost(impairment: Impairment, way: str) -> list[int]:
    decide = impairment.lose_in if way == "in" else impairment.lose_out
    return [i for i in range(FRAMES) if decide()]


@pytest.mark.parametrize("way", ["in", "out"])
@pytest.mark.parametrize("seed", [0, 1, 7, -3, 2**40])
def test_the_share_lost_is_what_was_asked_for(way: str, seed: int) -> None:
    assert 0.04 * FRAMES < len(lost(Impairment("loss=5%", seed), way)) < 0.06 * FRAMES


def test_same_seed_same_losses_whatever_happens_in_the_other_direction() -> None:
    first, second = Impairment("loss=5%", 7), Impairment("loss=5%", 7)
    lost(second, "out")
    assert lost(first, "in") == lost(second, "in")


def test_seeds_and_directions_differ() -> None:
    losses = [lost(Impairment("loss=5%", seed), way) for seed in (7, 8, 9) for way in ("in", "out")]
    assert len({tuple(one) for one in losses}) == 6
    for i in range(1, 6):
        both = len(set(losses[0]) & set(losses[i]))
        assert both < 0.01 * FRAMES, "independent decisions coincide in 0.25 % of the frames"


def test_all_and_nothing() -> None:
    assert len(lost(Impairment("loss=100%", 3), "in")) == FRAMES
    assert lost(Impairment("loss=0%", 3), "out") == []
    assert not Impairment("").active


@pytest.mark.parametrize(("text", "rate"), [("loss=5%", 0.05), (" loss = 0.5% ", 0.005), ("loss=100%", 1.0)])
def test_what_can_be_asked_for(text: str, rate: float) -> None:
    assert parse_impairment(text)["loss"] == pytest.approx(rate)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("delay=5ms", "'delay' is not known; known: loss"),
        ("loss", "loss=5%"),
        ("loss=5", "loss=5%"),
        ("loss=%", "loss=5%"),
        ("loss=101%", "0% to 100%"),
        ("loss=-1%", "0% to 100%"),
        ("loss=nan%", "0% to 100%"),
        ("loss=1%,loss=2%", "twice"),
        ("loss=1%,", "'' is not known"),
    ],
)
def test_what_cannot_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_impairment(text)
