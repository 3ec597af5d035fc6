"""Reads scenario files: TOML into the records of `model.py`. An error names file, line and key, and what is allowed."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from neatctl.core.control.children import component_of
from neatctl.testbed.replay.capture_file import open_capture
from neatctl.testbed.scenario.model import (
    MEASURES,
    STEPS,
    Bed,
    Expect,
    Fault,
    Fetch,
    Load,
    Replay,
    Scenario,
    Step,
    Table,
)
from neatctl.testbed.settings import BadSetting, settings_from

KINDS = ("kill", "segv", "hang", "exception", "spin")
_HEADER = re.compile(r"\s*\[(\[?)\s*([\w.-]+)\s*\]")
_BOUNDS = ("at_least", "at_most", "equals")


class BadScenario(ValueError):
    """A file that is no scenario; the message says where and why."""


class _Wrong(Exception):
    """Something wrong at a place of the file: a table's name, which of them (from 0), and a key."""

    def __init__(self, table: str, index: int, key: str, why: str) -> None:
        super().__init__(why)
        self.table, self.index, self.key = table, index, key


def read_scenario(path: Path) -> Scenario:
    """A scenario, checked. BadScenario; OSError if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadScenario(f"{path}: it is not UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = f":{at[1]}" if at else ""
        raise BadScenario(f"{path}{line}: {re.sub(r' [(]at .*', '', str(error))}") from None
    try:
        scenario = _convert(values)
        _check(scenario, path.parent)
    except _Wrong as wrong:
        where = f"{wrong.table}[{wrong.index}]." if wrong.index >= 0 else f"{wrong.table}." if wrong.table else ""
        line = str(_line_of(text, wrong.table, max(wrong.index, 0), wrong.key))
        raise BadScenario(f"{path}:{line}: {where}{wrong.key}: {wrong}".replace(".: ", ": ")) from None
    return scenario


# ---- into records ----
def _convert(values: dict[str, Any]) -> Scenario:
    tables: dict[str, Any] = {}
    for key, value in values.items():
        kind: type[Table] | None = Expect if key == "expect" else STEPS.get(key)
        if kind is None:
            continue
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise _Wrong(key, 0, "", f"is written as a table: [[{key}]]")
        tables[key] = [_record(item, kind, key, index) for index, item in enumerate(value)]
    if "testbed" in values:
        if not isinstance(values["testbed"], dict):
            raise _Wrong("", -1, "testbed", "is written as a table: [testbed]")
        tables["testbed"] = _record(values["testbed"], Bed, "testbed", -1)
    rest = {key: value for key, value in values.items() if key not in tables}
    scenario: Scenario = _record(rest | {"expect": []}, Scenario, "", -1)
    return msgspec.structs.replace(scenario, **tables)


def _record(value: dict[str, Any], kind: type[Any], table: str, index: int) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said = str(error)
        unknown = re.search(r"unknown field `(\w+)`", said)
        missing = re.search(r"missing required field `(\w+)`", said)
        path = re.search(r" - at `\$\.?([\w.\[\]]*)`", said)
        if unknown:
            near = difflib.get_close_matches(unknown[1], kind.__struct_fields__, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(kind.__struct_fields__)}"
            raise _Wrong(table, index, unknown[1], f"there is no such key; {hint}") from None
        if missing:
            raise _Wrong(table, index, missing[1], "is missing") from None
        key = re.split(r"[.\[]", path[1])[0] if path else ""
        raise _Wrong(table, index, key, re.sub(r" - at `.*`$", "", said)) from None


# ---- what the types cannot say ----
def _check(scenario: Scenario, directory: Path) -> None:
    bed = msgspec.structs.asdict(scenario.testbed)
    for key in ("replicas", "channel", "transport", "placement", "impair"):
        try:
            settings_from({key: bed[key]}, None)
        except BadSetting as error:
            raise _Wrong("testbed", -1, key, str(error).partition(": ")[2]) from None
    for name, octets in scenario.testbed.files.items():
        if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
            raise _Wrong("testbed", -1, "files", f"{name!r} is no plain file name")
        if not 0 <= octets <= 1 << 30:
            raise _Wrong("testbed", -1, "files", f"{name} may have up to 2^30 octets, not {octets}")
    named: dict[str, Step] = {}
    most = max([scenario.testbed.replicas, *(step.replicas for step in scenario.scale)])
    for table in STEPS:
        for index, step in enumerate(getattr(scenario, table)):
            _check_step(scenario, step, table, index, most, directory)
            if step.name in named:
                raise _Wrong(table, index, "name", f"another step is called {step.name!r}")
            if step.name:
                named[step.name] = step
    if not scenario.expect:
        raise _Wrong("", -1, "expect", "a scenario that expects nothing shows nothing")
    for index, expectation in enumerate(scenario.expect):
        _check_expectation(expectation, index, named, most)


def _check_step(scenario: Scenario, step: Step, table: str, index: int, most: int, directory: Path) -> None:
    def require(holds: bool, key: str, why: str) -> None:
        if not holds:
            raise _Wrong(table, index, key, why)

    require(0 <= step.at < scenario.limit_s, "at", f"a time is 0 to {scenario.limit_s:g} s (limit_s), not {step.at:g}")
    if isinstance(step, Load):
        require(1 <= step.connections <= 60_000, "connections", "there are 1 to 60,000")
        require(0 < step.seconds <= scenario.limit_s, "seconds", f"a load lasts up to {scenario.limit_s:g} s (limit_s)")
        require(step.rate >= 0, "rate", "a rate is not negative")
        require(step.path.startswith("/"), "path", "a path begins with /")
    elif isinstance(step, Fetch):
        files = scenario.testbed.files
        known = ", ".join(f"/{name}" for name in files) or "none"
        require(step.path.lstrip("/") in files, "path", f"it is none of the testbed's files; there are {known}")
        require(1 <= step.times <= 10_000 and 1 <= step.parallel <= 500, "times", "1 to 10,000 times, 500 in parallel")
    elif isinstance(step, Fault):
        require(component_of(step.component) is not None, "component", f"there is no component {step.component!r}")
        require(step.kind in KINDS, "kind", f"a kind is one of {', '.join(KINDS)}, not {step.kind!r}")
        numbered = component_of(step.component) == "replica"
        fits = step.replica == "any" or (1 <= step.replica <= most if numbered else step.replica == 0)
        require(fits, "replica", f"there are replicas 1 to {most}" if numbered else "only tcp and ip are of a replica")
    elif isinstance(step, Replay):
        try:
            with open_capture(directory / step.file):
                pass
        except (OSError, ValueError) as error:
            require(False, "file", getattr(error, "strerror", None) or str(error))


def _check_expectation(expectation: Expect, index: int, named: dict[str, Step], most: int) -> None:
    def require(holds: bool, key: str, why: str) -> None:
        if not holds:
            raise _Wrong("expect", index, key, why)

    measure = MEASURES.get(expectation.measure)
    if measure is None:
        near = difflib.get_close_matches(expectation.measure, MEASURES, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(MEASURES)}"
        raise _Wrong("expect", index, "measure", f"there is no measure {expectation.measure!r}; {hint}")
    require(any(getattr(expectation, bound) is not None for bound in _BOUNDS), "measure",
            f"it has no bound: {', '.join(_BOUNDS)}")  # fmt: skip
    for key, kinds in (("of", measure.of), ("baseline", (Load,) if "baseline" in measure.needs else ())):
        value = getattr(expectation, key)
        if kinds:
            what = " or ".join(name for name, kind in STEPS.items() if kind in kinds)
            fits = isinstance(named.get(value), kinds)
            require(fits, key, f"{expectation.measure} is of a {what} by its name; {value!r} is none")
        else:
            require(not value, key, f"{expectation.measure} does not take it")
    for key in ("component", "counter"):
        needed = key in measure.needs
        require(bool(getattr(expectation, key)) == needed, key,
                f"{expectation.measure} {'needs it' if needed else 'does not take it'}")  # fmt: skip
    if expectation.component:
        require(component_of(expectation.component) is not None, "component", "there is no such component")
    for key in ("replica", "other_than"):
        value = getattr(expectation, key)
        require(value is None or measure.takes_replica, key, f"{expectation.measure} does not take it")
        require(value is None or value == "any" or 1 <= value <= most, key, f"there are replicas 1 to {most}")


# ---- where it stands ----
def _line_of(text: str, table: str, index: int, key: str) -> int:
    """The line of a key in the table of this name that comes at this place among its like; 1 if it cannot be told."""
    seen = -1
    inside = not table
    begin = 1
    pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key else None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None:
            if not table and key and header[2].partition(".")[0] == key:
                return number
            here = header[2] == table
            seen += here
            inside = here and seen == index
            if inside:
                begin = number
            continue
        if inside and pattern is not None and pattern.match(line):
            return number
    return begin
