"""The transcript language of `*.seg` files: lines as records, and errors that name file and line.

The grammar is in CONTRIBUTING.md. A line is an expectation, a segment, a call of the application or a
directive, with the time since the line before it where that matters. What a line means to a machine is in running.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FLAG_LETTERS = "FSRPAUEW"
_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000}
_TIME = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|min)")
_WHEN = re.compile(r"(?:\+(\S+?)(?:~(\S+))?|by (\S+)): *")
_VERB = re.compile(r"([a-z][a-z-]*)(?:\.([a-z]))?")
_TEXT = re.compile(r'"([^"]*)"')
_CALLS = {
    "listen", "unlisten", "connect", "connected", "accept", "send", "read", "end", "shut", "close", "abort", "error",
    "nodelay", "option", "urgent", "state", "counted", "icmp", "open", "quiet", "gone",
}  # fmt: skip
_SETTINGS = {"receive", "send", "mtu", "time-wait", "peer-isn", "connections"}
_NUMBERS = {"ack", "win", "urg", "mss", "ws", "hlen", "cut", "port", "ttl"}
ANY = -1
"""A number that is declared not to matter."""


class ScriptError(ValueError):
    """A script that cannot be read; says file and line."""


@dataclass
class Shape:
    """A segment as a script writes it. Numbers are relative to the two ISNs; None: not said, ANY: declared so."""

    flags: str
    seq: int
    octets: int = 0
    text: bytes | None = None
    ack: int | None = None
    win: int | None = None
    urg: int | None = None
    options: dict[int, object] = field(default_factory=dict)
    more_options: bool = False
    raw: bytes | None = None
    """Option octets as they are."""
    bad_sum: bool = False
    hlen: int | None = None
    cut: int | None = None
    port: int | None = None
    source: str = ""
    target: str = ""


@dataclass
class Line:
    """One line of a script. Times in microseconds since the line before."""

    number: int
    text: str
    verb: str
    name: str = "a"
    words: list[str] = field(default_factory=list)
    shape: Shape | None = None
    after_us: int | None = None
    within_us: int | None = None
    by_us: int | None = None


@dataclass
class Script:
    """A whole file."""

    path: Path
    shows: str
    lines: list[Line]
    settings: dict[str, int]
    fails: str = ""
    """Why it is expected to fail."""
    linux: str = ""
    """Why Linux is not asked, or may differ."""

    @property
    def lasts_us(self) -> int:
        return sum(line.after_us or line.by_us or 0 for line in self.lines)


def read_script(path: Path) -> Script:
    """The script in a file; ScriptError with `file:line: what`."""
    return parse_script(path.read_text(), path)


def parse_script(source: str, path: Path) -> Script:
    """The script in a text."""
    lines = source.splitlines()
    if not lines or not lines[0].startswith("# "):
        raise ScriptError(f"{path}:1: the first line is a comment that says what is shown")
    shows = []
    for line in lines:
        if not line.startswith("# "):
            break
        shows.append(line[2:])
    script = Script(path, " ".join(shows), [], {})
    for number, text in enumerate(lines, 1):
        stripped = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
        if stripped:
            try:
                _take(script, number, stripped)
            except (ValueError, IndexError) as wrong:
                raise ScriptError(f"{path}:{number}: {wrong}: {stripped}") from wrong
    if not script.lines:
        raise ScriptError(f"{path}:{len(lines)}: nothing happens")
    return script


def duration(text: str) -> int:
    """`200ms` in microseconds."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time; write 200ms, 3s or 2min")
    return int(float(found[1]) * _UNITS[found[2]])


def _take(script: Script, number: int, text: str) -> None:
    head, _, rest = text.partition(" ")
    if head == "set":
        name, value = rest.split()
        if name not in _SETTINGS:
            raise ValueError(f"no setting {name!r} (there are {', '.join(sorted(_SETTINGS))})")
        script.settings[name] = duration(value) if name == "time-wait" else int(value)
    elif head in {"linux", "fails"}:
        if not rest:
            raise ValueError(f"{head} needs its reason")
        setattr(script, head, rest)
    else:
        script.lines.append(_line(number, text))


