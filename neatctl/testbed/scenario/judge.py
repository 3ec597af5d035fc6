"""Whether what was seen is what was expected: observations and expectations in, verdicts out. Pure.

A measure that could not be taken is a failure with its reason, never a pass. A counter of a process that ended is lost
with it, so that the rest is a lower bound, and is taken as no more than that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from neatctl.core.control.children import SPECIFICATIONS, component_of
from neatctl.core.control.events import Event
from neatctl.core.control.status import Row, Status
from neatctl.testbed.replay.spread import spread_of
from neatctl.testbed.scenario.model import Command, Expect, Fetch, Load, Phase, Replay, Scenario, Step
from neatctl.testbed.scenario.observed import Done, Observed

SLOT_US = 100_000
"""Of the load client's curve of requests."""
_JUDGED_BY: dict[type[Step], str] = {
    Load: "requests_failed",
    Fetch: "fetches_equal",
    Command: "exit_code",
    Replay: "exit_code",
}
"""The measure that says whether a step went well; without an expectation of it, it must have."""


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
    """A verdict for each expectation, and one for each step that went wrong and that no expectation allows to."""
    verdicts = [_verdict(expectation, observed) for expectation in scenario.expect]
    judged = {(expectation.of, expectation.measure) for expectation in scenario.expect}
    for done in observed.done:
        wrong = _what_went_wrong(done)
        if wrong and (done.error or (done.step.name, _JUDGED_BY.get(type(done.step))) not in judged):
            what = f"{type(done.step).__name__.lower()} {done.step.name}".strip()
            verdicts.append(Verdict(what, "is done", None, False, wrong))
    return verdicts


def _what_went_wrong(done: Done) -> str:
    """With a step; "" if nothing did."""
    if done.error:
        return done.error
    if isinstance(done.step, Fetch) and (not isinstance(done.result, list) or set(done.result) - {True}):
        bad = [result for result in done.result or ["nothing was fetched"] if result is not True]
        return f"{len(bad)} of {done.step.times} downloads: {bad[0] or 'other octets'}"
    if done.exit_code:
        return f"it exited with {done.exit_code}" + (f": {done.said}" if done.said else "")
    return ""


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
    pairs = (("of", "of"), ("during", "during"), ("baseline", "relative to"), ("baseline_during", "relative to"))
    for key, word in pairs:
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


def _during(load: str, phase: str, observed: Observed) -> tuple[float, float]:
    """Requests that a load got during a phase, and its seconds; without a phase, all of them."""
    if not phase:
        return float(_result(load, observed, "requests")), float(_result(load, observed, "seconds"))
    step = _done(phase, observed).step
    assert isinstance(step, Phase)
    curve = _result(load, observed, "requests_per_100_ms")
    begin = (observed.begun_us + step.at * 1e6 - _result(load, observed, "begun_monotonic_us")) / SLOT_US
    end = begin + step.seconds * 1e6 / SLOT_US
    if begin < 0 or end > len(curve):
        whole = f"{-begin / 10:.1f} s late" if begin < 0 else f"{(end - len(curve)) / 10:.1f} s early"
        raise _NotMeasured(f"{load} was not there during all of {phase}: it {'came' if begin < 0 else 'went'} {whole}")
    # A slot that is partly within the phase counts for that part.
    got = sum(asked * max(min(i + 1, end) - max(i, begin), 0) for i, asked in enumerate(curve))
    return got, step.seconds


def _requests(expectation: Expect, observed: Observed) -> float:
    return _during(expectation.of, expectation.during, observed)[0]


def _rate(expectation: Expect, observed: Observed) -> float:
    return _rate_of(expectation.of, expectation.during, observed)


def _rate_of(load: str, phase: str, observed: Observed) -> float:
    requests, seconds = _during(load, phase, observed)
    if seconds <= 0:
        raise _NotMeasured(f"{load} lasted no time")
    return requests / seconds


def _rate_ratio(expectation: Expect, observed: Observed) -> float:
    baseline = expectation.baseline or expectation.of
    base = _rate_of(baseline, expectation.baseline_during, observed)
    if base <= 0:
        raise _NotMeasured(f"{baseline} made no request")
    return _rate(expectation, observed) / base


