"""The reading of answers: the same verdict however the octets are split, and what is wrong gets its class."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.apps.load import answer
from neatctl.apps.load.answer import Answer, Page
from neatctl.apps.load.octets import Octets

BODY = b"twenty octets of it\n"
HEAD = b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\nContent-Length: 20\r\n\r\n"
ROOM = 1 << 17


def received(reader: Answer, pieces: list[bytes]) -> int:
    """The verdict after the pieces, one receive each; the first that is not MORE ends it."""
    memory = Octets(ROOM)
    for piece in pieces:
        memory.put(3, piece)
        verdict = reader.receive(memory, 3, len(piece))
        if verdict != answer.MORE:
            return verdict
    return answer.MORE


def read(page: Page, *pieces: bytes) -> int:
    return received(Answer(page), list(pieces))


def page(expect_octets: int = -1) -> Page:
    return Page("10.77.0.2", "/20b", expect_octets)


def learnt() -> Page:
    """A page whose right answer is known."""
    known = page()
    assert read(known, HEAD + BODY) == answer.RIGHT
    return known


def octets_of(memory: Octets) -> bytes:
    return memory.bytes(0, memory.octets)


def test_a_request_names_path_and_host_and_the_last_one_says_so() -> None:
    asked = Page("10.77.0.2:8080", "/a?b=c")
    assert octets_of(asked.request) == b"GET /a?b=c HTTP/1.1\r\nHost: 10.77.0.2:8080\r\n\r\n"
    assert octets_of(asked.last_request).endswith(b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("whole", "verdict"),
    [
        (HEAD + BODY, answer.RIGHT),
        (b"HTTP/1.1 200 \r\ncontent-LENGTH:20\r\n\r\n" + BODY, answer.RIGHT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nContent-Length:20\r\n\r\n" + BODY, answer.RIGHT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \t20 \r\nConnection: Close\r\n\r\n" + BODY, answer.LAST),
        (b"HTTP/1.1 200 OK\r\nConnection: x, close ,y\r\nContent-Length: 20\r\n\r\n" + BODY, answer.LAST),
        (b"HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 20\r\n\r\n" + BODY, answer.RIGHT),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY, answer.LAST),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 20\r\n\r\n" + BODY, answer.RIGHT),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 20\r\n\r\n" + BODY, answer.STATUS),
        (b"HTTP/1.1 206 Partial\r\nContent-Length: 20\r\n\r\n" + BODY, answer.STATUS),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + BODY[:19], answer.LENGTH),
        (HEAD + BODY[:-1] + b"X", answer.DIFFERS),
        (HEAD + b"X" + BODY[1:], answer.DIFFERS),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, answer.NO_LENGTH),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + BODY + b"\r\n0\r\n\r\n", answer.CODED),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.2 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1  200 OK\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 20 OK\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"http/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20, 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nContent-Length: 21\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n folded\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n: nameless\r\nContent-Length: 20\r\n\r\n" + BODY, answer.MALFORMED),
        (b"\r\n\r\n", answer.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * answer.MAX_HEAD + b"\r\n\r\n", answer.LONG_HEAD),
    ],
)
def test_an_answer_has_one_verdict_whole_and_octet_by_octet(whole: bytes, verdict: int) -> None:
    assert read(learnt(), whole) == verdict
    assert read(learnt(), *(whole[i : i + 1] for i in range(len(whole)))) == verdict


def test_a_head_may_be_as_long_as_allowed_and_no_octet_longer() -> None:
    for more, verdict in ((0, answer.RIGHT), (1, answer.LONG_HEAD)):
        start = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nA: "
        head = start + b"b" * (answer.MAX_HEAD - len(start) - 4 + more) + b"\r\n\r\n"
        assert read(learnt(), head + BODY) == verdict
        assert read(learnt(), head[:5000], head[5000:] + BODY) == verdict


def test_more_octets_than_said_are_wrong() -> None:
    assert read(learnt(), HEAD + BODY + b"x") == answer.EXCESS
    assert read(learnt(), HEAD + BODY[:7], BODY[7:] + b"x") == answer.EXCESS


def test_the_first_answer_is_no_better_when_it_is_expected_otherwise() -> None:
    assert read(page(expect_octets=20), HEAD + BODY) == answer.RIGHT
    assert read(page(expect_octets=21), HEAD + BODY) == answer.LENGTH


def test_answers_at_the_same_time_learn_from_one_another() -> None:
    asked = page()
    first, second = Answer(asked), Answer(asked)
    assert received(first, [HEAD + BODY[:5]]) == answer.MORE
    assert received(second, [HEAD + BODY[:12]]) == answer.MORE
    assert asked.known == 12
    assert received(first, [BODY[5:]]) == answer.RIGHT
    assert received(second, [b"x" + BODY[13:]]) == answer.DIFFERS


def test_an_answer_like_the_last_one_is_right_and_one_with_another_date_too() -> None:
    asked = learnt()
    later = HEAD.replace(b"10:00:00", b"10:00:01")
    for head in (HEAD, later, later, HEAD):
        assert read(asked, head + BODY) == answer.RIGHT
    closing = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert [read(asked, closing + BODY) for _ in range(2)] == [answer.LAST] * 2


def test_a_long_content_is_compared_in_every_stride() -> None:
    octets = answer.WHOLE_OCTETS + 5 * answer.STRIDE_OCTETS + 100
    content = bytes(i % 251 for i in range(octets))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {octets}\r\n\r\n".encode()

    def pieces(data: bytes) -> list[bytes]:
        return [data[i : i + 9973] for i in range(0, octets, 9973)]

    asked = page()
    assert read(asked, head, *pieces(content)) == answer.RIGHT
    assert read(asked, head, *pieces(content)) == answer.RIGHT
    stride = answer.WHOLE_OCTETS + 3 * answer.STRIDE_OCTETS
    for at in (0, answer.WHOLE_OCTETS - 1, answer.WHOLE_OCTETS, stride, stride + answer.SAMPLE_OCTETS - 1):
        wrong = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        assert read(asked, head, *pieces(wrong)) == answer.DIFFERS, at


def test_an_empty_content_is_a_content() -> None:
    empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    asked = page()
    assert read(asked, empty) == answer.RIGHT
    assert read(asked, empty[:20], empty[20:]) == answer.RIGHT
    assert read(asked, HEAD + BODY) == answer.LENGTH


heads = st.lists(
    st.sampled_from(
        [b"Content-Length: 20", b"Content-Length: 7", b"Connection: close", b"Connection: keep-alive", b"A: b", b"A:",
         b"Transfer-Encoding: chunked", b"A\x00: b", b"broken", b"Date: Mon, 23 Nov 2026 10:00:00 GMT"]
    ),
    max_size=5,
)  # fmt: skip
starts = st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 abc", b"x"])
bodies = st.sampled_from([BODY, BODY[:7], BODY.upper(), b""])


@settings(max_examples=300)
@given(start=starts, fields=heads, body=bodies, cuts=st.lists(st.integers(1, 200), max_size=8), known=st.booleans())
def test_no_split_changes_a_verdict(
    start: bytes, fields: list[bytes], body: bytes, cuts: list[int], known: bool
) -> None:
    whole = b"\r\n".join([start, *fields]) + b"\r\n\r\n" + body
    places = sorted({cut for cut in cuts if cut < len(whole)})
    pieces = [whole[i:j] for i, j in zip([0, *places], [*places, len(whole)])]
    at_once = read(learnt() if known else page(), whole)
    in_pieces = read(learnt() if known else page(), *pieces)
    if at_once == answer.EXCESS:
        # What is beyond the end is seen only by who reads it together with the end.
        assert in_pieces in {answer.EXCESS, answer.RIGHT, answer.LAST}
    else:
        assert in_pieces == at_once


@settings(max_examples=200)
@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=5))
def test_noise_is_never_right(pieces: list[bytes]) -> None:
    assert read(learnt(), *pieces) not in {answer.RIGHT, answer.LAST}


@given(st.integers(0, 16), st.integers(0, 16), st.integers(-2, 20))
def test_octets_outside_are_refused(at: int, octets: int, room: int) -> None:
    memory, other = Octets(16), Octets(16)
    if at + octets <= 16:
        assert memory.equal(at, other, 0, octets)
    else:
        for access in (memory.bytes, memory.head_end):
            with pytest.raises(IndexError):
                access(at, octets)
        with pytest.raises(IndexError):
            memory.equal(at, other, 0, octets)
        with pytest.raises(IndexError):
            memory.copy(0, other, at, octets)
        with pytest.raises(IndexError):
            memory.put(at, bytes(octets))
    if room < 0:
        with pytest.raises(ValueError, match="octets"):
            Octets(room)
