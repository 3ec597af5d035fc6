"""What is asked of the load clients, and what is read of their reports: recorded ones, and nonsense."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from neatctl.testbed.bench import httperf, own_client, wrk
from neatctl.testbed.bench.clients import CLIENTS, client_of, missing
from neatctl.testbed.bench.outcome import Outcome, histogram
from neatctl.testbed.bench.own_client import BadOutput
from neatctl.testbed.bench.results import Errors, Workload

RECORDED = Path(__file__).parent / "recorded"
EIGHT = Workload(connections=8, requests_per_connection=100, seconds=1.0)
RATED = replace(EIGHT, rate=4000.0)


def of_wrk(name: str, code: int = 0) -> Outcome:
    return wrk.outcome((RECORDED / f"wrk-{name}.txt").read_text(), "", code, EIGHT)


def of_httperf(name: str, workload: Workload = RATED) -> Outcome:
    return httperf.outcome((RECORDED / f"httperf-{name}.txt").read_text(), "", 0, workload)


def test_wrk_in_good_health() -> None:
    seen = of_wrk("good")
    text = (RECORDED / "wrk-good.txt").read_text()
    assert f" {seen.requests} requests in" in text, "as it says itself"
    assert seen.seconds == pytest.approx(1.0, abs=0.2)
    assert seen.errors == Errors()
    assert seen.latency.count >= seen.requests, "wrk adds those that it takes for omitted"
    printed = re.search(r"Latency +([\d.]+)us +\S+ +([\d.]+)ms", text)
    assert printed is not None
    assert seen.latency.mean == pytest.approx(float(printed[1]), abs=0.01)
    assert seen.latency.max == pytest.approx(float(printed[2]) * 1000, abs=5)
    assert histogram(seen.latency.hdr).get_total_count() == seen.latency.count


def test_wrk_with_bad_answers_has_no_success() -> None:
    seen = of_wrk("404")
    assert seen.requests == 0
    assert seen.errors.status > 1000


def test_wrk_with_broken_connections_counts_them() -> None:
    seen = of_wrk("breaks")
    assert "read 1553" in (RECORDED / "wrk-breaks.txt").read_text()
    assert seen.errors == Errors(other=1553)
    assert seen.error_reasons == {"wrk: socket errors, read": 1553}


def test_wrk_without_a_server_is_an_error_and_no_exception() -> None:
    seen = of_wrk("refused", 1)
    assert (seen.requests, seen.errors) == (0, Errors(refused=1))
    assert seen.latency.count == 0


def test_wrk_closes_after_as_many_requests_as_it_is_told() -> None:
    assert "request()" not in wrk.script(0)
    assert "% 100 == 0" in wrk.script(100)
    assert 'wrk.headers["Connection"] = "close"' in wrk.script(1)
    assert "request()" not in wrk.script(1), "a header of all requests, which wrk prepares once"


def test_httperf_in_good_health() -> None:
    seen = of_httperf("good")
    assert (seen.requests, seen.connections_opened, seen.connections_wanted) == (4000, 40, 40)
    assert seen.connections_achieved == 1
    assert seen.errors == Errors()
    assert seen.octets_in == 4000 * 183
    assert (seen.latency.mean, seen.latency.p50) == (100.0, None), "it has no percentiles of answers"


def test_httperf_with_the_wrong_file_has_no_success() -> None:
    seen = of_httperf("good", replace(RATED, octets=21))
    assert seen.requests == 0
    assert seen.errors == Errors(content=4000)


@pytest.mark.parametrize(
    ("name", "requests", "errors"),
    [
        ("404", 0, Errors(status=40)),
        ("refused", 0, Errors(refused=4)),
        ("breaks", 50, Errors(reset=10)),
        ("timeout", 0, Errors(timeout=4)),
    ],
)
def test_httperf_with_errors(name: str, requests: int, errors: Errors) -> None:
    seen = of_httperf(name)
    assert (seen.requests, seen.errors) == (requests, errors)


def test_httperf_is_asked_for_connections_at_a_rate() -> None:
    argv = httperf.command("http://10.77.0.2:80/20b", RATED, 1, "/nowhere")
    asked = dict(pairwise(argv))
    assert (asked["--rate"], asked["--num-conns"], asked["--num-calls"]) == ("40.000000", "40", "100")
    assert (asked["--server"], asked["--port"], asked["--uri"]) == ("10.77.0.2", "80", "/20b")


def test_what_a_client_cannot_do_is_said_with_the_remedy() -> None:
    assert "--rate" in httperf.lacks(EIGHT)
    assert "--requests-per-connection" in httperf.lacks(replace(RATED, requests_per_connection=0))
    assert "--client own" in wrk.lacks(RATED)
    assert "--seconds 2" in wrk.lacks(replace(EIGHT, seconds=1.5))
    assert own_client.lacks(RATED) == ""


def test_a_client_that_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing("own") == ""
    assert missing("wrk") == "wrk is not installed: apt-get install wrk, or take --client own"


@given(st.sampled_from(CLIENTS), st.text(), st.integers(0, 255))
def test_nonsense_is_bad_output(name: str, said: str, code: int) -> None:
    with pytest.raises(BadOutput):
        client_of(name).outcome(said, "", code, RATED)


@given(st.sampled_from(sorted(RECORDED.glob("*.txt"))), st.integers(0), st.characters(codec="utf-8"))
def test_a_damaged_report_is_read_or_bad_output(file: Path, at: int, character: str) -> None:
    text = file.read_text()
    at %= len(text)
    try:
        seen = client_of(file.name.partition("-")[0]).outcome(text[:at] + character + text[at + 1 :], "", 1, RATED)
    except BadOutput:
        return
    assert seen.requests >= 0


def test_our_own_client_is_read_by_its_schema() -> None:
    latency = {"unit": "us", "count": 2, "min": 1, "mean": 1.5, "p50": 1, "p90": 2, "p99": 2, "max": 2, "hdr": ""}
    said = {
        "schema": 2, "seconds": 1.0, "requests": 2, "octets_in": 500, "connections_wanted": 8,
        "connections_achieved": 7, "connections_opened": 9, "errors": {"reset": 3}, "latency": latency,
        "begun_monotonic_us": 1_000_000, "warm_up": {"seconds": 0.5, "requests": 9, "errors": {"timeout": 1}},
        "error_reasons": {"reset": 3},
    }  # fmt: skip
    seen = own_client.outcome(json.dumps(said), "", 1, EIGHT)
    assert (seen.requests, seen.connections_achieved, seen.begun_us) == (2, 7, 1_500_000)
    assert seen.errors == Errors(reset=3, timeout=1), "errors of the warm-up are not hidden"
    assert seen.error_reasons == {"reset": 3, "timeout in the warm-up": 1}
    with pytest.raises(BadOutput, match="schema 3"):
        own_client.outcome(json.dumps(said | {"schema": 3}), "", 0, EIGHT)
    with pytest.raises(BadOutput, match="exited with 2: no such option"):
        own_client.outcome("", "usage\nno such option\n", 2, EIGHT)
