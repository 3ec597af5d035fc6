"""What the types of a scenario cannot say: ranges, names that refer to steps, what a fault or a measure takes.

Everything that can be known before a testbed is up, so that `scenario check` finds it. Runs nothing; opens captures
alone, to see that they are some.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from neatctl.apps.load import options as load
from neatctl.core.control.children import KINDS, SPECIFICATIONS, component_of
from neatctl.core.control.impairment import parse_impairment
from neatctl.core.control.scaling import MAX_REPLICAS
from neatctl.core.ip.counters import SENTENCES as IP
from neatctl.core.tcp.counters import SENTENCES as TCP
from neatctl.nic.counters import DECLARED as NIC
from neatctl.nic.counters import PER_REPLICA
from neatctl.testbed.replay.capture_file import open_capture
from neatctl.testbed.replay.live import CannotReplay, speed_of
from neatctl.testbed.scenario.model import (
    MEASURES,
    STEPS,
    Action,
    AnyReplica,
    Command,
    Expect,
    Fault,
    Fetch,
    Impair,
    Load,
    Phase,
    Recover,
    Replay,
    Scale,
    Scenario,
    Step,
    SynBurst,
)
from neatctl.testbed.settings import BadSetting, settings_from
from neatctl.testbed.toml_text import Keys

LONGEST_S = 3600.0
_BOUNDS = ("at_least", "at_most", "equals")
COUNTERS = {
    "driver": {name for name, _ in NIC.values()},
    "replica": {f"ip_{name}" for name in IP} | {f"tcp_{name}" for name in TCP},
}
"""Of the components whose counters are declared; the driver has some for each replica besides."""


class Unsound(Exception):
    """Something wrong, and the keys that lead to it."""

    def __init__(self, keys: Keys, why: str) -> None:
        super().__init__(why)
        self.keys = keys


class _Place:
    """A table of the file, for what must hold of its keys."""

    def __init__(self, *keys: str | int) -> None:
        self.keys = keys

    def require(self, holds: bool, key: str, why: str) -> None:
        """Unsound unless it holds."""
        if not holds:
            raise Unsound((*self.keys, key) if key else self.keys, why)

    def between(self, value: float, low: float, high: float, key: str, unit: str = "") -> None:
        """Unsound unless a number is in its range."""
        self.require(low <= value <= high, key, f"{low:g} to {high:g}{unit}, not {value:g}")


def nearest(word: str, known: Iterable[str]) -> str:
    """What someone may have meant."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(names)}" if len(names) < 30 else f"there are {len(names)} others"


def check(scenario: Scenario, directory: Path) -> None:
    """Unsound for a scenario that cannot be run or judged; captures are in `directory`."""
    top = _Place()
    top.between(scenario.limit_s, 0.1, LONGEST_S, "limit_s", " s")
    top.between(scenario.settle_s, 0, 60, "settle_s", " s")
    top.require(0 <= scenario.seed < 1 << 63, "seed", "a seed is 0 to 2^63 - 1")
    _check_testbed(scenario)
    named: dict[str, Step] = {}
    most = max([scenario.testbed.replicas, *(step.replicas for step in scenario.scale)])
    for table in STEPS:
        for index, step in enumerate(getattr(scenario, table)):
            place = _Place(table, index)
            _check_times(scenario, step, place)
            _check_step(scenario, step, place, most, directory)
            place.require(step.name not in named, "name", f"another step is called {step.name!r}")
            if step.name:
                named[step.name] = step
    top.require(bool(scenario.expect), "expect", "is missing: a scenario that expects nothing shows nothing")
    for index, expectation in enumerate(scenario.expect):
        _check_expectation(expectation, _Place("expect", index), named, most)


def _check_testbed(scenario: Scenario) -> None:
    place = _Place("testbed")
    bed = msgspec.structs.asdict(scenario.testbed)
    for key in ("replicas", "channel", "transport", "placement", "impair"):
        try:
            settings_from({key: bed[key]}, None)
        except BadSetting as error:
            place.require(False, key, str(error).partition(": ")[2])
    for name, octets in scenario.testbed.files.items():
        plain = bool(re.fullmatch(r"[\w.-]{1,200}", name, re.ASCII)) and not name.startswith(".")
        place.require(plain, "files", f"{name!r} is no plain file name")
        place.require(0 <= octets <= 1 << 30, "files", f"{name} may have up to 2^30 octets, not {octets}")


