"""The transcript language itself: what is refused, and that a script which should fail does, with a transcript."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scripts.pure import PureMachine
from tests.scripts.reading import Script, ScriptError, duration, parse_script
from tests.scripts.running import Differs, run

PATH = Path("x.seg")
HEAD = "# What it shows. (RFC 9293)\n"


def outcome(*lines: str) -> str:
    """The transcript of what a script finds wrong, or ""."""
    script = parse_script(HEAD + "\n".join(lines), PATH)
    try:
        run(script, PureMachine(script))
    except Differs as wrong:
        return str(wrong)
    return ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("inn S 0", "unknown 'inn'"),
        ("in Q 0", "flags are letters"),
        ("in SS 0", "flags are letters"),
        ("in A 1", "says its ack"),
        ("in A any ack 1", "has a number"),
        ("in A 1 ack any", "can be `any`"),
        ("out A 1 ack 1 colour 5", "unknown field 'colour'"),
        ("out A 1 ack 1 sack", "needs its blocks"),
        ("+5: quiet", "is no time"),
        ("by 5ms: quiet", "only `out`"),
        ("set colour 5", "no setting"),
        ("fails", "needs its reason"),
        ("in S", "pop"),
        ("in S 0 mss", "pop"),
        ("in S zero", "invalid literal"),
    ],
)
def test_an_error_names_file_and_line(line: str, said: str) -> None:
    with pytest.raises(ScriptError, match=r"^x\.seg:3: ") as raised:
        parse_script(f"{HEAD}listen\n{line}\n", PATH)
    assert said in str(raised.value)


def test_a_script_says_what_it_shows_and_does_something() -> None:
    with pytest.raises(ScriptError, match="first line is a comment"):
        parse_script("listen\n", PATH)
    with pytest.raises(ScriptError, match="nothing happens"):
        parse_script(HEAD, PATH)


def test_times() -> None:
    assert [duration(text) for text in ("5us", "1.5ms", "3s", "2min")] == [5, 1500, 3_000_000, 120_000_000]


@given(st.text(alphabet=' \n#.:+~,abinoutSA019"lister', max_size=200))
def test_no_text_raises_anything_but_a_script_error(text: str) -> None:
    try:
        script = parse_script(HEAD + text, PATH)
    except ScriptError:
        return
    assert isinstance(script, Script)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["open", "quiet", "out A 1 ack 1"], "x.seg:4: nothing was sent"),
        (["listen", "in S 0", "quiet"], "before this one"),
        (["listen", "in S 0"], "behind this one"),
        (["listen", "in S 0", "out SA 0 ack 2 ..."], "acknowledgment differs"),
        (["listen", "in S 0", "out SA 1 ack 1 ..."], "sequence number differs"),
        (["listen", "in S 0", "out SA 0 ack 1"], "more than expected"),
        (["listen", "in S 0", "out SA 0 ack 1 mss 1000"], "option mss"),
        (["listen", "in S 0", "out SA 0 ack 1 mss 1460 ws 3"], "option ws is missing"),
        (["listen", "in S 0", "out SA 0 ack 1 win 7 ..."], "window differs"),
        (["listen", "in S 0", "out S 0 ..."], "flags differs"),
        (["open", "send 10", "out PA 1+9 ack 1"], "payload differs"),
        (["open", 'send "ab"', 'out PA 1 "ac" ack 1'], "payload octets differs"),
        (["open", "send 10", "out PA 1+10 ack 1", "+300ms~10ms: out PA 1+10 ack 1"], "after the line before"),
        (["open", "open.b", "send 10", "out.b PA 1+10 ack 1"], "a segment for another"),
        (["open", "read 5"], "0 octets to read"),
        (["open", "end"], "no end"),
        (["open", "error ECONNRESET"], "the error is none"),
        (["open", "in R 1"], "ECONNRESET, which no line expects"),
        (["open", "state CLOSING"], "the state is ESTABLISHED"),
        (["open", "accept"], "nothing to accept"),
        (["open", "counted drop_paws 1"], "drop_paws is 0"),
    ],
)
def test_what_does_not_hold_is_told_with_what_came_instead(lines: list[str], said: str) -> None:
    told = outcome(*lines)
    assert said in told
    assert told.startswith("x.seg:")


def test_a_transcript_shows_times_and_what_came() -> None:
    told = outcome("open mss 1000", "send 10", "out PA 1+10 ack 1", "quiet", "+1s: quiet")
    assert "   -->            +1s: quiet" in told
    assert "out.a PA 1+10 ack 1 win 65535" in told
