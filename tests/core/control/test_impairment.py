"""What an impairment may be asked to do: every word, its units, each direction, and what cannot be."""

from __future__ import annotations

import pytest

from neatctl.core.control.impairment import EXAMPLES, OneWay, parse_impairment


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("", OneWay()),
        ("loss=5%", OneWay(loss=0.05)),
        (" loss = 0.5 % ", OneWay(loss=0.005)),
        ("loss=100%,corrupt=.5%", OneWay(loss=1.0, corrupt=0.005)),
        ("burst=1%/25%", OneWay(burst=(0.01, 0.25))),
        ("delay=50ms,jitter=500us", OneWay(delay=50_000, jitter=500)),
        ("delay=1.5s", OneWay(delay=1_500_000)),
        ("reorder=10%,duplicate=5%", OneWay(reorder=0.1, duplicate=0.05)),
        ("rate=100mbit,limit=1000", OneWay(rate=100_000_000, limit=1000)),
        ("rate=2.5Gbit", OneWay(rate=2_500_000_000)),
    ],
)
def test_what_can_be_asked_for(text: str, both: OneWay) -> None:
    assert parse_impairment(text) == (both, both)


def test_each_direction_by_itself() -> None:
    text = "delay=20ms, in:loss=1%, out:loss=2%, out: corrupt = 3%"
    assert parse_impairment(text) == (OneWay(delay=20_000, loss=0.01), OneWay(delay=20_000, loss=0.02, corrupt=0.03))


def test_every_example_is_an_example() -> None:
    for word, example in EXAMPLES.items():
        asked, _ = parse_impairment("delay=1s," + example if word == "jitter" else example)
        assert getattr(asked, word) != getattr(OneWay(), word)


def test_what_changes_no_frame_is_nothing() -> None:
    for text in ("", "loss=0%", "limit=10", "burst=0%/20%", "reorder=0%,delay=0ms"):
        assert parse_impairment(text)[0].nothing, text
    for example in EXAMPLES.values():
        text = f"delay=1s,{example}" if example.startswith("jitter") else example
        assert parse_impairment(text)[0].nothing == example.startswith("limit"), text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lose=5%", "'lose' is not known; known: loss, burst"),
        ("loss", "loss=5%"),
        ("loss=5", "loss=5%"),
        ("loss=%", "loss=5%"),
        ("loss=101%", "0% to 100%"),
        ("loss=-1%", "0% to 100%"),
        ("loss=nan%", "0% to 100%"),
        ("loss=1%,loss=2%", "twice"),
        ("loss=1%,in:loss=2%", "given twice for what goes in"),
        ("loss=1%,", "'' is not known"),
        ("up:loss=1%", "in: and out:"),
        ("delay=50", "a time up to 60 s"),
        ("delay=61s", "a time up to 60 s"),
        ("delay=5m", "a time up to 60 s"),
        ("jitter=5ms", "cannot be more than the delay"),
        ("delay=5ms,jitter=6ms", "cannot be more than the delay"),
        ("rate=0mbit", "at least 1000"),
        ("rate=100", "rate=100mbit"),
        ("rate=9999gbit", "at least 1000"),
        ("burst=5%", "burst=1%/25%"),
        ("burst=5%/0%", "burst=1%/25%"),
        ("limit=0", "1 to 4096"),
        ("limit=5000", "1 to 4096"),
    ],
)
def test_what_cannot_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_impairment(text)
