"""One connection as a client sees it: replies, conditions, ranges, persistence, limits, deadlines."""

from __future__ import annotations

from pathlib import Path

import pytest

from neatctl.apps.web.http import CLOSING, LINGERING, OPEN, Connection, Service
from neatctl.apps.web.http_date import format_date
from neatctl.apps.web.site import load
from tests.apps.web.exchange import HOST, SECONDS, ask, drain, exchange, get, responses, service, small_site

SMALL = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
SECOND_US = 1_000_000


def test_a_file() -> None:
    response = get(service(), "/small?x=y")
    assert response.status == 200
    assert response.body == b"twenty octets, NEaT\n"
    assert response.fields == {
        "Server": "neatctl",
        "Date": format_date(SECONDS).decode(),
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "20",
        "ETag": response.fields["ETag"],
        "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "Accept-Ranges": "bytes",
    }


def test_a_large_file_comes_in_pieces_that_share_its_octets() -> None:
    made = service()
    connection = Connection(made, 0)
    connection.receive(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 0)
    assert connection.output is not None
    assert connection.stop < 1000
    connection.sent(connection.stop, 0)
    assert connection.output is made.site.entries[b"/large"].content
    connection.sent(1000, 0)
    assert (connection.at, connection.stop) == (1000, 502000)


def test_the_date_follows_the_clock() -> None:
    made = service()
    first = get(made, "/small").fields["Date"]
    assert get(made, "/small").fields["Date"] == first
    made.tick(SECONDS + 1)
    assert get(made, "/small").fields["Date"] == format_date(SECONDS + 1).decode()


