"""The load client against small servers on loopback: what it counts, as what, and what it takes for no error."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import pytest

from neatctl.apps.load.options import Options
from neatctl.apps.load.run import Report, Session, Unresolvable, main

BODY = b"twenty octets of it\n"
Serve = Callable[[socket.socket, int], None]


def answer(close: bool = False, status: str = "200 OK", body: bytes = BODY) -> bytes:
    last = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{last}\r\n".encode() + body


@contextmanager
def server(serve: Serve) -> Iterator[int]:
    """Serves each connection in a thread: `serve(connection, number)`; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def accept() -> None:
            number = 0
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                number += 1
                threading.Thread(target=one, args=(connection, number), daemon=True).start()

        def one(connection: socket.socket, number: int) -> None:
            with connection:
                try:
                    serve(connection, number)
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def options(port: int, connections: int = 4, seconds: float = 0.3, **others: object) -> Options:
    made = Options(f"http://127.0.0.1:{port}/20b", "127.0.0.1", port, ("/20b",), connections, seconds=seconds)
    return replace(made, **others)  # type: ignore[arg-type]


def loaded(serve: Serve, connections: int = 4, seconds: float = 0.3, **others: object) -> Report:
    with server(serve) as port:
        return Session(options(port, connections, seconds, **others)).run()


def request(connection: socket.socket) -> bytes:
    """The next request, b"" for none."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        if not (more := connection.recv(4096)):
            return b""
        got += more
    return got


def serving(what: bytes = answer()) -> Serve:
    """Answers every request, and closes when asked to."""

    def serve(connection: socket.socket, _: int) -> None:
        while asked := request(connection):
            if b"Connection: close" in asked:
                connection.sendall(what.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                return
            connection.sendall(what)

    return serve


def reset(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def only(report: Report, kind: str) -> int:
    """The errors of one class, when there are no others."""
    assert report.errors_total == report.errors[kind] == sum(report.error_reasons.values()), report.error_reasons
    return report.errors_total


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
    assert 7 <= only(report, "timeout") <= 12
    assert report.requests == 0
    assert report.unanswered <= 3


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


# ---- the open loop ----
def test_a_rate_is_kept_and_not_exceeded() -> None:
    report = loaded(serving(), rate=200.0, seconds=0.5)
    assert 90 <= report.requests <= 101
    assert report.errors_total == 0
    assert report.service_time is not None
    assert report.service_time.count == report.latency.count
    assert report.rate_wanted == 200.0


def test_a_stall_shows_in_every_request_that_was_due_meanwhile() -> None:
    """Coordinated omission: one answer that takes 200 ms delays 40 requests, of which the service time shows one."""
    stalled = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        served = 0
        while request(connection):
            served += 1
            if served == 50 and not stalled.is_set():
                stalled.set()
                time.sleep(0.2)
            connection.sendall(answer())

    report = loaded(serve, 1, rate=200.0, seconds=1.0)
    assert stalled.is_set()
    assert report.errors_total == 0
    assert report.service_time is not None
    assert report.latency.p99_9 is not None
    assert report.latency.p99_9 >= 190_000
    # The due times in 200 ms are 40: the mean of what they waited is 100 ms, over 200 requests.
    assert report.latency.p90 is not None
    assert report.service_time.p90 is not None
    assert report.latency.p90 > 60_000
    assert report.service_time.p90 < 60_000
    assert report.service_time.mean is not None
    assert report.latency.mean is not None
    assert report.latency.mean > 5 * report.service_time.mean


def test_what_the_server_cannot_follow_is_told_as_unsent() -> None:
    def slowly(connection: socket.socket, _: int) -> None:
        while request(connection):
            time.sleep(0.02)
            connection.sendall(answer())

    report = loaded(slowly, 1, rate=1000.0)
    assert report.requests < 20
    assert report.unsent + report.requests + report.unanswered == pytest.approx(300, abs=2)


def test_a_rate_of_connections_opens_each_when_it_is_due() -> None:
    report = loaded(serving(), rate=100.0, requests_per_connection=1, seconds=0.5)
    assert 40 <= report.requests <= 51
    assert report.connections_opened == pytest.approx(report.requests, abs=1)
    assert report.errors_total == 0


# ---- the run ----
def test_the_warm_up_is_not_counted() -> None:
    def late(connection: socket.socket, number: int) -> None:
        if number <= 2:
            request(connection)
            return reset(connection)
        return serving()(connection, number)

    report = loaded(late, 2, warm_up_s=0.2)
    assert report.warm_up.errors["reset"] == 2
    assert report.warm_up.requests > 0
    assert report.errors_total == 0
    assert report.warm_up.seconds == pytest.approx(0.2, abs=0.05)
    assert report.seconds == pytest.approx(0.3, abs=0.05)
    assert sum(report.requests_per_100_ms) == report.requests + report.warm_up.requests
    assert len(report.requests_per_100_ms) in {5, 6}


def test_the_same_seed_asks_in_the_same_order() -> None:
    def order(seed: int) -> list[bytes]:
        asked: list[bytes] = []

        def serve(connection: socket.socket, _: int) -> None:
            while got := request(connection):
                asked.append(got.split()[1])
                connection.sendall(answer())

        loaded(serve, 1, 0.1, seed=seed, paths=tuple(f"/{i}" for i in range(20)))
        return asked[:20]

    assert order(1) == order(1) != order(2)


def command(port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "neatctl.apps.load", f"http://127.0.0.1:{port}/20b", *more]


def test_the_command_prints_one_object_and_its_progress_apart() -> None:
    with server(serving()) as port:
        argv = command(port, "--connections", "2", "--seconds", "1.2", "--progress")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    report = msgspec.json.decode(done.stdout, type=Report)
    assert (report.schema, report.url, report.connections_wanted) == (2, argv[3], 2)
    assert report.latency.hdr.startswith("HISTF")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["at_s"], line["measured"], line["errors_total"], line["open"]) for line in lines] == [
        (1.0, True, 0, 2)
    ]
    assert 0 < lines[0]["requests"] <= report.requests


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_what_there_is(number: signal.Signals, code: int) -> None:
    answered = threading.Event()

    def serve(connection: socket.socket, _: int) -> None:
        while request(connection):
            connection.sendall(answer())
            answered.set()

    with server(serve) as port, subprocess.Popen(command(port, "--seconds", "60"), stdout=subprocess.PIPE) as load:
        assert answered.wait(20)
        load.send_signal(number)
        out, _ = load.communicate(timeout=20)
    report = msgspec.json.decode(out, type=Report)
    assert load.returncode == code
    assert report.stopped_by == number.name
    assert report.requests > 0
    assert report.seconds < 30


def test_the_exit_code_says_whether_answers_were_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    for what, code in ((answer(), 0), (answer(status="500 X"), 1)):
        with server(serving(what)) as port:
            monkeypatch.setattr(sys, "argv", ["load", *command(port, "--seconds", "0.1")[3:]])
            previous = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
            assert main() == code
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), previous):
                signal.signal(number, handler)
