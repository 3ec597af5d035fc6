"""The load client against small servers on loopback: what it counts, as what, and what it takes for no error."""

from __future__ import annotations

import os
import resource
import socket
import time
from dataclasses import replace

import pytest

from neatctl.apps.load.run import Session, Unresolvable
from tests.apps.load.servers import BODY, answer, closed_port, loaded, only, options, request, reset, server, serving


# ---- what is right ----
def test_right_answers_are_counted_and_nothing_breaks() -> None:
    report = loaded(serving())
    assert report.requests > 20
    assert report.errors_total == 0
    assert (report.connections_wanted, report.connections_achieved, report.connections_opened) == (4, 4, 4)
    assert (report.unbroken_connections, report.broken_connections) == (4, 0)
    assert report.latency.count == report.requests == sum(report.requests_per_100_ms)
    assert report.octets_in >= report.requests * len(answer())
    assert report.service_time is None
    assert report.connect_time.count == 4
    assert report.requests_per_s == pytest.approx(report.requests / report.seconds, abs=0.1)
    assert 0 <= report.unanswered <= 4


def test_an_orderly_close_by_the_server_is_no_error() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        request(connection)
        connection.sendall(answer(close=True))

    report = loaded(serve)
    assert report.connections_opened > 8
    assert report.errors_total == 0
    assert report.closed_by_server > 4


def test_a_close_that_comes_with_the_answer_unannounced_is_none_either() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, 3, 1)  # TCP_CORK: answer and FIN leave together
        request(connection)
        connection.sendall(answer())

    report = loaded(serve)
    assert report.closed_by_server > 4
    assert report.errors_total == 0


def test_an_answer_in_pieces_is_one_answer() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while request(connection):
            whole = answer()
            for at in range(0, len(whole), 7):
                connection.sendall(whole[at : at + 7])

    report = loaded(serve, 1)
    assert report.requests > 2
    assert report.errors_total == 0


def test_a_long_answer_is_read_to_its_end() -> None:
    octets = os.urandom(3_000_000)
    report = loaded(serving(answer(body=octets)), 2, expect_octets=len(octets))
    assert report.requests > 1
    assert report.errors_total == 0


@pytest.mark.parametrize("per_connection", [1, 3])
def test_a_connection_has_so_many_requests_and_the_last_one_says_so(per_connection: int) -> None:
    seen: list[list[bool]] = []

    def serve(connection: socket.socket, _: int) -> None:
        asked: list[bool] = []
        seen.append(asked)
        while got := request(connection):
            asked.append(b"Connection: close" in got)
            connection.sendall(answer(close=asked[-1]))
            if asked[-1]:
                return

    report = loaded(serve, 2, requests_per_connection=per_connection)
    complete = [asked for asked in seen if asked and asked[-1]]
    assert len(complete) > 3
    assert all(asked == [False] * (per_connection - 1) + [True] for asked in complete[:-2])
    assert report.errors_total == 0
    assert report.connections_opened == pytest.approx(report.requests / per_connection, abs=4)


@pytest.mark.parametrize("rate", [0.0, 100.0])
def test_the_server_closes_first_so_that_no_port_is_taken(rate: float) -> None:
    ends: list[str] = []

    def serve(connection: socket.socket, _: int) -> None:
        while got := request(connection):
            connection.sendall(answer(close=b"Connection: close" in got))
            if b"Connection: close" in got:
                connection.shutdown(socket.SHUT_WR)
                ends.append("after us" if connection.recv(1) == b"" else "octets")
                return
        ends.append("before us")

    loaded(serve, 8, 0.2, rate=rate)
    until = time.monotonic() + 5
    while len(ends) < 8 and time.monotonic() < until:
        time.sleep(0.01)
    assert ends == ["after us"] * 8


def test_a_server_that_keeps_the_last_connection_is_left() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        while request(connection):
            connection.sendall(answer())

    report = loaded(serve, 2, requests_per_connection=2)
    assert report.connections_opened > 4
    assert report.errors_total == 0


def test_a_server_that_announces_its_close_and_does_not_close_is_waited_for_a_second() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        while request(connection):
            connection.sendall(answer(close=True))

    report = loaded(serve, 1, 1.3)
    assert report.requests == 2
    assert report.errors_total == 0


def test_several_paths_are_asked_for_in_turn_and_known_apart() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        while got := request(connection):
            connection.sendall(answer(body=got.split()[1] * 3))

    report = loaded(serve, 2, paths=("/a", "/longer"))
    assert report.requests > 10
    assert report.errors_total == 0


