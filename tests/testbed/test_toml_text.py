"""Lines of keys in TOML texts, whatever way they are written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.testbed.toml_text import MOST_OCTETS, BadToml, Keys, line_of, lines_of, parse, text_of

TEXT = '''\
title = """
[[load]]
at = 1
"""  # the lines above are no table
files.small = 1
files."a b" = 2

[[load]]
at = 1

[[ "load" ]]   # spaces, quotes
"at" = 2
words = [
  "one",  # [
  "two]", "three"]
  [load.inner]
  deep = 1
[[load.more]]
x = 1
[[load.more]]
x = 2
[other.table]
fetch = [
  { at = 1 },
  { at = 2, path = "/" },
]
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ((), 1),
        (("title",), 1),
        (("files", "small"), 5),
        (("files", "a b"), 6),
        (("load", 0), 8),
        (("load", 0, "at"), 9),
        (("load", 1), 11),
        (("load", 1, "at"), 12),
        (("load", 1, "words"), 13),
        (("load", 1, "words", 0), 14),
        (("load", 1, "words", 2), 15),
        (("load", 1, "inner", "deep"), 17),
        (("load", 1, "more", 0, "x"), 19),
        (("load", 1, "more", 1), 20),
        (("load", 1, "more", 1, "missing"), 20),
        (("other", "table", "fetch", 1, "path"), 25),
        (("load", 7, "at"), 8),
    ],
)
def test_a_key_has_its_line(keys: Keys, line: int) -> None:
    assert line_of(TEXT, keys) == line


def test_lines_may_end_as_on_windows() -> None:
    assert line_of("a = 1\r\n[b]\r\nc = 2\r\n", ("b", "c")) == 3


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("a = 1\nb = ", "Invalid value", 2),
        ("a = 1\nb = x\n", "Invalid value", 2),
        ("x = " + "[" * 5000 + "]" * 5000, "nested too deeply", 0),
        ("x = " + "9" * 5000, "Exceeds the limit", 0),
        ("x = 2001-02-30", "Invalid date", 1),
        ("[a]\n[a]\n", "Cannot declare", 2),
    ],
)
def test_what_is_no_toml_says_why(text: str, why: str, line: int) -> None:
    with pytest.raises(BadToml, match=why) as error:
        parse(text)
    assert error.value.line == line


def test_a_text_is_utf_8_and_of_bounded_length(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(BadToml, match="not UTF-8"):
        text_of(file)
    file.write_bytes(b"#" * (MOST_OCTETS + 1))
    with pytest.raises(BadToml, match="longer than 1,048,576 octets"):
        text_of(file)


def test_a_statement_of_very_many_lines_is_not_read_for_ever() -> None:
    assert line_of('a = """' + "\n" * 500_000 + '"""\nb = 1\n', ("a",)) == 1


names = st.sampled_from(["a", "b", '"c d"', "a.b", "e"])
scalars = st.sampled_from(
    ["1", '"x # ["', "'''\n[a]\n'''", "[1,\n 2]", "{ a = 1, b = [1] }", "[\n{ a = 1 },\n[]]", "true"]
)
statements = st.one_of(
    st.tuples(names, scalars).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    names.map(lambda name: f"[{name}]"),
    names.map(lambda name: f"[[{name}]]"),
    st.sampled_from(["", "# [x]", "  # a = 1"]),
)


@given(st.lists(statements, max_size=12).map("\n".join))
def test_every_key_of_any_text_has_a_line(text: str) -> None:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = lines_of(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())

    def look(value: Any, keys: Keys) -> None:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, below in inner:
            assert (*keys, key) in lines
            look(below, (*keys, key))

    look(values, ())