def _broken_elsewhere(expectation: Expect, observed: Observed) -> float:
    """What the load saw break, less what the supervisor says that replicas took with them."""
    broken = float(_result(expectation.of, observed, "broken_connections"))
    return max(broken - _connections_lost(Expect(measure="connections_lost"), observed), 0.0)


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


def _frames_answered(expectation: Expect, observed: Observed) -> float:
    answers = _result(expectation.of, observed, "answers")
    return float(sum(kind["frames"] for kind in answers if kind["direction"] == "sent"))


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
    lost = [event.connections_lost for event in _events(expectation, observed, "crashed", "replica")]
    known = [number for number in lost if number is not None]
    if len(known) < len(lost):
        raise _NotMeasured("a replica failed, and nobody knows with how many connections")
    return float(sum(known))


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
    components = [_component(expectation)] if expectation.component else list(SPECIFICATIONS)
    return float(sum(len(_events(expectation, observed, "restarted", component)) for component in components))


def _replicas_serving(_expectation: Expect, observed: Observed) -> float:
    return float(sum(row.component == "replica" and row.state == "serving" for row in observed.after.processes))


def _replicas_collected(expectation: Expect, observed: Observed) -> float:
    return float(len(_events(expectation, observed, "collected", "replica")))


def _connections_at_end(expectation: Expect, observed: Observed) -> float:
    return float(sum(row.connections or 0 for row in _rows(expectation, observed.after, "replica", observed.chosen)))


def _rises(expectation: Expect, observed: Observed, component: str, counter: str) -> dict[int, int]:
    """How far a counter rose in each process of a component that is there at the end; one born since began at 0."""
    rows = _rows(expectation, observed.before, component, observed.chosen)
    before = {(row.index, row.generation): row for row in rows}
    rises = {}
    for row in _rows(expectation, observed.after, component, observed.chosen):
        if counter not in row.counters:
            raise _NotMeasured(f"{expectation.component or component} has no counter {counter}")
        old = before.get((row.index, row.generation))
        rises[row.index] = row.counters[counter] - (old.counters.get(counter, 0) if old else 0)
    if not rises:
        raise _NotMeasured(f"there is no {expectation.component or component} of that kind")
    return rises


def _ended(expectation: Expect, observed: Observed, component: str) -> str:
    """A process of a component that ended meanwhile, and its counters with it; "" for none."""
    for name in ("crashed", "collected"):
        for event in _events(expectation, observed, name, component):
            return f"{component} {event.index}" if component == "replica" else component
    return ""


def _spread_p(expectation: Expect, observed: Observed) -> float:
    rises = _rises(expectation, observed, "replica", "tcp_accepted")
    ended = _ended(expectation, observed, "replica")
    if ended:
        raise _NotMeasured(f"{ended} ended meanwhile, and what it counted is gone")
    if rises.keys() != {row.index for row in observed.before.processes if row.component == "replica"}:
        raise _NotMeasured("replicas came meanwhile, so that none had the same time")
    spread = spread_of(list(rises.values()))
    if spread is None:
        raise _NotMeasured("there were no connections, or there is one replica only")
    return spread.p_value


def _counter(expectation: Expect, observed: Observed) -> float:
    component = _component(expectation)
    rise = float(sum(_rises(expectation, observed, component, expectation.counter).values()))
    ended = _ended(expectation, observed, component)
    bounded_above = expectation.at_most is not None or expectation.equals is not None
    if ended and (bounded_above or rise < (expectation.at_least or 0)):
        raise _NotMeasured(f"{rise:g} or more: {ended} ended meanwhile, and what it counted is gone")
    return rise


_MEASURES: dict[str, Callable[[Expect, Observed], float]] = {
    "requests": _requests,
    "requests_failed": _requests_failed,
    "connections_broken": _number("broken_connections"),
    "connections_broken_elsewhere": _broken_elsewhere,
    "connections_closed": _number("closed_by_server"),
    "rate": _rate,
    "rate_ratio": _rate_ratio,
    "p99_us": _p99_us,
    "fetches_equal": _fetches_equal,
    "exit_code": _exit_code,
    "frames_dropped": _number("dropped"),
    "flows": _flows,
    "frames_sent": _number("sent"),
    "frames_answered": _frames_answered,
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
