"""Captures: what was written is read, and whatever else is in a file is an error that says where."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.devices.pcap import PLACE_OCTETS, BadCapture, Capture
from tests.testbed.replay.captures import Record, block, interface, option, packet, pcap, section

ROOM = 7


Frame = tuple[int, bytes, int, int]
"""Time, octets, original length and link type."""


def read(octets: bytes, window: int = 0, step: int = 0) -> tuple[Capture, list[Frame]]:
    """All frames: of a file that is in memory, or through a window that `step` octets come into at a time."""
    memory = Memory(octets)
    fill = None
    if window:
        memory = Memory(bytearray(window))
        came = 0

        def fill(at: int) -> int:
            nonlocal came
            part = octets[came : came + min(step, window - at)]
            memory.put(at, part)
            came += len(part)
            return len(part)

    capture = Capture(memory, fill)
    places = Memory(bytearray(ROOM * PLACE_OCTETS))
    frames = []
    while count := capture.batch(places, ROOM):
        for place in range(0, count * PLACE_OCTETS, PLACE_OCTETS):
            at, captured, original, time_ns = (places.load64(place + 8 * i) for i in range(4))
            frames.append((time_ns, memory.bytes(at, captured), original, capture.link))
    assert capture.frames == len(frames)
    return capture, frames


records = st.lists(
    st.builds(
        lambda time_ns, octets, more: (time_ns, octets, len(octets) + more),
        st.integers(0, (1 << 32) * 10**9 - 1),
        st.binary(max_size=90),
        st.integers(0, 5),
    ),
    max_size=20,
)


@given(records, st.sampled_from("<>"), st.booleans())
def test_pcap_is_read_as_it_was_written(written: list[Record], order: str, nano: bool) -> None:
    capture, frames = read(pcap(written, order, nano))
    unit = 1 if nano else 1000
    assert frames == [(time // unit * unit, octets, original, 1) for time, octets, original in written]
    assert capture.truncated == sum(original > len(octets) for _, octets, original in written)
    assert not capture.cut


@given(records, st.sampled_from("<>"))
def test_pcapng_is_read_as_it_was_written(written: list[Record], order: str) -> None:
    parts = [section(order), interface(options=option(9, b"\x09", order), order=order)]
    parts += [packet(time, octets, original, order=order) for time, octets, original in written]
    _, frames = read(b"".join(parts))
    assert frames == [(time, octets, original, 1) for time, octets, original in written]


def test_sections_and_interfaces_may_all_differ() -> None:
    frame = bytes(range(60))
    file = (
        section("<")
        + interface(1)
        + interface(101, option(9, bytes([0x80 | 10])) + option(14, struct.pack("<q", 100)))
        + packet(1_000_000, frame, 60, 0)
        + block(5, bytes(8))
        + packet(3 << 10 | 512, frame[:20], 60, 1)
        + block(3, struct.pack("<I", 60) + frame)
        + section(">")
        + interface(113, option(9, b"\x03", ">"), ">", snap=30)
        + packet(2_500, frame, 60, 0, ">")
        + block(3, struct.pack(">I", 60) + frame[:30], ">")
    )
    capture, frames = read(file)
    assert frames == [
        (1_000_000_000, frame, 60, 1),
        (103_500_000_000, frame[:20], 60, 101),
        (0, frame, 60, 1),
        (2_500_000_000, frame, 60, 113),
        (0, frame[:30], 60, 113),
    ]
    assert (capture.sections, capture.truncated) == (2, 2)


def test_time_that_cannot_be_is_counted() -> None:
    capture, frames = read(section() + interface() + packet((1 << 64) - 1, b"x", 1) + packet(7, b"y", 1))
    assert [frame[0] for frame in frames] == [0, 7000]
    assert capture.undated == 1


def pcapng(written: Sequence[Record]) -> bytes:
    return section() + interface() + b"".join(packet(*record) for record in written)


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_cut_anywhere_all_records_before_are_read(make: Callable[[Sequence[Record]], bytes]) -> None:
    written = [(1000 * i, bytes([i]) * (20 + i), 20 + i) for i in range(9)]
    whole = make(written)
    ends = [len(make(written[:count])) for count in range(10)]
    for end in range(28, len(whole)):
        capture, frames = read(whole[:end])
        complete = sum(end >= after for after in ends[1:])
        assert [frame[1] for frame in frames] == [octets for _, octets, _ in written[:complete]]
        assert capture.cut == (end not in ends and whole[:end] != section())
        assert capture.at == end


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "it is empty"),
        (b"abc", "no pcap"),
        (b"\x1f\x8b\x08\0" + bytes(40), "gunzip"),
        (b"GET / HTTP/1.1\r\n\r\n", "no pcap"),
        (struct.pack("<I", 0xA1B2CD34) + bytes(40), "editcap"),
        (pcap([])[:20], "cut off"),
        (pcap([]) + struct.pack("<IIII", 1, 1, 0xFFFFFFFF, 60) + bytes(60), "octet 24 claims to hold 4294967295"),
        (section() + packet(1, b"x", 1), "interface 0, which nothing describes"),
        (section() + block(1, bytes(4)), "interface block at octet 28 is too short"),
        (section() + interface() + block(6, bytes(8)), "packet block at octet 48 is too short"),
        (section() + interface() + struct.pack("<II", 6, 13) + bytes(40), "claims to be 13 octets"),
        (section() + interface() + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99) + b"x"), "claims to hold 99"),
        (section() + interface(options=option(9, b"\x0c")), "10^-12 s"),
        (b"\x0a\x0d\x0d\x0a" + struct.pack("<I", 28) + bytes(20), "no byte order"),
        (block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), "version 2"),
    ],
)
def test_what_is_wrong_is_said(octets: bytes, said: str) -> None:
    with pytest.raises(BadCapture, match=said.replace("^", r"\^")):
        read(octets)


def test_frames_before_a_bad_record_are_given() -> None:
    file = pcap([(1, b"good", 4)] * 3) + struct.pack("<IIII", 1, 1, 0xFFFFFFFF, 60)
    capture = Capture(Memory(file))
    places = Memory(bytearray(ROOM * PLACE_OCTETS))
    assert capture.batch(places, ROOM) == 3
    with pytest.raises(BadCapture):
        capture.batch(places, ROOM)


RECORD_OCTETS = 16
"""What stands before the octets of a frame in a pcap file."""

heads = st.sampled_from([b"", pcap([]), pcap([], ">"), section() + interface(), section(">")])
blocks = st.one_of(
    st.binary(max_size=100),
    st.builds(block, st.integers(0, 12), st.binary(max_size=200)),
    st.builds(lambda octets: packet(5, octets, len(octets)), st.binary(max_size=100)),
    st.just(section(">") + interface(order=">") + packet(7, b"other order", 11, order=">")),
)


@given(heads, st.binary(max_size=200))
@example(section(), interface() + packet(5, b"x" * 60, 60)[:-2])
def test_any_octets_are_read_or_refused(head: bytes, tail: bytes) -> None:
    try:
        capture, frames = read(head + tail)
    except BadCapture:
        return
    assert capture.at <= len(head + tail)
    assert sum(len(octets) for _, octets, _, _ in frames) <= len(head + tail)


def outcome(octets: bytes, window: int = 0, step: int = 0) -> object:
    try:
        capture, frames = read(octets, window, step)
    except BadCapture as error:
        return str(error)
    return frames, capture.cut, capture.truncated, capture.sections


@given(heads, st.lists(blocks, max_size=30), st.integers(0, 30), st.integers(256, 900), st.integers(1, 400))
@example(pcap([]), [struct.pack("<IIII", 0, 0, 240, 240) + bytes(240)] * 9, 0, 256, 100)
@example(section() + interface(), [block(5, bytes(2000)), packet(5, b"after", 5)], 0, 256, 50)
@example(section() + interface(), [packet(5, b"before", 6), block(5, bytes(2000))], 9, 256, 50)
def test_a_window_shows_the_same_as_the_whole(
    head: bytes, parts: list[bytes], lost: int, window: int, step: int
) -> None:
    octets = head + b"".join(parts)
    octets = octets[: len(octets) - lost]
    whole = outcome(octets)
    # A window that is used holds the largest record.
    assume(not isinstance(whole, tuple) or all(len(frame[1]) + RECORD_OCTETS <= window for frame in whole[0]))
    assert outcome(octets, window, step) == whole
