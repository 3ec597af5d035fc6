"""HTTP dates: the three forms of RFC 9110 section 5.6.7, with the standard library as the oracle."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.apps.web.http_date import format_date, parse_date


@given(st.integers(0, 253402300799))
def test_written_as_the_standard_library_does_and_read_back(seconds: int) -> None:
    text = format_date(seconds).decode()
    assert text == formatdate(seconds, usegmt=True)
    assert parse_date(text) == seconds


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_of_the_rfc_are_the_same_time(text: str) -> None:
    assert parse_date(text) == 784111777


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 30 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Xxx 1994 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.text(max_size=40))
def test_no_text_is_too_strange(text: str) -> None:
    assert parse_date(text) is None or len(text) > 20