# ---- what is wrong ----
def test_a_reset_breaks_one_connection_and_it_comes_back() -> None:
    def serve(connection: socket.socket, number: int) -> None:
        if number > 1:
            return serving()(connection, number)
        request(connection)
        connection.sendall(answer())
        request(connection)
        return reset(connection)

    report = loaded(serve)
    assert only(report, "reset") == 1
    assert (report.broken_connections, report.unbroken_connections) == (1, 3)
    assert report.connections_opened == 5
    assert [(broken.error, broken.local_port > 1024) for broken in report.broken] == [("reset", True)]
    assert 0 < report.broken[0].at_s < 0.3


@pytest.mark.parametrize("sent", [b"", answer()[:10], answer()[:-3]])
def test_an_early_close_is_an_error_wherever_it_comes(sent: bytes) -> None:
    def serve(connection: socket.socket, _: int) -> None:
        request(connection)
        connection.sendall(sent)

    report = loaded(serve, 2)
    assert only(report, "closed") > 4
    assert report.requests == report.broken_connections == 0
    assert len(report.error_reasons) == 1


def test_a_server_that_says_nothing_times_out() -> None:
    report = loaded(lambda connection, _: connection.recv(4096) and time.sleep(0.5), 3, 0.5, timeout_s=0.1)  # type: ignore[arg-type, func-returns-value]
    assert 7 <= only(report, "timeout") <= 15
    assert report.requests == report.unanswered == 0


def test_a_server_that_falls_silent_near_the_end_is_an_error_all_the_same() -> None:
    def serve(connection: socket.socket, number: int) -> None:
        while request(connection) and not (number == 1 and time.monotonic() > silent_from):
            connection.sendall(answer())
        time.sleep(1)

    silent_from = time.monotonic() + 0.2
    report = loaded(serve, 3, 0.3, timeout_s=0.4)
    assert report.requests > 20
    assert only(report, "timeout") == 1
    assert report.error_reasons == {"timeout: answer, after the end": 1}
    assert report.unanswered <= 2


@pytest.mark.parametrize(
    ("what", "kind", "reason"),
    [
        (answer(status="503 Service Unavailable"), "status", "status 503"),
        (answer(body=BODY * 2), "content", "another length"),
        (answer() + b"x", "content", "more octets"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "other", "Transfer-Encoding"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "other", "malformed"),
    ],
)
def test_wrong_answers_have_their_class_and_their_reason(what: bytes, kind: str, reason: str) -> None:
    report = loaded(serving(what), 1, 0.2, expect_octets=20)
    assert only(report, kind) > 1
    assert report.requests == 0
    assert report.latency.count == 0
    assert [reason in name for name in report.error_reasons] == [True]


def test_an_answer_that_changes_is_wrong_content() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        for body in (BODY, BODY.upper()):
            request(connection)
            connection.sendall(answer(body=body))
        request(connection)

    report = loaded(serve, 1)
    assert only(report, "content") > 0
    assert report.broken_connections == 1


def test_octets_that_nobody_asked_for_are_wrong_content() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        request(connection)
        connection.sendall(answer())
        time.sleep(0.05)
        connection.sendall(b"more")
        request(connection)

    report = loaded(serve, 1, rate=4.0, seconds=0.7)
    assert only(report, "content") == report.requests == len(report.broken) > 1
    assert report.broken_connections == 1


def test_a_refusal_is_counted_and_tried_again() -> None:
    report = Session(options(closed_port(), 2, 0.2)).run()
    assert 4 < only(report, "refused") <= 22
    assert (report.broken_connections, report.connections_opened, report.connections_achieved) == (0, 0, 0)


def test_an_address_without_a_route_is_unreachable() -> None:
    # 240.0.0.0/4 is reserved (RFC 1112): Linux gives no route to 255.255.255.255 as a TCP peer.
    target = replace(options(80, 1, 0.1), host="255.255.255.255")
    assert only(Session(target).run(), "unreachable") > 1


def test_a_host_without_an_address_is_said_to_be_one() -> None:
    with pytest.raises(Unresolvable, match="no IPv4 address"):
        Session(replace(options(80), host="nowhere.invalid"))


def test_too_few_descriptors_are_an_error_of_their_own() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with server(serving()) as port:
        session = Session(options(port, 4, 0.2))
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            report = session.run()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert only(report, "fd_limit") > 4
