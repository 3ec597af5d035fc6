"""Captures as scripts: what is missing of them, what is there twice, and frames that make no sense."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.wire.tcp_header import ACK, FIN, PSH, RST, SYN
from neatctl.testbed.replay.stateful import captured, conversations, options
from neatctl.testbed.replay.stateful.captured import CapturedSegment, parse
from neatctl.testbed.replay.stateful.conversations import NO_SYN, NOT_CHOSEN, Conversations, TooMuch
from neatctl.testbed.replay.stateful.script import CLOSED, CUT, REFUSED, RESET_BY_SERVER, UNANSWERED
from tests.testbed.replay.captures import pcap
from tests.testbed.replay.stateful.conversation import CLIENT, SERVER, Tape

REQUEST, ANSWER = b"a request", b"an answer"


def packet(segment: CapturedSegment, total: int | None = None) -> bytes:
    """As an IPv4 packet."""
    offset = (20 + len(segment.options)) // 4 << 4
    tcp = struct.pack(
        ">HHIIBBHHH", segment.source[1], segment.destination[1], segment.seq, segment.ack, offset, segment.flags,
        segment.window, 0, segment.urgent,
    ) + segment.options  # fmt: skip
    length = 20 + len(tcp) + segment.octets if total is None else total
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, length, segment.ident, 0x4000, 64, 6, 0, segment.source[0], segment.destination[0]
    )
    return ip + tcp + segment.data


def ethernet(segment: CapturedSegment, total: int | None = None) -> bytes:
    return bytes(12) + b"\x08\0" + packet(segment, total)


def test_what_waits_for_what() -> None:
    script = Tape().open().ask(REQUEST, ANSWER).close().script()
    assert [(each.seq, each.octets, each.flags, each.needs) for each in script.segments] == [
        (0, 0, SYN, 0),
        (1, 0, ACK, 1),
        (1, 9, ACK | PSH, 1),
        (10, 0, ACK, 10),
        (10, 0, ACK | FIN, 10),
        (11, 0, ACK, 11),
    ]
    assert (script.ended, script.fin, script.expected, script.holes) == (CLOSED, 10, 9, [])
    assert (bytes(script.sent.head), bytes(script.answers.head)) == (REQUEST, ANSWER)


@pytest.mark.parametrize(
    ("flags", "opened", "ended"), [(RST | ACK, False, REFUSED), (RST, True, RESET_BY_SERVER), (ACK, True, CUT)]
)
def test_how_it_ended(flags: int, opened: bool, ended: str) -> None:
    tape = Tape()
    if opened:
        tape.open()
    else:
        tape.client(SYN)
    tape.server(flags)
    assert tape.script().ended == ended


def test_a_syn_alone_was_not_answered() -> None:
    tape = Tape()
    tape.client(SYN)
    assert tape.script().ended == UNANSWERED


def test_the_same_frame_twice_is_one_and_a_retransmission_is_played_as_captured() -> None:
    tape = Tape().open()
    tape.client(ACK | PSH, REQUEST)
    tape.segments.append(tape.segments[-1])
    tape.client(ACK | PSH, REQUEST, seq=1)
    script = tape.script()
    assert script.repeated == 1
    assert [(each.seq, each.octets) for each in script.segments][2:] == [(1, 9), (1, 9)]
    assert bytes(script.sent.head) == REQUEST


def test_nothing_is_played_from_where_the_capture_lacks_the_client() -> None:
    tape = Tape().open().ask(REQUEST, ANSWER)
    tape.client(ACK | PSH, b"cut by the snap length", cut=8)
    tape.server(ACK, b"said after all of it")
    tape.client(ACK | PSH, b"never")
    script = tape.close().script()
    assert (script.cut_at, len(script.sent), script.ended) == (23, 23, CUT)
    assert script.expected == 9
    assert max(each.end for each in script.segments) <= 10


def test_octets_of_the_server_that_were_cut_off_are_holes() -> None:
    tape = Tape().open()
    tape.client(ACK | PSH, REQUEST)
    tape.server(ACK, b"0123456789", cut=4)
    tape.server(ACK, b"more")
    script = tape.close().script()
    assert (script.expected, script.holes, script.ended) == (14, [(6, 10)], CLOSED)


def test_a_fin_that_the_capture_lacks_is_no_octet() -> None:
    tape = Tape().open().ask(REQUEST, ANSWER).close()
    tape.segments = [each for each in tape.segments if not (each.flags & FIN and each.source == CLIENT)]
    assert tape.script().cut_at == -1


@pytest.mark.parametrize("link", [1, 101, 228])
@pytest.mark.parametrize("shape", ["plain", "super-frames", "padded"])
def test_files_of_several_links(tmp_path: Path, link: int, shape: str) -> None:
    tape = Tape().open().ask(REQUEST, ANSWER).close()
    total = 0 if shape == "super-frames" else None
    padding = bytes(18) if shape == "padded" else b""
    frames = [(ethernet if link == 1 else packet)(each, total) + padding for each in tape.segments]
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap([(10**18 + i, frame, len(frame)) for i, frame in enumerate(frames)], nano=True, link=link))
    found = Conversations()
    assert conversations.read(path, "", found) == ""
    (script,) = found.scripts()
    assert (script.client, script.server, script.ended, script.expected) == (CLIENT, SERVER, CLOSED, 9)
    assert (found.frames, found.skipped) == (len(frames), {})


def test_ports_used_again_are_another_connection_and_some_are_chosen() -> None:
    first, second = Tape().open().ask(REQUEST, ANSWER).close(), Tape(isn=77).open().ask(REQUEST, b"other").close()
    both = [ethernet(each) for each in first.segments + second.segments]
    for found, numbers in ((Conversations(), [1, 2]), (Conversations(2), [2]), (Conversations(1, 1), [1])):
        for i, frame in enumerate(both):
            found.add(i, len(frame), frame)
        assert [script.number for script in found.scripts()] == numbers
        assert found.skipped == ({NOT_CHOSEN: 1} if len(numbers) == 1 else {})


def test_what_cannot_be_played_has_a_reason() -> None:
    tape = Tape().open().ask(REQUEST, ANSWER)
    found = Conversations()
    for each in tape.segments[2:]:
        found.add(0, 100, ethernet(each))
    fragment = bytearray(ethernet(tape.segments[0]))
    fragment[20] |= 0x20
    found.add(0, 100, bytes(fragment))
    found.add(0, 20, ethernet(tape.segments[0])[:20])
    assert found.scripts() == []
    assert found.skipped == {NO_SYN: 1, captured.FRAGMENT: 1, captured.MALFORMED: 1}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "KEPT_OCTETS", 10_000)
    found = Conversations()
    frames = [ethernet(each) for each in Tape().open().ask(b"x" * 9000, ANSWER).segments]
    for frame in frames[:3]:
        found.add(0, len(frame), frame)
    with pytest.raises(TooMuch, match="--connections"):
        found.add(0, len(frames[3]), frames[3])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 1 << 32), st.integers(0, 1 << 32)), max_size=25))
def test_any_segments_make_a_script_that_can_be_played(mad: list[tuple[int, int, int]]) -> None:
    tape = Tape()
    tape.client(SYN)
    for flags, seq, ack in mad:
        (tape.client if flags & 128 else tape.server)(flags & 0x3D, bytes(flags & 7), **{"seq": seq} if ack & 1 else {})
        tape.ack = ack & 0xFFFFFFFF if ack & 2 else tape.ack
    script = tape.script()
    assert script.segments[0].flags & SYN
    assert all(0 <= each.seq <= each.end for each in script.segments)
    assert all(1 <= each.seq <= len(script.sent) + 1 - each.octets for each in script.segments if each.octets)
    assert script.expected >= 0


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 200))
def test_any_frame_is_a_segment_or_has_a_reason(octets: bytes, original: int) -> None:
    frame = bytes(12) + b"\x08\0\x45" + octets
    made = parse(0, original, frame)
    assert isinstance(made, CapturedSegment | str)
    if isinstance(made, CapturedSegment):
        assert made.octets >= 0
        assert len(made.data) <= max(made.octets, len(frame))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40), st.one_of(st.none(), st.tuples(st.integers(0, 1 << 32), st.integers(0, 1 << 32))))
def test_options_rewritten_are_options(octets: bytes, times: tuple[int, int] | None) -> None:
    octets = octets[: len(octets) // 4 * 4]
    made = options.rewritten(octets, times, may_grow=False)
    assert len(made) == len(octets)
    if times is not None and options.timestamps(octets) is not None:
        assert options.timestamps(made) == (times[0] & 0xFFFFFFFF, times[1] & 0xFFFFFFFF)
    grown = options.rewritten(octets, times, bytes(16))
    assert len(grown) <= 40
    assert len(grown) % 4 == 0
