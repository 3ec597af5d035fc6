"""Reads scenario files: TOML into the records of `model.py`. An error names file, line and key, and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from neatctl.testbed.scenario.model import STEPS, Bed, Expect, Scenario, Table
from neatctl.testbed.scenario.soundness import Unsound, check, nearest
from neatctl.testbed.toml_text import BadToml, Keys, line_of, parse, text_of


class BadScenario(ValueError):
    """A file that is no scenario; the message says where and why."""


def read_scenario(path: Path) -> Scenario:
    """A scenario, checked. BadScenario; OSError if there is no such file."""
    try:
        text = text_of(path)
        values = parse(text)
    except BadToml as error:
        raise BadScenario(f"{path}:{error.line}: {error}" if error.line else f"{path}: {error}") from None
    try:
        scenario = _convert(values)
        check(scenario, path.parent)
    except Unsound as error:
        raise BadScenario(f"{path}:{line_of(text, error.keys)}: {_shown(error.keys)}: {error}") from None
    return scenario


def _shown(keys: Keys) -> str:
    """As people write it: `load[0].at`."""
    plain = [key if isinstance(key, int) or re.fullmatch(r"[\w-]+", key) else repr(key) for key in keys]
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in plain)
    return shown.removeprefix(".") or "the file"


def _convert(values: dict[str, Any]) -> Scenario:
    tables: dict[str, Any] = {}
    for key, value in values.items():
        kind: type[Table] | None = Expect if key == "expect" else STEPS.get(key)
        if kind is None:
            continue
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise Unsound((key,), f"is written as a table: [[{key}]]")
        tables[key] = [_record(item, kind, (key, index)) for index, item in enumerate(value)]
    if "testbed" in values:
        if not isinstance(values["testbed"], dict):
            raise Unsound(("testbed",), "is written as a table: [testbed]")
        tables["testbed"] = _record(values["testbed"], Bed, ("testbed",))
    rest = {key: value for key, value in values.items() if key not in tables}
    scenario: Scenario = _record(rest | {"expect": []}, Scenario, ())
    return msgspec.structs.replace(scenario, **tables)


def _record(value: dict[str, Any], kind: type[Any], where: Keys) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said = str(error)
        unknown = re.search(r"unknown field `(.*?)`(?: - at `|$)", said, re.DOTALL)
        missing = re.search(r"missing required field `(\w+)`", said)
        if unknown:
            hint = nearest(unknown[1], kind.__struct_fields__)
            raise Unsound((*where, unknown[1]), f"there is no such key; {hint}") from None
        if missing:
            raise Unsound((*where, missing[1]), "is missing") from None
        path = re.search(r" - at `\$(.*)`$", said)
        keys = re.findall(r"\.(\w+)|\[(\d+)\]", path[1]) if path else []
        inner = [name or int(place) for name, place in keys]
        raise Unsound((*where, *inner), _plainly(re.sub(r" - at `.*`$", "", said))) from None


def _plainly(said: str) -> str:
    """A message of msgspec in the words of TOML."""
    names = {"str": "a string", "int": "a whole number", "float": "a number", "array": "an array", "object": "a table",
             "bool": "true or false", "null": "nothing"}  # fmt: skip

    def kinds(match: re.Match[str]) -> str:
        return " or ".join(names.get(kind, kind) for kind in match[1].split(" | ") if kind != "null")

    return re.sub(r"`([^`]*)`", kinds, said).replace("Expected", "expected").replace("Invalid", "invalid")
