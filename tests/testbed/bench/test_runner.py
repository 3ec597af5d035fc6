"""Runs against servers on the loopback: alternation, shares, and errors that are never success."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from neatctl.testbed.bench.outcome import Outcome
from neatctl.testbed.bench.results import Run, TargetFacts, Workload
from neatctl.testbed.bench.runner import CannotMeasure, Target, _notes, measure, run_once

pytestmark = pytest.mark.system
SHORT = Workload(path="/20b", connections=2, seconds=0.3, warm_up_s=0.1, timeout_s=1.0)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"x" * 20


def answer_all(connection: socket.socket) -> None:
    with connection:
        while connection.recv(4096):
            connection.sendall(ANSWER)


@pytest.fixture
def url() -> Iterator[str]:
    """A server that answers everything."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer_all, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def dead_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def target(url: str, name: str = "loopback") -> Target:
    return Target(TargetFacts(name, url))


def test_a_run_of_two_workers_has_the_figures_of_both(url: str) -> None:
    workload = Workload(path="/20b", connections=3, seconds=0.3, warm_up_s=0.1, workers=2)
    run = run_once(target(url), workload)
    assert run.requests > 10
    assert (run.connections_wanted, run.connections_achieved, run.errors_total) == (3, 3, 0)
    assert run.latency.count == run.requests
    assert run.latency.p99_99 is not None
    assert run.cpu is not None
    assert run.cpu.us_per_request["client"] > 0
    assert run.cpu.window_s == pytest.approx(0.3, abs=0.1)


def test_a_dead_server_gives_errors_and_no_success(dead_url: str) -> None:
    run = run_once(target(dead_url), SHORT)
    assert run.requests == 0
    assert run.errors.refused == run.errors_total > 0
    assert run.cpu is not None
    assert run.cpu.us_per_request == {}
    assert run.latency.count == 0


def test_a_rate_that_is_not_reached_is_said(url: str) -> None:
    run = run_once(target(url), Workload(path="/20b", connections=1, seconds=0.3, warm_up_s=0.0, rate=1_000_000.0))
    assert run.unsent
    assert run.notes == [f"the rate was not reached: {run.unsent} requests were due and not sent"]
    assert _notes(Outcome(seconds=3.0, requests=14_998, unsent=2), replace(SHORT, rate=5000.0)) == [], "at the end"
    assert run.service_time is not None
    assert run.latency.p99 is not None
    assert run.service_time.p99 is not None
    assert run.latency.p99 > run.service_time.p99, "corrected for coordinated omission"


def test_a_server_with_another_file_gives_errors_and_no_success(url: str) -> None:
    run = run_once(target(url), Workload(path="/21b", octets=21, connections=1, seconds=0.3, warm_up_s=0.0))
    assert run.requests == 0
    assert run.errors.content == run.errors_total > 0


def test_repetitions_alternate_over_the_targets(url: str, dead_url: str) -> None:
    order: list[tuple[str, int, int]] = []
    ticks: list[int] = []

    def done(of: Target, workload: Workload, run: Run) -> None:
        order.append((of.facts.name, run.repetition, run.seed))

    pairs = [(target(url, "a"), SHORT), (target(dead_url, "b"), SHORT)]
    first, second = measure(pairs, 2, 7, lambda: ticks.append(1), done)
    assert order == [("a", 1, 7), ("b", 1, 7), ("a", 2, 8), ("b", 2, 8)]
    assert (first.target.name, len(first.runs), first.errors_total) == ("a", 2, 0)
    assert second.errors_total > 0
    assert second.requests_per_s.max == 0
    assert ticks


def test_a_client_that_cannot_start_is_said() -> None:
    there = Target(TargetFacts("nowhere", "http://127.0.0.1:9"), client_prefix=("/nowhere/program",))
    with pytest.raises(CannotMeasure, match="/nowhere/program: No such file"):
        run_once(there, SHORT)
