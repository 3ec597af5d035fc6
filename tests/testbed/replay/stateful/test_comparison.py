"""Two streams compared: masks, holes, ends, and where the first difference is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.wire.tcp_header import ACK, PSH, RST
from neatctl.testbed.replay.stateful.comparison import DATES, BadPattern, Comparison, compare, dump, patterns
from neatctl.testbed.replay.stateful.script import Script
from neatctl.testbed.replay.stateful.stream import Stream
from tests.testbed.replay.stateful.conversation import Tape

ONE = b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 19:00:58 GMT\r\nA: b\r\n\r\nbody"
OTHER = ONE.replace(b"19:00:58", b"20:11:09")


def script_of(answer: bytes, closed: bool = True) -> Script:
    tape = Tape().open().ask(b"?", answer)
    return (tape.close() if closed else tape).script()


def compared(captured: bytes, live: bytes, *ignored: str, closed: bool = True) -> Comparison:
    stream = Stream()
    stream.add(0, live)
    return compare(script_of(captured, closed), stream, patterns(ignored))


def offsets(comparison: Comparison) -> tuple[int, int] | None:
    found = comparison.difference
    return None if found is None else (found.captured_offset, found.live_offset)


def test_dates_are_masked_and_counted() -> None:
    assert offsets(compared(ONE, OTHER)) == (40, 40)
    masked = compared(ONE + ONE, ONE + OTHER, DATES)
    assert (offsets(masked), masked.masked_places, masked.masked_different) == (None, 2, 1)


def test_what_only_looks_like_a_date_is_compared() -> None:
    assert offsets(compared(b"Date: now", b"Date: non", DATES)) == (8, 8)
    assert offsets(compared(ONE + b"\nDate: x\r\n", ONE + b"\nDate: y\r\n", DATES)) is not None


def test_a_difference_behind_a_mask_of_another_length_has_two_offsets() -> None:
    found = compared(b"id=12;first", b"id=12345;fisst", "id=[0-9]+")
    assert offsets(found) == (8, 11)
    assert found.difference is not None
    assert bytes.fromhex(found.difference.live_hex)[found.difference.before] == ord("s")


def test_a_header_that_is_gone_is_a_difference() -> None:
    without = ONE.replace(b"\r\nDate: Mon, 23 Nov 2026 19:00:58 GMT", b"")
    assert offsets(compared(ONE, without, DATES)) is not None
    assert offsets(compared(without, ONE, DATES)) is not None


def test_ends() -> None:
    assert offsets(compared(b"abc", b"abcd")) == (3, 3)
    assert offsets(compared(b"abcd", b"abc")) == (3, 3)
    assert offsets(compared(b"abc", b"abcd", closed=False)) is None, "the capture ends before the connection"
    assert offsets(compared(b"abcd", b"abc", closed=False)) == (3, 3)
    assert offsets(compared(b"", b"")) is None


def test_a_client_that_had_enough_need_not_get_the_rest() -> None:
    tape = Tape().open()
    tape.client(ACK | PSH, b"?")
    tape.server(ACK, b"abcd")
    tape.client()
    tape.server(ACK, b"efgh")
    tape.client(RST, seq=2)
    for live, difference in ((b"abcd", None), (b"abcdefgh", None), (b"abc", (3, 3)), (b"abcdeX", (5, 5))):
        stream = Stream()
        stream.add(0, live)
        script = tape.script()
        script.acknowledged = 4
        assert offsets(compare(script, stream, ())) == difference


def test_what_the_capture_lacks_is_equal_to_anything_and_masked_alike() -> None:
    for first, last, live in ((0, 0, ONE), (0, 30, OTHER), (60, 66, OTHER[:60] + b"others"), (66, 66, ONE)):
        tape = Tape().open()
        tape.client(ACK | PSH, b"?")
        tape.server(ACK, ONE[:first])
        tape.server(ACK, ONE[last:], seq=1 + last)
        stream = Stream()
        stream.add(0, live)
        assert offsets(compare(tape.close().script(), stream, patterns([DATES]))) is None, (first, last)
    stream.cut(10)
    assert offsets(compare(tape.script(), stream, patterns([DATES]))) == (10, 10), "but it must be there"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 299), st.integers(1, 255))
def test_one_other_octet_is_found(octets: bytes, at: int, change: int) -> None:
    assert offsets(compared(octets, octets)) is None
    if at < len(octets):
        other = bytearray(octets)
        other[at] ^= change
        assert offsets(compared(octets, bytes(other))) == (at, at)


def test_bad_patterns_and_lines_of_octets() -> None:
    with pytest.raises(BadPattern, match="--ignore '\\('"):
        patterns(["("])
    assert dump(96, b"abc\x00\xff", 2) == f"{96:>10}  {'61 62 63 00 ff':<47}  abc.."
    assert dump(0, b"ab", 2).endswith("ab  (ends here)")