def _check_times(scenario: Scenario, step: Step, place: _Place) -> None:
    """Everything begins and ends before the scenario's limit."""
    limit_s = scenario.limit_s
    place.require(0 <= step.at < limit_s, "at", f"a time is 0 to {limit_s:g} s (limit_s), not {step.at:g}")
    if isinstance(step, Action):
        late = f"up to as much as is left until {limit_s:g} s (limit_s), not {step.jitter_s:g}"
        place.require(0 <= step.jitter_s < limit_s - step.at, "jitter_s", late)
    if isinstance(step, Load | Phase | SynBurst):
        least = 0.01 if isinstance(step, Load) else 0.0
        place.require(step.seconds >= least, "seconds", f"{least:g} or more, not {step.seconds:g}")
        end = step.at + step.seconds
        place.require(end <= limit_s, "seconds", f"it would end at {end:g} s, after {limit_s:g} s (limit_s)")
    if isinstance(step, Fetch | Command | Replay):
        place.between(step.timeout_s, 0.01, LONGEST_S, "timeout_s", " s")


def _check_step(scenario: Scenario, step: Step, place: _Place, most: int, directory: Path) -> None:
    if isinstance(step, Load):
        _check_load(step, place)
    elif isinstance(step, Fetch):
        files = scenario.testbed.files
        known = ", ".join(f"/{name}" for name in files) or "none"
        place.require(step.path[1:] in files and step.path[0] == "/", "path",
                      f"it is none of the testbed's files; there are {known}")  # fmt: skip
        place.between(step.times, 1, 10_000, "times")
        place.between(step.parallel, 1, 500, "parallel")
    elif isinstance(step, Command):
        place.require(bool(step.argv) and bool(step.argv[0]), "argv", "names no command")
        place.require(not any("\0" in word for word in step.argv), "argv", "no word may have a NUL in it")
    elif isinstance(step, Fault | Recover):
        _check_target(scenario, step, place, most)
    elif isinstance(step, Impair):
        try:
            parse_impairment(step.frames)
        except ValueError as error:
            place.require(False, "frames", str(error))
    elif isinstance(step, Scale):
        place.between(step.replicas, 1, MAX_REPLICAS, "replicas")
    elif isinstance(step, SynBurst):
        place.between(step.count, 1, 10_000_000, "count")
        place.between(step.port, 1, 65_535, "port")
    elif isinstance(step, Replay):
        _check_replay(step, place, directory)


def _check_load(step: Load, place: _Place) -> None:
    place.between(step.connections, 1, load.MAX_CONNECTIONS, "connections")
    place.between(step.requests_per_connection, 0, 1 << 40, "requests_per_connection")
    place.require(step.rate == 0 or 0.001 <= step.rate <= load.MAX_RATE, "rate",
                  f"a rate is 0.001 to {load.MAX_RATE:g} requests/s, or 0 for as many as there can be")  # fmt: skip
    sound = re.fullmatch(r"/[!-~]*", step.path) is not None and len(step.path) <= load.MAX_PATH_OCTETS
    place.require(sound, "path", f"a path is / and then visible ASCII, {load.MAX_PATH_OCTETS} octets at most")


def _check_target(scenario: Scenario, step: Fault | Recover, place: _Place, most: int) -> None:
    """That there is such a component, and that it takes such a fault."""
    spec = SPECIFICATIONS[_check_component(step.component, place)]
    if isinstance(step, Fault):
        known = [kind for kind in KINDS if kind in spec.faults]
        place.require(step.kind in known, "kind", f"{step.component} takes {', '.join(known)}, not {step.kind!r}")
        threads = scenario.testbed.transport == "inproc"
        place.require(not threads or step.kind == "exception", "kind",
                      f"{step.kind} would hit the whole testbed: with transport inproc it is one process")  # fmt: skip
    fits = step.replica == "any" or 1 <= step.replica <= most if spec.numbered_from else step.replica == 0
    place.require(fits, "replica", f"there are replicas 1 to {most}" if spec.numbered_from else
                  "only tcp and ip are of a replica")  # fmt: skip


def _check_component(name: str, place: _Place) -> str:
    """The component that a name means."""
    component = component_of(name)
    if component is None:
        words = [word for known, spec in SPECIFICATIONS.items() for word in (known, *spec.aliases)]
        raise Unsound((*place.keys, "component"), f"there is no component {name!r}; {nearest(name, words)}")
    return component


