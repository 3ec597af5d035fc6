"""Heads of requests: what is read out of them, and what is refused with which status."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.apps.web import request as r
from neatctl.apps.web.request import CLOSE, KEEP, KEEP_10, Refused, Request, check_prefix, parse


def read(line: str, *fields: str) -> Request:
    head = "".join(f"{text}\r\n" for text in (line, *fields, "")).encode("latin-1")
    check_prefix(head, 0)
    return parse(head)


def status_of(line: str, *fields: str) -> int:
    with pytest.raises(Refused) as refused:
        read(line, *fields)
    return refused.value.status


def test_a_plain_request() -> None:
    request = read("GET /a/b?q=1 HTTP/1.1", "Host: example.com:80", "X-Y:  z \t", "x-y: w")
    assert (request.method, request.path, request.persistence, request.body_octets) == ("GET", b"/a/b", KEEP, 0)
    assert request.fields == {"host": "example.com:80", "x-y": "z, w"}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", b"/"),
        ("/?/../x", b"/"),
        ("//", b"//"),
        ("/%41%c3%a4", b"/A\xc3\xa4"),
        ("/%2e%2E/x", b"/../x"),
        ("/a%2fb", None),
        ("/a%2Fb", None),
        ("/%252e", b"/%2e"),
        ("/a%5cb", b"/a\\b"),
        ("http://host/x?y", b"/x"),
        ("HTTPS://host:8080/x", b"/x"),
        ("http://host", b"/"),
        ("http://host?q", b"/"),
    ],
)
def test_targets(target: str, path: bytes | None) -> None:
    assert read(f"GET {target} HTTP/1.1", "Host: a").path == path


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET ftp://h/ HTTP/1.1", 400),
        ("GET /#x HTTP/1.1", 400),
        ("GET /\x80 HTTP/1.1", 400),
        ("GET /\x00 HTTP/1.1", 400),
        ("GET /%00 HTTP/1.1", 400),
        ("GET /% HTTP/1.1", 400),
        ("GET /%4 HTTP/1.1", 400),
        ("GET /%zz HTTP/1.1", 400),
        ("G@T / HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/11", 400),
        ("GET / HTTP/1.1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("PRI * HTTP/2.0", 505),
        ("BREW / HTTP/1.1", 501),
        ("get / HTTP/1.1", 501),
    ],
)
def test_request_lines_that_are_refused(line: str, status: int) -> None:
    assert status_of(line, "Host: a") == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 400),
        (["Host: a", "Host: a"], 400),
        (["Host: a/b"], 400),
        (["Host: a b"], 400),
        (["Host: a", "Name : v"], 400),
        (["Host: a", ": v"], 400),
        (["Host: a", "no colon"], 400),
        (["Host: a", " folded: v"], 400),
        (["Host: a", "X: v\r\n folded"], 400),
        (["Host: a", "X: a\x00b"], 400),
        (["Host: a", "X: a\rb"], 400),
        (["Host: a", "X: a\nb: c"], 400),
        (["Host: a", "Content-Length: -1"], 400),
        (["Host: a", "Content-Length: +1"], 400),
        (["Host: a", "Content-Length: 0x1"], 400),
        (["Host: a", "Content-Length: 1, 1"], 400),
        (["Host: a", "Content-Length: 1", "Content-Length: 1"], 400),
        (["Host: a", "Content-Length: 1", "Content-Length: 2"], 400),
        (["Host: a", "Content-Length:"], 400),
        (["Host: a", "Content-Length: 99999999999999999999999999"], 400),
        (["Host: a", "Content-Length: 3", "Transfer-Encoding: chunked"], 400),
        (["Host: a", "Transfer-Encoding: chunked", "Content-Length: 3"], 400),
        (["Host: a", "Transfer-Encoding: chunked"], 501),
    ],
)
def test_fields_that_are_refused(fields: list[str], status: int) -> None:
    assert status_of("GET / HTTP/1.1", *fields) == status


@pytest.mark.parametrize(
    ("version", "connection", "persistence"),
    [
        ("1.1", None, KEEP),
        ("1.1", "keep-alive", KEEP),
        ("1.1", "close", CLOSE),
        ("1.1", "Close", CLOSE),
        ("1.1", "x,\t CLOSE ,y", CLOSE),
        ("1.1", "closed", KEEP),
        ("1.7", None, KEEP),
        ("1.0", None, CLOSE),
        ("1.0", "Keep-Alive", KEEP_10),
        ("1.0", "keep-alive, close", CLOSE),
    ],
)
def test_persistence(version: str, connection: str | None, persistence: int) -> None:
    fields = ["Host: a"] + ([f"Connection: {connection}"] if connection else [])
    assert read(f"GET / HTTP/{version}", *fields).persistence == persistence


def test_http_1_0_may_leave_host_out_but_not_repeat_it() -> None:
    assert read("GET / HTTP/1.0").path == b"/"
    assert status_of("GET / HTTP/1.0", "Host: a", "Host: b") == 400


@pytest.mark.parametrize("line", ["OPTIONS * HTTP/1.1", "CONNECT a:80 HTTP/1.1", "POST / HTTP/1.1"])
def test_other_methods_are_read(line: str) -> None:
    assert read(line, "Host: a").method == line.partition(" ")[0]


def test_an_upgrade_is_an_offer_that_is_not_taken() -> None:
    assert read("GET /x HTTP/1.1", "Host: a", "Connection: upgrade", "Upgrade: h2c").path == b"/x"


def test_the_limits_are_exact() -> None:
    most = r.MAX_LINE_OCTETS - len("GET / HTTP/1.1")
    assert read(f"GET /{'a' * most} HTTP/1.1", "Host: a").path == b"/" + b"a" * most
    assert status_of(f"GET /{'a' * (most + 1)} HTTP/1.1", "Host: a") == 414
    many = [f"X{i}: y" for i in range(r.MAX_FIELDS - 1)]
    assert len(read("GET / HTTP/1.1", "Host: a", *many).fields) == r.MAX_FIELDS
    assert status_of("GET / HTTP/1.1", "Host: a", *many, "Y: y") == 431
    room = r.MAX_FIELDS_OCTETS - len("Host: a\r\nX: \r\n\r\n")
    assert read("GET / HTTP/1.1", "Host: a", "X: " + "x" * room).path == b"/"
    assert status_of("GET / HTTP/1.1", "Host: a", "X: " + "x" * (room + 1)) == 431


@pytest.mark.parametrize(("octets", "status"), [(0, 400), (1, 431)])
def test_what_offends_first_decides(octets: int, status: int) -> None:
    before = "X: " + "x" * (r.MAX_FIELDS_OCTETS - len("X: ") - 1 + octets)
    assert status_of("GET / HTTP/1.1", f"{before}\nY: z") == status


@given(st.binary(max_size=80).map(lambda tail: b"GET / HTTP/1.1\r\nHost: a\r\n" + tail + b"\r\n\r\n"))
def test_no_head_is_too_strange(head: bytes) -> None:
    head = head[: head.index(b"\r\n\r\n") + 4]
    with suppress(Refused):
        check_prefix(head, 0)
        assert parse(head).path == b"/"
