"""Runs of the load client: the open loop, warm-up, seed, the command with its exit codes and signals."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from neatctl.apps.load.run import Report, main
from tests.apps.load.servers import answer, loaded, request, reset, server, serving


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
