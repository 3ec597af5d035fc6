"""Whether two servers said the same: what the captured one said against what the live one said.

What a pattern matches is masked in both (a Date, a session's number) and counts as the same, but is counted; what the
capture lacks is equal to anything. The first difference is given by its offset in each stream, with the octets around.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from neatctl.testbed.replay.stateful.script import RESET_BY_CLIENT, Script
from neatctl.testbed.replay.stateful.stream import Range, Stream

AROUND = 16
"""Octets shown of each side, and how many of them are before the first difference at most."""
BEFORE = 4
DATES = r"\n[Dd]ate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT(?=\r\n)"
"""The Date header of HTTP (RFC 9110 section 5.6.7): when an answer was made."""
_PRINTABLE = range(0x20, 0x7F)


class BadPattern(ValueError):
    """A regular expression that is none; the message says why."""


class Difference(msgspec.Struct, frozen=True):
    """Where two streams part. A side that ends there shows nothing."""

    captured_offset: int
    live_offset: int
    captured_hex: str
    """From up to BEFORE octets before the difference on."""
    live_hex: str
    before: int
    """How many octets of both are shown before the difference."""


class Comparison(msgspec.Struct, frozen=True):
    """What came of two streams."""

    difference: Difference | None
    masked_places: int
    """Of the captured octets: how many matches of a pattern were not compared, ..."""
    masked_different: int
    """... and at how many of them the live octets were others."""


def patterns(expressions: Sequence[str]) -> list[re.Pattern[bytes]]:
    """Regular expressions of octets (UTF-8). BadPattern."""
    made = []
    for expression in expressions:
        try:
            made.append(re.compile(expression.encode()))
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"--ignore {expression!r} is no regular expression: {error}") from None
    return made


def compare(script: Script, answers: Stream, ignored: Sequence[re.Pattern[bytes]]) -> Comparison:
    """The first difference, if any, and what was masked.

    A capture that ends before the connection did, or whose client had enough (RST), says nothing of what would have
    come after; and such a client need not have got what it had not acknowledged yet.
    """
    live = answers.octets(0, len(answers))
    left = script.ended == RESET_BY_CLIENT
    whole = script.fin >= 0 and not left
    expected = script.expected
    if left and len(live) < expected:
        expected = max(len(live), script.acknowledged)
    captured = _filled(script.answers.octets(0, expected), live, script.answers.holes(expected))
    ours, theirs = _kept(captured, ignored), _kept(live, ignored)
    difference = _first(captured, live, whole, ours, theirs)
    gaps = zip(pairwise(ours), pairwise(theirs))
    changed = sum(captured[a[1] : b[0]] != live[c[1] : d[0]] for (a, b), (c, d) in gaps)
    return Comparison(difference, len(ours) - 1, changed)


def _first(
    captured: bytes, live: bytes, whole: bool, ours: Sequence[Range], theirs: Sequence[Range]
) -> Difference | None:
    """The first difference of what is kept of both. `whole`: the live stream must end where the captured one ends."""
    last = len(ours) - 1
    for index, ((begin, end), (live_begin, live_end)) in enumerate(zip(ours, theirs)):
        one, other = captured[begin:end], live[live_begin:live_end]
        cut_short = index == last and not whole and len(other) >= len(one)
        if one != other[: len(one)] or not (cut_short or len(one) == len(other)):
            at = _first_difference(one, other)
            return _difference(captured, live, begin + at, live_begin + at)
    if len(theirs) < len(ours) or (whole and len(theirs) > len(ours)):
        both = min(len(ours), len(theirs))
        at = ours[both][0] if both < len(ours) else len(captured)
        live_at = theirs[both][0] if both < len(theirs) else len(live)
        return _difference(captured, live, at, live_at)
    return None


def _kept(octets: bytes, ignored: Sequence[re.Pattern[bytes]]) -> list[Range]:
    """What no pattern matches: the pieces between the matches, first and last among them even if empty."""
    spans = (match.span() for pattern in ignored for match in pattern.finditer(octets))
    matches = sorted(span for span in spans if span[0] < span[1])
    kept = []
    at = 0
    for begin, end in matches:
        if begin >= at:
            kept.append((at, begin))
        at = max(at, end)
    kept.append((at, len(octets)))
    return kept


def _filled(captured: bytes, live: bytes, holes: Sequence[Range]) -> bytes:
    """What was captured, with the live octets at the same offsets where it has a hole: they are equal to anything, and
    what is masked of them is masked on both sides."""
    made = bytearray(captured)
    for begin, end in holes:
        made[begin:end] = live[begin:end].ljust(end - begin, b"\0")
    return bytes(made)


def _first_difference(one: bytes, other: bytes) -> int:
    """By halves: comparing octets by hand would be slow."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _difference(captured: bytes, live: bytes, at: int, live_at: int) -> Difference:
    before = min(BEFORE, at, live_at)
    return Difference(
        at,
        live_at,
        captured[at - before : at - before + AROUND].hex(),
        live[live_at - before : live_at - before + AROUND].hex(),
        before,
    )


def dump(offset: int, octets: bytes, before: int) -> str:
    """A line of octets, in hexadecimal and as text; `before` of them come before the difference."""
    text = "".join(chr(octet) if octet in _PRINTABLE else "." for octet in octets)
    end = "" if len(octets) > before else "  (ends here)"
    return f"{offset:>10}  {octets.hex(' '):<{AROUND * 3 - 1}}  {text}{end}"
