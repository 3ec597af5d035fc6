"""Verdicts: what holds, what does not, and what could not be measured, from observations alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.control.events import Event
from neatctl.core.control.status import Row, Status
from neatctl.testbed.scenario.judge import Verdict, judge
from neatctl.testbed.scenario.model import MEASURES, Command, Expect, Fault, Fetch, Load, Phase, Scenario
from neatctl.testbed.scenario.observed import Done, Observed
from neatctl.testbed.scenario.report import ScenarioReport, StepReport, junit_xml


def row(index: int, generation: int = 1, component: str = "replica", state: str = "serving", **counters: int) -> Row:
    return Row(
        component=component, index=index, pid=1, state=state, generation=generation, connections=index, packets_in=0,
        packets_out=0, cpu_percent=0.0, restarts=0, memory_octets=0, counters=counters, gauges={},
    )  # fmt: skip


def status(*rows: Row) -> Status:
    return Status(1, "s", "serving", True, "ring", "ipc", "10.77.0.2/24", "10.77.0.1", "ns", 0, 2, list(rows))


def crash(index: int, lost: int, back_us: int | None, component: str = "replica") -> list[Event]:
    events = [Event("crashed", 1, component, index, connections_lost=lost), Event("restarted", 2, component, index)]
    return events + ([Event("serving", 3, component, index, since_failure_us=back_us)] if back_us is not None else [])


BEGUN_US = 7_000_000
# The load began 0.25 s after the scenario did.
LOAD = Done(Load(name="load"), 0.0, 0.0, result={
    "requests": 900, "seconds": 3.0, "errors": {"reset": 3, "timeout": 1}, "broken_connections": 14,
    "closed_by_server": 5, "latency": {"p99": 1234}, "begun_monotonic_us": BEGUN_US + 250_000,
    "requests_per_100_ms": [20] * 10 + [40] * 10 + [30] * 10,
})  # fmt: skip
SLOW = Done(Load(name="slow"), 0.0, 0.0, result={"requests": 1, "seconds": 0.0, "latency": None, "errors": {}})
FILES = Done(Fetch(name="files", path="/x"), 0.0, 0.0, result=[True, False, "timed out", True])
FAILED = Done(Load(name="failed"), 0.0, 0.0, error="it did not end in time", exit_code=-9)
PHASES = [
    Done(phase, 0.0, 0.0)
    for phase in (
        Phase(name="first", at=0.25, seconds=1),
        Phase(name="second", at=1.25, seconds=1),
        Phase(name="across", at=1.2, seconds=0.2),
        Phase(name="early", at=0.1, seconds=1),
        Phase(name="late", at=3, seconds=1),
    )
]
SEEN = Observed(
    2,
    BEGUN_US,
    status(row(1, tcp_accepted=10), row(2, tcp_accepted=10), row(0, component="driver", rx_frames=5)),
    status(row(1, tcp_accepted=60), row(2, 2, tcp_accepted=45), row(0, component="driver", rx_frames=25)),
    [*crash(2, 7, 30_000), *crash(2, 5, 80_000), Event("collected", 9, "replica", 3)],
    [LOAD, SLOW, FILES, *PHASES],
)


def verdict(**expectation: Any) -> Verdict:
    return verdict_on(SEEN, **expectation)


def verdict_on(seen: Observed, **expectation: Any) -> Verdict:
    return judge(Scenario(schema=1, title="t", expect=[Expect(**expectation)]), seen)[0]


@pytest.mark.parametrize(
    ("expectation", "measured"),
    [
        ({"measure": "requests", "of": "load"}, 900),
        ({"measure": "requests_failed", "of": "load"}, 4),
        ({"measure": "connections_broken", "of": "load"}, 14),
        ({"measure": "connections_broken_elsewhere", "of": "load"}, 2),
        ({"measure": "connections_closed", "of": "load"}, 5),
        ({"measure": "rate", "of": "load"}, 300),
        ({"measure": "rate", "of": "load", "during": "first"}, 200),
        ({"measure": "requests", "of": "load", "during": "across"}, 10 + 40 + 20),
        ({"measure": "rate_ratio", "of": "load", "baseline": "load"}, 1),
        ({"measure": "rate_ratio", "of": "load", "during": "second", "baseline_during": "first"}, 2),
        ({"measure": "p99_us", "of": "load"}, 1234),
        ({"measure": "fetches_equal", "of": "files"}, 0.5),
        ({"measure": "connections_lost"}, 12),
        ({"measure": "connections_lost", "replica": "any"}, 12),
        ({"measure": "connections_lost", "other_than": "any"}, 0),
        ({"measure": "connections_lost", "replica": 1}, 0),
        ({"measure": "recovery_ms", "component": "tcp", "replica": 2}, 80),
        ({"measure": "restarts", "component": "tcp"}, 2),
        ({"measure": "restarts"}, 2),
        ({"measure": "restarts", "component": "driver"}, 0),
        ({"measure": "replicas_serving"}, 2),
        ({"measure": "replicas_collected"}, 1),
        ({"measure": "connections_at_end", "replica": 2}, 2),
        ({"measure": "counter", "component": "tcp", "counter": "tcp_accepted", "replica": 1}, 50),
        ({"measure": "counter", "component": "driver", "counter": "rx_frames"}, 20),
    ],
)
def test_what_was_seen_is_measured(expectation: dict[str, Any], measured: float) -> None:
    right = verdict(**expectation, equals=measured)
    assert (right.measured, right.held) == (measured, True)
    for wrong in ({"equals": measured + 1}, {"at_least": measured + 0.5}, {"at_most": measured - 0.5}):
        assert not verdict(**expectation, **wrong).held
    assert verdict(**expectation, at_least=measured, at_most=measured).held


@pytest.mark.parametrize(
    ("expectation", "why"),
    [
        ({"measure": "requests", "of": "none"}, "none was never begun"),
        ({"measure": "p99_us", "of": "slow"}, "slow had no answer"),
        ({"measure": "exit_code", "of": "failed"}, "failed: it did not end in time"),
        ({"measure": "recovery_ms", "component": "driver"}, "no driver failed"),
        ({"measure": "counter", "component": "tcp", "counter": "tcp_wonders"}, "tcp has no counter tcp_wonders"),
        ({"measure": "counter", "component": "tcp", "counter": "tcp_accepted", "replica": 9}, "there is no tcp of"),
        ({"measure": "counter", "component": "tcp", "counter": "tcp_accepted"}, "95 or more: replica 2 ended"),
        ({"measure": "spread_p"}, "replica 2 ended meanwhile, and what it counted is gone"),
        ({"measure": "rate", "of": "load", "during": "early"}, "not there during all of early: it came 0.1 s late"),
        ({"measure": "rate", "of": "load", "during": "late"}, "not there during all of late: it went 0.8 s early"),
        ({"measure": "rate_ratio", "of": "load", "baseline": "slow"}, "slow lasted no time"),
        ({"measure": "flows", "of": "load"}, "load reported no queues"),
    ],
)  # fmt: skip
def test_what_could_not_be_measured_fails_with_its_reason(expectation: dict[str, Any], why: str) -> None:
    seen = Observed(2, BEGUN_US, SEEN.before, SEEN.after, SEEN.events, [*SEEN.done, FAILED])
    scenario = Scenario(schema=1, title="t", expect=[Expect(**expectation, at_least=0, at_most=1e9)])
    found = judge(scenario, seen)[0]
    assert (found.measured, found.held) == (None, False)
    assert why in found.reason


def test_a_replica_that_does_not_come_back_has_no_recovery_time() -> None:
    seen = Observed(1, 0, SEEN.before, SEEN.after, crash(2, 1, None), [])
    found = verdict_on(seen, measure="recovery_ms", component="tcp", at_most=1e9)
    assert not found.held
    assert "1 failed, 0 served again" in found.reason


def test_a_step_that_failed_fails_the_scenario_even_if_nobody_asked() -> None:
    refused = Done(Fault(component="tcp", replica=1), 1.0, 1.0, error="replica 1 is not running")
    wrong = Done(Load(name="wrong"), 0.0, 0.0, exit_code=1, result={"requests": 3, "seconds": 1.0}, said="bad content")
    command = Done(Command(argv=["false"]), 0.0, 0.0, exit_code=1)
    seen = Observed(1, 0, SEEN.before, SEEN.after, [], [refused, FAILED, FILES, wrong, command])
    verdicts = judge(Scenario(schema=1, title="t", expect=[Expect(measure="requests", of="wrong", at_least=1)]), seen)
    assert [(found.what, found.held, found.reason) for found in verdicts] == [
        ("requests of wrong", True, ""),
        ("fault", False, "replica 1 is not running"),
        ("load failed", False, "it did not end in time"),
        ("fetch files", False, "2 of 1 downloads: other octets"),
        ("load wrong", False, "it exited with 1: bad content"),
        ("command", False, "it exited with 1"),
    ]


def test_what_an_expectation_allows_is_no_failure() -> None:
    command = Done(Command(name="fails", argv=["false"]), 0.0, 0.0, exit_code=1)
    seen = Observed(1, 0, SEEN.before, SEEN.after, [], [command, FILES])
    expect = [
        Expect(measure="exit_code", of="fails", equals=1), Expect(measure="fetches_equal", of="files", at_least=0.5),
    ]  # fmt: skip
    assert [found.held for found in judge(Scenario(schema=1, title="t", expect=expect), seen)] == [True, True]


def test_what_a_counter_lost_with_its_process_is_not_made_up() -> None:
    counted = {"measure": "counter", "component": "tcp", "counter": "tcp_accepted"}
    assert verdict(**counted, at_least=95).held
    assert not verdict(**counted, at_least=96).held
    assert not verdict(**counted, at_most=1000).held


def test_connections_of_nobody_knows_how_many_are_not_none() -> None:
    seen = Observed(1, 0, SEEN.before, SEEN.after, [Event("crashed", 1, "replica", 2)], [LOAD])
    assert not verdict_on(seen, measure="connections_lost", equals=0).held
    assert not verdict_on(seen, measure="connections_broken_elsewhere", of="load", at_least=0).held


def test_replicas_that_came_later_are_no_uneven_spread() -> None:
    after = status(*SEEN.after.processes, row(3, tcp_accepted=1))
    found = verdict_on(Observed(1, 0, SEEN.before, after, [], []), measure="spread_p", at_least=0)
    assert (found.held, found.reason) == (False, "replicas came meanwhile, so that none had the same time")


def test_every_measure_can_be_taken_or_says_why_not() -> None:
    for name, measure in MEASURES.items():
        needed = {"component": "tcp"} if "component" in measure.needs else {}
        found = verdict(measure=name, of="load", baseline="load", counter="tcp_accepted", **needed, at_least=-1)
        assert found.held or found.reason


def test_junit_has_a_case_for_each_expectation() -> None:
    held, failed = Verdict("a", "= 1", 1.0, True), Verdict("b <&>", "≥ 2", 1.5, False)
    reports = [
        ScenarioReport("one.toml", "One", False, 1.25, [held, failed], steps=[StepReport("load", 0, 0.1234, 0, "")]),
        ScenarioReport("two.toml", "Two", False, 0.5, [], "the testbed did not come up"),
    ]
    root = ET.fromstring(junit_xml(reports))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    one, two = root
    assert (one.get("name"), one.get("tests"), one.get("failures"), one.get("errors")) == ("One", "2", "1", "0")
    good, bad, said = one
    assert (good.get("name"), list(good)) == ("a = 1", [])
    assert (bad.get("name"), bad[0].tag, bad[0].get("message")) == ("b <&> ≥ 2", "failure", "measured 1.5")
    assert (said.tag, said.text) == ("system-out", "0.123 s  load\n")
    assert (two.get("errors"), two[0][0].tag, two[0][0].get("message")) == ("1", "error", "the testbed did not come up")
    assert msgspec.json.decode(msgspec.json.encode(reports[0]), type=ScenarioReport) == reports[0]


@given(st.text(), st.text(), st.text())
def test_junit_is_xml_whatever_is_said(title: str, what: str, reason: str) -> None:
    report = ScenarioReport("f.toml", title, False, 1.0, [Verdict(what, "", None, False, reason)], reason)
    (suite,) = ET.fromstring(junit_xml([report]))
    assert len(suite.findall("testcase")) == 1 + bool(reason)