def _line(number: int, text: str) -> Line:
    line = Line(number, text, "")
    rest = text
    when = _WHEN.match(rest)
    if when is not None:
        rest = rest[when.end() :]
        if when[3]:
            line.by_us = duration(when[3])
        else:
            line.after_us = duration(when[1])
            line.within_us = duration(when[2]) if when[2] else None
    head, _, rest = rest.partition(" ")
    verb = _VERB.fullmatch(head)
    if verb is None or verb[1] not in _CALLS | {"in", "out"}:
        raise ValueError(f"unknown {head!r}")
    line.verb, line.name = verb[1], verb[2] or "a"
    if line.verb in {"in", "out"}:
        line.shape = _shape(rest, line.verb == "in")
    else:
        line.words = [word if word is not None else quoted for word, quoted in _words(rest)]
        if line.verb == "open":
            if line.words[:1] == ["rtt"]:
                line.by_us = duration(line.words[1])
                rest = rest.split(maxsplit=2)[2] if len(line.words) > 2 else ""
            line.shape = _shape("S 0 " + rest, True)
    if when is not None and when[3] and line.verb != "out":
        raise ValueError("only `out` has a `by`")
    return line


def _words(text: str) -> list[tuple[str | None, str]]:
    """Words, or quoted texts (with their quotes)."""
    return [(None if found[0].startswith('"') else found[0], found[0]) for found in re.finditer(r'"[^"]*"|\S+', text)]


def _number(word: str) -> int:
    if word == "any":
        return ANY
    return int(word.replace("_", ""))


def _shape(text: str, arrives: bool) -> Shape:
    words = [quoted for _, quoted in _words(text)]
    flags = words.pop(0)
    if flags != "-" and (set(flags) - set(FLAG_LETTERS) or len(set(flags)) != len(flags)):
        raise ValueError(f"flags are letters of {FLAG_LETTERS}, or - for none, not {flags!r}")
    place = words.pop(0)
    seq, _, octets = place.partition("+")
    shape = Shape("" if flags == "-" else flags, _number(seq), int(octets) if octets else 0)
    if shape.seq == ANY and arrives:
        raise ValueError("a segment that arrives has a number")
    if words and words[0].startswith('"'):
        shape.text = words.pop(0)[1:-1].encode().decode("unicode_escape").encode("latin1")
        shape.octets = len(shape.text)
    while words:
        _item(shape, words.pop(0), words)
    if "A" in shape.flags and shape.ack is None:
        raise ValueError("a segment with A says its ack")
    if arrives and ANY in {shape.ack, shape.win, shape.urg}:
        raise ValueError("only what is sent by the stack can be `any`")
    return shape


def _item(shape: Shape, word: str, words: list[str]) -> None:
    """One field or option of a segment."""
    if word in {"mss", "ws"}:
        shape.options[2 if word == "mss" else 3] = _number(words.pop(0))
    elif word in _NUMBERS:
        setattr(shape, word, _number(words.pop(0)))
    elif word == "sackok":
        shape.options[4] = True
    elif word == "ts":
        value = words.pop(0)
        echo = words.pop(0)
        shape.options[8] = (_number(value), "last" if echo == "last" else _number(echo))
    elif word == "sack":
        blocks = []
        while words and ":" in words[0]:
            start, _, end = words.pop(0).partition(":")
            blocks.append((int(start), int(end)))
        if not blocks:
            raise ValueError("sack needs its blocks: sack 100:200")
        shape.options[5] = blocks
    elif word == "raw":
        shape.raw = bytes.fromhex(words.pop(0))
    elif word == "badsum":
        shape.bad_sum = True
    elif word == "from":
        shape.source = words.pop(0)
    elif word == "to":
        shape.target = words.pop(0)
    elif word == "...":
        shape.more_options = True
    else:
        raise ValueError(f"unknown field {word!r}")
