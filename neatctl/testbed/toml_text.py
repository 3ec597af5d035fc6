"""TOML texts that people wrote: read them, and tell on which line a key stands.

tomllib tells no lines of what it read. But a header and a key with its value are each a TOML text of their own, so a
text is cut into these, and each is read alone: its line, and the tables that are open, give the place of its keys.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Keys = tuple[str | int, ...]
"""The way to a value: names of keys, and places in arrays from 0."""
MOST_OCTETS = 1 << 20
_MOST_READING = 1 << 23
"""Octets read again to find lines; a text that needs more has one statement of thousands of lines."""


class BadToml(ValueError):
    """No TOML; `line` is where (0: it cannot be told), the message says why."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


def text_of(file: Path) -> str:
    """The text of a file; OSError, BadToml."""
    with file.open("rb") as opened:
        octets = opened.read(MOST_OCTETS + 1)
    if len(octets) > MOST_OCTETS:
        raise BadToml(f"it is longer than {MOST_OCTETS:,} octets")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadToml("it is not UTF-8") from None


def parse(text: str) -> dict[str, Any]:
    """The values of a text; BadToml."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise BadToml(re.sub(r" \(at .*", "", str(error)), line) from None
    except RecursionError:
        raise BadToml("its arrays or tables are nested too deeply") from None
    except ValueError as error:
        # A number of thousands of digits, a date that no calendar has.
        raise BadToml(str(error).partition(";")[0]) from None


def line_of(text: str, keys: Keys) -> int:
    """The line on which what `keys` leads to begins, or the nearest around it that has one; 1 for the whole text."""
    lines = lines_of(text)
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys, 1)


def lines_of(text: str) -> dict[Keys, int]:
    """The lines of all keys of a text that `parse` takes."""
    found: dict[Keys, int] = {}
    arrays: dict[Keys, int] = {}
    table: Keys = ()
    for line, lines in _statements(text):
        values = parse("\n".join(lines))
        if lines[0].lstrip().startswith("["):
            table = _opened(values, arrays)
            for i in range(1, len(table) + 1):
                found.setdefault(table[:i], line)
        else:
            for keys, at in _places(values, table, line, lines):
                found.setdefault(keys, at)
    return found


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """The first line's number, and the lines, of each header and of each key with its value."""
    lines: list[str] = []
    reading = 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        lines.append(line)
        statement = "\n".join(lines)
        reading += len(statement)
        if reading > _MOST_READING:
            return
        try:
            parse(statement)
        except BadToml:
            continue
        if line.strip():
            yield number - len(lines) + 1, lines
        lines = []


def _opened(values: dict[str, Any], arrays: dict[Keys, int]) -> Keys:
    """The table that a header opens. `arrays`: how many tables each array of tables has so far."""
    keys: Keys = ()
    value: Any = values
    while value:
        ((key, value),) = value.items()
        keys = (*keys, key)
        if isinstance(value, list):
            arrays[keys] = arrays.get(keys, 0) + 1
            value = None
        if keys in arrays:
            keys = (*keys, arrays[keys] - 1)
    return keys


def _places(value: Any, keys: Keys, line: int, lines: list[str]) -> Iterator[tuple[Keys, int]]:
    """Every key within a value that begins on this line, with its own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*keys, key), line
            yield from _places(inner, (*keys, key), line, lines)
    elif isinstance(value, list):
        at = _items(lines, len(value)) if len(lines) > 1 else []
        for i, inner in enumerate(value):
            here = line + (at[i] if at else 0)
            yield (*keys, i), here
            yield from _places(inner, (*keys, i), here, [])


def _items(lines: list[str], count: int) -> list[int]:
    """On which of the lines each item of an array ends."""
    at: list[int] = []
    for i in range(len(lines) - 1):
        try:
            (value,) = parse("\n".join(lines[: i + 1]) + "\n]").values()
        except (BadToml, ValueError):
            continue
        at += [i] * (len(value) - len(at) if isinstance(value, list) else 0)
    return at + [len(lines) - 1] * (count - len(at))