@pytest.mark.parametrize("target", ["/", "/small", "/large", "/empty", "/dir", "/nowhere", "/a%20b"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_head_is_get_without_the_body(target: str, version: bytes) -> None:
    made = service()
    tail = b" " + target.encode() + b" HTTP/" + version + b"\r\n" + HOST + b"\r\n"
    got, state = exchange(made, [b"GET" + tail])
    head, body = got.split(b"\r\n\r\n", 1)
    assert exchange(made, [b"HEAD" + tail]) == (head + b"\r\n\r\n", state)
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"


def test_the_statuses_of_the_site() -> None:
    made = service()
    assert get(made, "/nowhere").status == 404
    assert get(made, "/small/").status == 404
    assert get(made, "/a%20b").body == b"space"
    assert get(made, "http://other/small").body == b"twenty octets, NEaT\n"
    moved = get(made, "/dir?q")
    assert (moved.status, moved.fields["Location"]) == (301, "/dir/")
    assert get(made, "/dir/").body == b"listing"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods_are_not_allowed(method: str) -> None:
    octets, state = exchange(service(), [f"{method} /small HTTP/1.1\r\nHost: a\r\n\r\n".encode(), SMALL])
    refused, served = responses(octets)
    assert (refused.status, refused.fields["Allow"]) == (405, "GET, HEAD")
    assert (served.status, state) == (200, OPEN)


TRAVERSALS = [
    "/../secret", "/..%2fsecret", "/%2e%2e/secret", "/%2e%2e%2fsecret", "/.%2e/secret", "/%252e%252e/secret",
    "/dir/../../secret", "/..\\secret", "/..%5csecret", "/%5c..%5csecret", "/....//secret", "/./../secret",
    "//secret", "/dir//../secret", "/%c0%ae%c0%ae/secret", "/%uff0e%uff0e/secret", "/..;/secret", "/dir/..%00/secret",
    "/%00", "/small%00.html", "/file:///etc/passwd", "/%2fetc%2fpasswd", "//etc/passwd", "/etc/passwd",
    "http://a/../secret", "http://a//etc/passwd", "/%e0%80%ae/secret", "/small/../../secret",
    "/link", "/link/", "/dir/../link", "/..", "/.", "/dir/.",
]  # fmt: skip


@pytest.mark.parametrize("target", TRAVERSALS)
def test_no_path_leads_outside(target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root" / "dir").mkdir(parents=True)
    (tmp_path / "root" / "small").write_text("public")
    (tmp_path / "root" / "link").symlink_to("../secret")
    response = get(Service(load(str(tmp_path / "root"))), target)
    assert response.status in (400, 404)
    assert b"secret" not in response.body


# ---- conditions ----
def test_conditions() -> None:
    made = service()
    plain = get(made, "/small")
    tag, date = plain.fields["ETag"], plain.fields["Last-Modified"]
    for field, status in {
        f"If-None-Match: {tag}": 304,
        f"If-None-Match: W/{tag}": 304,
        f'If-None-Match: "x,y", {tag}': 304,
        f'If-None-Match: "x" ,W/"y",{tag},"z"': 304,
        "If-None-Match: *": 304,
        'If-None-Match: "x"': 200,
        f"If-None-Match: {tag[1:-1]}": 200,
        f"If-Modified-Since: {date}": 304,
        "If-Modified-Since: Sat, 01 Jan 2028 00:00:00 GMT": 304,
        "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT": 200,
        "If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT": 304,
        "If-Modified-Since: Tue Nov 14 22:13:20 2023": 304,
        "If-Modified-Since: rubbish": 200,
        f'If-None-Match: "x"\r\nIf-Modified-Since: {date}': 200,
        f"If-None-Match: {tag}\r\nIf-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT": 304,
        f"If-Match: {tag}": 200,
        "If-Match: *": 200,
        f"If-Match: W/{tag}": 412,
        'If-Match: "x"': 412,
        f"If-Unmodified-Since: {date}": 200,
        "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT": 412,
    }.items():
        response = get(made, "/small", field)
        assert response.status == status, field
        if status == 304:
            assert response.fields["ETag"] == tag
            assert response.body == b""
            assert "Content-Length" not in response.fields
    octets, _ = exchange(made, [f"HEAD /small HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n".encode()])
    assert octets.startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-4", (0, 5)),
        ("bytes=5-", (5, 20)),
        ("bytes=-3", (17, 20)),
        ("bytes=-99", (0, 20)),
        ("BYTES= 19-19", (19, 20)),
        ("bytes=0-99999999999", (0, 20)),
    ],
)
def test_ranges(text: str, part: tuple[int, int]) -> None:
    response = get(service(), "/small", f"Range: {text}")
    assert response.status == 206
    assert response.fields["Content-Range"] == f"bytes {part[0]}-{part[1] - 1}/20"
    assert response.body == b"twenty octets, NEaT\n"[part[0] : part[1]]


@pytest.mark.parametrize("text", ["bytes=20-", "bytes=99-100", "bytes=-0"])
def test_ranges_without_octets(text: str) -> None:
    response = get(service(), "/small", f"Range: {text}")
    assert (response.status, response.fields["Content-Range"]) == (416, "bytes */20")


@pytest.mark.parametrize("text", ["bytes=5-4", "bytes=0-1,3-4", "lines=0-4", "bytes=", "bytes=-", "bytes=a-b", "0-4"])
def test_ranges_that_are_ignored(text: str) -> None:
    assert get(service(), "/small", f"Range: {text}").status == 200


def test_a_range_of_a_large_file_and_if_range() -> None:
    made = service()
    response = get(made, "/large", "Range: bytes=100000-399999")
    assert response.body == (bytes(range(251)) * 2000)[100000:400000]
    tag = response.fields["ETag"]
    assert get(made, "/large", "Range: bytes=0-1", f"If-Range: {tag}").status == 206
    assert get(made, "/large", "Range: bytes=0-1", 'If-Range: "old"').status == 200
    assert get(made, "/large", "Range: bytes=0-1", f"If-Range: W/{tag}").status == 200
    assert get(made, "/large", "Range: bytes=0-1", "If-Range: Tue, 14 Nov 2023 22:13:20 GMT").status == 206
    assert get(made, "/large", "Range: bytes=0-1", f"If-None-Match: {tag}").status == 304


# ---- persistence ----
@pytest.mark.parametrize(
    ("head", "state", "connection"),
    [
        (b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n", OPEN, None),
        (b"GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", CLOSING, "close"),
        (b"GET /small HTTP/1.0\r\n\r\n", CLOSING, "close"),
        (b"GET /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OPEN, "keep-alive"),
    ],
)
def test_keep_or_close(head: bytes, state: int, connection: str | None) -> None:
    octets, became = exchange(service(), [head])
    (response,) = responses(octets)
    assert (became, response.fields.get("Connection")) == (state, connection)


def test_the_last_request_of_a_connection_is_answered_with_close() -> None:
    made = service(max_requests=3)
    octets, state = exchange(made, [SMALL, SMALL + SMALL + SMALL, SMALL])
    answered = responses(octets)
    assert [response.fields.get("Connection") for response in answered] == [None, None, "close"]
    assert state == LINGERING


def test_without_a_limit_a_connection_serves_on() -> None:
    made = service(max_requests=0)
    octets, state = exchange(made, [SMALL] * 3000)
    assert (octets.count(b"twenty"), state) == (3000, OPEN)


def test_pipelined_requests_are_answered_in_order_and_in_one_piece() -> None:
    connection = Connection(service(), 0)
    wanted = [b"/small", b"/", b"/nowhere", b"/dir", b"/empty", b"/small"]
    connection.receive(b"".join(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n" for path in wanted), 0)
    octets = drain(connection)
    assert [response.status for response in responses(octets)] == [200, 200, 404, 301, 200, 200]
    connection.receive(SMALL * 50, 0)
    assert connection.output is not None
    assert connection.output.count(b"twenty") == 50


def test_a_reader_that_takes_nothing_stops_the_answering_of_pipelined_requests() -> None:
    made = service()
    connection = Connection(made, 0)
    connection.receive(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 60, 0)
    assert made.requests == 1
    assert drain(connection).count(b"HTTP/1.1 200 OK") == 60
    assert connection.state == OPEN


def test_octets_behind_the_last_request_are_not_a_request() -> None:
    made = service()
    octets, state = exchange(made, [b"GET /small HTTP/1.0\r\n\r\n" + SMALL])
    assert (len(responses(octets)), state) == (1, LINGERING)


def test_empty_lines_before_a_request_are_passed_over() -> None:
    octets, state = exchange(service(), [b"\r\n\r\n", b"\r", b"\n" + SMALL + b"\r\n" + SMALL])
    assert (len(responses(octets)), state) == (2, OPEN)


# ---- bodies ----
def test_a_body_is_read_and_thrown_away() -> None:
    body = b"GET /large HTTP/1.1\r\n\r\n"
    head = b"GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    octets, state = exchange(service(), [head + body[:7], body[7:] + SMALL])
    assert [response.body for response in responses(octets)] == [b"twenty octets, NEaT\n"] * 2
    assert state == OPEN


def test_the_memo_does_not_swallow_a_body() -> None:
    made = service()
    body = SMALL
    head = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    exchange(made, [SMALL])
    octets, _ = exchange(made, [head, body, head, body])
    assert [response.body for response in responses(octets)] == [b"<p>index</p>"] * 2


def test_a_long_body_is_refused() -> None:
    response = ask(service(), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n")
    assert (response.status, response.fields["Connection"]) == (413, "close")


def test_expectations() -> None:
    made = service()
    tail = b"Content-Length: 5\r\n\r\n"
    octets, state = exchange(made, [b"GET /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + tail])
    (response,) = responses(octets)
    assert (response.status, response.fields["Connection"], state) == (200, "close", LINGERING)
    assert get(made, "/small", "Expect: 100-continue").status == 200
    assert get(made, "/small", "Expect: tea").status == 417
    assert ask(made, b"GET /small HTTP/1.0\r\nExpect: tea\r\n\r\n").status == 200


# ---- refusals and their end ----
@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"\n", 400),
        (b"\rGET", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 17000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ],
)
def test_a_refusal_ends_the_connection(octets: bytes, status: int) -> None:
    made = service()
    answered, state = exchange(made, [octets, SMALL])
    (response,) = responses(answered)
    assert (response.status, response.fields["Connection"], state) == (status, "close", LINGERING)
    assert made.refusals == 1


def test_a_refused_head_request_gets_no_body() -> None:
    octets, _ = exchange(service(), [b"HEAD / HTTP/1.1\r\n\r\n"])
    assert octets.startswith(b"HTTP/1.1 400 ")
    assert octets.endswith(b"\r\n\r\n")


# ---- time ----
def test_a_head_that_does_not_end_is_answered_with_408() -> None:
    made = service()
    connection = Connection(made, 0)
    connection.receive(SMALL, 5 * SECOND_US)
    drain(connection, 5 * SECOND_US)
    for second in range(10, 30):
        connection.receive(b"G" if second == 10 else b"X", second * SECOND_US)
        assert connection.deadline == 30 * SECOND_US
    connection.expire(30 * SECOND_US)
    (response,) = responses(drain(connection, 30 * SECOND_US))
    assert (response.status, connection.state, made.timeouts) == (408, LINGERING, 1)
    assert connection.deadline == 32 * SECOND_US
    connection.expire(32 * SECOND_US)
    assert (connection.state, connection.given_up) == (CLOSING, False)


def test_a_connection_without_a_request_is_closed_without_a_word() -> None:
    connection = Connection(service(), 0)
    assert connection.deadline == 20 * SECOND_US
    connection.expire(20 * SECOND_US)
    assert (connection.output, connection.state, connection.given_up) == (None, CLOSING, False)


def test_an_idle_connection_is_closed_after_a_minute() -> None:
    connection = Connection(service(), 0)
    connection.receive(SMALL, 3 * SECOND_US)
    drain(connection, 3 * SECOND_US)
    assert connection.deadline == 63 * SECOND_US
    connection.expire(63 * SECOND_US)
    assert (connection.output, connection.state, connection.given_up) == (None, CLOSING, False)


def test_a_reader_that_stands_still_is_given_up() -> None:
    made = service()
    connection = Connection(made, 0)
    connection.receive(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 0)
    connection.sent(connection.stop, 0)
    for second in range(0, 300, 30):
        connection.sent(1, second * SECOND_US)
        assert connection.deadline == (second + 60) * SECOND_US
    connection.sent(0, 320 * SECOND_US)
    assert connection.deadline == 330 * SECOND_US
    connection.expire(330 * SECOND_US)
    assert (connection.output, connection.given_up, made.timeouts) == (None, True, 1)


def test_a_body_that_does_not_come_ends_the_connection() -> None:
    connection = Connection(service(), 0)
    connection.receive(b"GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", SECOND_US)
    drain(connection, SECOND_US)
    assert connection.deadline == 21 * SECOND_US
    connection.receive(b"12345", 20 * SECOND_US)
    assert connection.deadline == 21 * SECOND_US
    connection.receive(b"67890", 20 * SECOND_US)
    connection.receive(SMALL, 20 * SECOND_US)
    drain(connection, 20 * SECOND_US)
    assert connection.deadline == 80 * SECOND_US


# ---- the end of the client's stream, and of the server ----
def test_what_was_asked_for_before_the_clients_fin_is_answered() -> None:
    connection = Connection(service(), 0)
    connection.receive(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + b"GET /small", 0)
    connection.end()
    assert drain(connection).count(b"HTTP/1.1 200 OK") == 3
    assert connection.state == CLOSING
    for octets in (b"", b"GET /small"):
        connection = Connection(service(), 0)
        connection.receive(octets, 0)
        connection.end()
        assert (connection.output, connection.state) == (None, CLOSING)


def test_lingering_ends_with_the_clients_fin() -> None:
    for early in (True, False):
        connection = Connection(service(), 0)
        connection.receive(b"BAD\r\n\r\n", 0)
        if early:
            connection.end()
        assert drain(connection).startswith(b"HTTP/1.1 400 ")
        if not early:
            assert connection.state == LINGERING
            connection.end()
        assert connection.state == CLOSING


def test_a_server_that_ends_says_so_in_its_replies() -> None:
    made = service()
    assert "Connection" not in get(made, "/small").fields
    made.draining = True
    assert get(made, "/small").fields["Connection"] == "close"
    assert get(made, "/nowhere").fields["Connection"] == "close"


def test_a_new_snapshot_is_served_at_once() -> None:
    made = service()
    assert get(made, "/small").status == 200
    site = small_site()
    del site.entries[b"/small"]
    made.install(site)
    assert get(made, "/small").status == 404


def test_the_memo_is_bounded_and_keeps_what_is_used() -> None:
    made = service(memo_entries=100, memo_octets=20000)
    for number in range(2000):
        get(made, "/small")
        get(made, f"/small?{number}", "X: " + "y" * (number % 900))
        entries, octets = made.memo_size()
        assert entries <= 100
        assert octets <= 20000
    assert made.memo_misses == 2001
