"""Whether what was seen is what was expected: observations and expectations in, verdicts out. Pure.

A measure that could not be taken is a failure with its reason, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from neatctl.core.control.children import component_of
from neatctl.core.control.events import Event
from neatctl.core.control.status import Row, Status
from neatctl.testbed.replay.spread import spread_of
from neatctl.testbed.scenario.model import Expect, Scenario
from neatctl.testbed.scenario.runner import Done, Observed


class Verdict(msgspec.Struct, frozen=True):
    """One expectation and what came of it."""

    what: str
    expected: str
    measured: float | None
    held: bool
    reason: str = ""
    """Why it could not be measured, or what went wrong with the step."""


class _NotMeasured(Exception):
    """There is nothing to measure; the message says why."""


def judge(scenario: Scenario, observed: Observed) -> list[Verdict]:
    """A verdict for each expectation, and one for each step that failed and that no expectation speaks of."""
    verdicts = [_verdict(expectation, observed) for expectation in scenario.expect]
    spoken_of = {name for expectation in scenario.expect for name in (expectation.of, expectation.baseline)}
    for done in observed.done:
        if (done.error or done.exit_code) and (not done.step.name or done.step.name not in spoken_of):
            what = f"{type(done.step).__name__.lower()} {done.step.name}".strip()
            verdicts.append(Verdict(what, "is done", None, False, done.error or f"it exited with {done.exit_code}"))
    return verdicts


def _verdict(expectation: Expect, observed: Observed) -> Verdict:
    what, expected = describe(expectation, observed.chosen), bounds(expectation)
    try:
        measured = _measure(expectation, observed)
    except _NotMeasured as error:
        return Verdict(what, expected, None, False, str(error))
    held = (
        (expectation.at_least is None or measured >= expectation.at_least)
        and (expectation.at_most is None or measured <= expectation.at_most)
        and (expectation.equals is None or measured == expectation.equals)
    )
    return Verdict(what, expected, round(measured, 6), held)


def describe(expectation: Expect, chosen: int) -> str:
    """What is measured, in words."""
    words = [expectation.measure.replace("_", " ")]
    if expectation.counter:
        words = [expectation.counter]
    if expectation.component:
        words.append(f"of {expectation.component}")
    for key, word in (("of", "of"), ("baseline", "relative to")):
        if getattr(expectation, key):
            words.append(f"{word} {getattr(expectation, key)}")
    for key, word in (("replica", "replica"), ("other_than", "all but replica")):
        value = getattr(expectation, key)
        if value is not None:
            words.append(f"{word} {chosen if value == 'any' else value}")
    return " ".join(words)


def bounds(expectation: Expect) -> str:
    """What is allowed, in words."""
    parts = []
    for key, sign in (("equals", "="), ("at_least", "≥"), ("at_most", "≤")):
        value = getattr(expectation, key)
        if value is not None:
            parts.append(f"{sign} {value:g}")
    return ", ".join(parts)


def _measure(expectation: Expect, observed: Observed) -> float:
    return _MEASURES[expectation.measure](expectation, observed)


# ---- of a step ----
def _done(name: str, observed: Observed) -> Done:
    done = observed.of(name)
    if done is None:
        raise _NotMeasured(f"{name} was never begun")
    if done.error:
        raise _NotMeasured(f"{name}: {done.error}")
    return done


def _result(name: str, observed: Observed, key: str) -> Any:
    result = _done(name, observed).result
    if not isinstance(result, dict) or key not in result:
        raise _NotMeasured(f"{name} reported no {key}")
    return result[key]


def _number(key: str) -> Callable[[Expect, Observed], float]:
    def measure(expectation: Expect, observed: Observed) -> float:
        return float(_result(expectation.of, observed, key))

    return measure


def _requests_failed(expectation: Expect, observed: Observed) -> float:
    return float(sum(_result(expectation.of, observed, "errors").values()))


def _rate_ratio(expectation: Expect, observed: Observed) -> float:
    base = float(_result(expectation.baseline, observed, "requests_per_s"))
    if base <= 0:
        raise _NotMeasured(f"{expectation.baseline} made no request")
    return float(_result(expectation.of, observed, "requests_per_s")) / base


def _p99_us(expectation: Expect, observed: Observed) -> float:
    latency = _result(expectation.of, observed, "latency")
    if not latency or latency.get("p99") is None:
        raise _NotMeasured(f"{expectation.of} had no answer")
    return float(latency["p99"])


def _fetches_equal(expectation: Expect, observed: Observed) -> float:
    result = _done(expectation.of, observed).result
    if not isinstance(result, list) or not result:
        raise _NotMeasured(f"{expectation.of} fetched nothing")
    return sum(outcome is True for outcome in result) / len(result)


def _exit_code(expectation: Expect, observed: Observed) -> float:
    return float(_done(expectation.of, observed).exit_code)


def _flows(expectation: Expect, observed: Observed) -> float:
    return float(sum(queue["flows"] for queue in _result(expectation.of, observed, "queues")))


def _replay_spread_p(expectation: Expect, observed: Observed) -> float:
    spread = _result(expectation.of, observed, "spread")
    if spread is None:
        raise _NotMeasured(f"{expectation.of} had no flows")
    return float(spread["p_value"])


# ---- of the testbed ----
def _wanted(expectation: Expect, index: int, chosen: int) -> bool:
    """Whether an expectation speaks of this replica."""
    replica = chosen if expectation.replica == "any" else expectation.replica
    other_than = chosen if expectation.other_than == "any" else expectation.other_than
    return (replica is None or index == replica) and (other_than is None or index != other_than)


def _events(expectation: Expect, observed: Observed, name: str, component: str) -> list[Event]:
    return [
        event
        for event in observed.events
        if event.event == name
        and event.component == component
        and (component != "replica" or _wanted(expectation, event.index, observed.chosen))
    ]


def _rows(expectation: Expect, status: Status, component: str, chosen: int) -> list[Row]:
    return [
        row
        for row in status.processes
        if row.component == component and (component != "replica" or _wanted(expectation, row.index, chosen))
    ]


def _component(expectation: Expect) -> str:
    return component_of(expectation.component) or expectation.component


def _connections_lost(expectation: Expect, observed: Observed) -> float:
    return float(sum(event.connections_lost or 0 for event in _events(expectation, observed, "crashed", "replica")))


def _recovery_ms(expectation: Expect, observed: Observed) -> float:
    component = _component(expectation)
    failed = _events(expectation, observed, "crashed", component)
    served = [event.since_failure_us for event in _events(expectation, observed, "serving", component)]
    times = [since for since in served if since is not None]
    if not failed:
        raise _NotMeasured(f"no {expectation.component} failed")
    if len(times) < len(failed):
        raise _NotMeasured(f"{len(failed)} failed, {len(times)} served again")
    return max(times) / 1000


def _restarts(expectation: Expect, observed: Observed) -> float:
    return float(len(_events(expectation, observed, "restarted", _component(expectation))))


def _replicas_serving(_expectation: Expect, observed: Observed) -> float:
    return float(sum(row.component == "replica" and row.state == "serving" for row in observed.after.processes))


def _replicas_collected(expectation: Expect, observed: Observed) -> float:
    return float(len(_events(expectation, observed, "collected", "replica")))


def _connections_at_end(expectation: Expect, observed: Observed) -> float:
    return float(sum(row.connections or 0 for row in _rows(expectation, observed.after, "replica", observed.chosen)))


def _rises(expectation: Expect, observed: Observed, component: str, counter: str) -> list[int]:
    """How far a counter rose in each process of a component that is there at the end; one born since began at 0."""
    rows = _rows(expectation, observed.before, component, observed.chosen)
    before = {(row.index, row.generation): row for row in rows}
    rises = []
    for row in _rows(expectation, observed.after, component, observed.chosen):
        if counter not in row.counters:
            raise _NotMeasured(f"{row.component} has no counter {counter}")
        old = before.get((row.index, row.generation))
        rises.append(row.counters[counter] - (old.counters.get(counter, 0) if old else 0))
    if not rises:
        raise _NotMeasured(f"there is no {component} of that kind")
    return rises


def _spread_p(expectation: Expect, observed: Observed) -> float:
    spread = spread_of(_rises(expectation, observed, "replica", "tcp_accepted"))
    if spread is None:
        raise _NotMeasured("there were no connections, or there is one replica only")
    return spread.p_value


def _counter(expectation: Expect, observed: Observed) -> float:
    return float(sum(_rises(expectation, observed, _component(expectation), expectation.counter)))


_MEASURES: dict[str, Callable[[Expect, Observed], float]] = {
    "requests": _number("requests"),
    "requests_failed": _requests_failed,
    "connections_broken": _number("broken_connections"),
    "rate": _number("requests_per_s"),
    "rate_ratio": _rate_ratio,
    "p99_us": _p99_us,
    "fetches_equal": _fetches_equal,
    "exit_code": _exit_code,
    "frames_dropped": _number("dropped"),
    "flows": _flows,
    "replay_spread_p": _replay_spread_p,
    "connections_lost": _connections_lost,
    "recovery_ms": _recovery_ms,
    "restarts": _restarts,
    "replicas_serving": _replicas_serving,
    "replicas_collected": _replicas_collected,
    "connections_at_end": _connections_at_end,
    "spread_p": _spread_p,
    "counter": _counter,
}