def _check_replay(step: Replay, place: _Place, directory: Path) -> None:
    place.between(step.replicas, 1, MAX_REPLICAS, "replicas")
    try:
        speed_of(step.speed)
    except CannotReplay as error:
        place.require(False, "speed", str(error))
    sends = step.mode != "offline"
    for key, for_sending in (("replicas", False), ("appliance", False), ("speed", True), ("server", True)):
        given = getattr(step, key) != getattr(Replay(file=""), key)
        why = "it is for mode live or stateful" if for_sending else "it is for mode offline"
        place.require(not given or sends == for_sending, key, why)
    for key, text in (("appliance", step.appliance), ("server", step.server)):
        try:
            ipaddress.IPv4Address(text or "0.0.0.0")
        except ValueError:
            place.require(False, key, f"{text!r} is no IPv4 address")
    file = directory / step.file
    place.require("\0" not in step.file and (file.is_file() or not file.exists()), "file", "is no file")
    try:
        with open_capture(file):
            pass
    except (OSError, ValueError) as error:
        place.require(False, "file", getattr(error, "strerror", None) or str(error))


def _check_expectation(expectation: Expect, place: _Place, named: dict[str, Step], most: int) -> None:
    name = expectation.measure
    measure = MEASURES.get(name)
    if measure is None:
        raise Unsound((*place.keys, "measure"), f"there is no measure {name!r}; {nearest(name, MEASURES)}")
    _check_bounds(expectation, place)
    taken = {*measure.needs, *measure.takes, *(("of",) if measure.of else ())}
    for key in ("of", "during", "baseline", "baseline_during", "component", "replica", "other_than", "counter"):
        given = getattr(expectation, key) not in ("", None)
        place.require(not given or key in taken, key, f"{name} does not take it")
        place.require(given or key not in measure.needs, key, f"{name} needs it")
    _check_references(expectation, measure.of, place, named)
    if expectation.component:
        _check_component(expectation.component, place)
    if expectation.counter:
        known = COUNTERS.get(component_of(expectation.component) or "", {expectation.counter})
        per_replica = any(re.fullmatch(n.replace("_N", r"_\d+"), expectation.counter) for n in PER_REPLICA)
        place.require(expectation.counter in known or per_replica, "counter",
                      f"{expectation.component} has no counter {expectation.counter!r}; "
                      + nearest(expectation.counter, sorted(known)))  # fmt: skip
    for key in ("replica", "other_than"):
        value: AnyReplica | None = getattr(expectation, key)
        place.require(value is None or value == "any" or 1 <= value <= most, key, f"there are replicas 1 to {most}")


def _check_bounds(expectation: Expect, place: _Place) -> None:
    """There is a bound, and something can be within all of them."""
    bounds = {key: getattr(expectation, key) for key in _BOUNDS if getattr(expectation, key) is not None}
    place.require(bool(bounds), "measure", f"it has no bound: {', '.join(_BOUNDS)}")
    for key, value in bounds.items():
        place.require(math.isfinite(value), key, f"a bound is a number, not {value}")
    low = max([bounds[key] for key in ("at_least", "equals") if key in bounds], default=-math.inf)
    high = min([bounds[key] for key in ("at_most", "equals") if key in bounds], default=math.inf)
    place.require(low <= high, next(iter(bounds)), f"nothing is at least {low:g} and at most {high:g}")


def _check_references(
    expectation: Expect, kinds: tuple[type[Step], ...], place: _Place, named: dict[str, Step]
) -> None:
    """The steps that an expectation names are there, and are what the measure is of."""
    name = expectation.measure

    def refer(key: str, allowed: tuple[type[Step], ...]) -> None:
        value = getattr(expectation, key)
        what = " or ".join(table for table, kind in STEPS.items() if kind in allowed)
        place.require(isinstance(named.get(value), allowed), key, f"is the name of a {what}; {value!r} is none")

    if kinds:
        refer("of", kinds)
    if expectation.baseline:
        refer("baseline", (Load,))
    if name == "rate_ratio":
        place.require(bool(expectation.baseline or expectation.baseline_during), "baseline",
                      "a ratio is relative to a load (baseline) or to a phase (baseline_during)")  # fmt: skip
    for key, of in (("during", "of"), ("baseline_during", "baseline")):
        if getattr(expectation, key):
            refer(key, (Phase,))
            phase, step = named[getattr(expectation, key)], named[getattr(expectation, of) or expectation.of]
            assert isinstance(phase, Phase)
            assert isinstance(step, Load)
            within = step.at <= phase.at and phase.at + phase.seconds <= step.at + step.seconds
            place.require(within and phase.seconds >= 0.1, key,
                          f"{phase.name!r} is no phase of 0.1 s or more within the load {step.name!r}")  # fmt: skip
