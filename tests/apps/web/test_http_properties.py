"""What holds for any octets: however they are split, with the memo or without, the answer is the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.apps.web.http import OPEN
from tests.apps.web.exchange import exchange, responses, service

LINES = [
    b"GET /small HTTP/1.1", b"HEAD /small HTTP/1.1", b"GET /large HTTP/1.1", b"GET / HTTP/1.0", b"GET /no HTTP/1.1",
    b"POST /small HTTP/1.1", b"GET /%00 HTTP/1.1", b"GET /dir HTTP/1.1", b"GET / HTTP/2.0", b"GET /small HTTP/1.9",
    b"GET /" + b"a" * 8170 + b" HTTP/1.1", b"GET /" + b"a" * 8190 + b" HTTP/1.1", b"BREW / HTTP/1.1",
]  # fmt: skip
FIELDS = [
    b"Connection: close", b"Connection: keep-alive", b"Range: bytes=1-5", b"If-None-Match: *", b"Content-Length: 5",
    b"Content-Length: 100000", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Host: b", b"bad field",
    b"X: " + b"x" * 16000, b"X: " + b"x" * 400, b"X: bare\nY: lf", b"If-Match: \"x\"",
]  # fmt: skip


def head(line: bytes, fields: Sequence[bytes], host: bool) -> bytes:
    return b"\r\n".join([line, *([b"Host: a"] if host else []), *fields, b"", b""])


heads = st.builds(head, st.sampled_from(LINES), st.lists(st.sampled_from(FIELDS), max_size=2), st.just(True))
plain = st.builds(head, st.sampled_from(LINES[:6]), st.just([]), st.just(True))
pieces = st.one_of(
    plain, plain, heads, st.sampled_from([b"\r\n", b"\r", b"12345", b"\n", b"G", b""]), st.binary(max_size=6)
)
streams = st.lists(pieces, min_size=1, max_size=6).map(b"".join)


def split_at(octets: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    return [octets[start:stop] for start, stop in itertools.pairwise(places)]


@settings(max_examples=100, deadline=None)
@given(streams, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_however_the_octets_are_split_the_answer_is_the_same(octets: bytes, cuts: list[int]) -> None:
    whole, state = exchange(service(), [octets])
    parts, parts_state = exchange(service(), split_at(octets, cuts))
    assert parts == whole
    assert (parts_state == OPEN) == (state == OPEN)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /small HTTP/1.1\r\nHost: a\r\nX-Long: abcdef\r\n\r\n",
        b"\r\nGET /%73mall?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcHEAD /dir HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\n\r\n",
    ],
)
def test_split_in_two_at_every_octet_and_into_single_octets(octets: bytes) -> None:
    made = service(memo_entries=0)
    whole, state = exchange(made, [octets])
    for cut in range(1, len(octets)):
        assert exchange(made, [octets[:cut], octets[cut:]]) == (whole, state)
    assert exchange(made, [octets[i : i + 1] for i in range(len(octets))]) == (whole, state)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(streams, st.lists(st.integers(0, 1 << 20), max_size=3)), min_size=1, max_size=6))
def test_the_memo_changes_nothing(connections: list[tuple[bytes, list[int]]]) -> None:
    with_memo, without = service(memo_entries=4, max_requests=5), service(memo_entries=0, max_requests=5)
    for octets, cuts in connections + connections:
        parts = split_at(octets, cuts)
        assert exchange(with_memo, parts) == exchange(without, parts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_octets_are_too_strange(parts: list[bytes]) -> None:
    octets, _ = exchange(service(), parts)
    assert all(response.status >= 200 for response in responses(octets))
