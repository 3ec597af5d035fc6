"""The TCP header: what is sound is read as it stands, what is not is refused, options never lead astray."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.core.wire.tcp_header import BAD_FLAGS, BAD_LENGTH, SOUND, Segment, checksum_holds

KEY = bytes((10, 77, 0, 1, 10, 77, 0, 2, 0x9C, 0x40, 0, 80))


def header(flags: int, options: bytes = b"", data: bytes = b"", length: int | None = None) -> bytes:
    words = (20 + len(options)) // 4 if length is None else length
    fixed = KEY[8:12] + bytes.fromhex("01020304 05060708") + bytes((words << 4, flags)) + b"\x12\x34" + bytes(4)
    return fixed + options + data


def parse(octets: bytes) -> tuple[int, Segment]:
    segment = Segment()
    return segment.parse(Memory(octets), 0, len(octets)), segment


def test_a_segment_is_read_as_it_stands() -> None:
    verdict, segment = parse(header(0x11, data=b"hello"))
    assert verdict == SOUND
    assert (segment.seq, segment.ack, segment.window) == (0x01020304, 0x05060708, 0x1234)
    assert (segment.data_at, segment.data_octets, segment.length) == (20, 5, 6)


@pytest.mark.parametrize("words", [0, 4, 7, 15])
def test_a_header_length_that_cannot_be_is_refused(words: int) -> None:
    assert parse(header(0x10, data=b"hello", length=words))[0] == BAD_LENGTH


def test_less_than_a_header_is_refused() -> None:
    assert parse(header(0x10)[:19])[0] == BAD_LENGTH


@pytest.mark.parametrize("flags", [0x03, 0x06, 0x07, 0x13])
def test_syn_with_fin_or_rst_never_gets_further(flags: int) -> None:
    assert parse(header(flags))[0] == BAD_FLAGS


def test_the_options_of_a_linux_syn() -> None:
    options = bytes.fromhex("020405b4 0402080a 00001111 00000000 01030307")
    segment = parse(header(2, options))[1]
    assert (segment.mss, segment.scale, segment.sack_permitted) == (1460, 7, True)
    assert (segment.has_timestamps, segment.ts_val, segment.ts_ecr) == (True, 0x1111, 0)


def test_must_64_options_at_any_alignment() -> None:
    segment = parse(header(0x10, bytes.fromhex("01080a00 00000700 00000900")))[1]
    assert (segment.has_timestamps, segment.ts_val, segment.ts_ecr) == (True, 7, 9)


def test_must_6_unknown_options_are_passed_over_by_their_length() -> None:
    assert parse(header(2, bytes.fromhex("fd060000 00000204 05b40000")))[1].mss == 1460


@pytest.mark.parametrize("bad", ["00020405b4", "fd00020405b4", "fd01020405b4", "fdff020405b4", "fd"])
def test_must_7_an_illegal_option_length_ends_the_list(bad: str) -> None:
    options = bytes.fromhex(bad)
    verdict, segment = parse(header(2, options + bytes(-len(options) % 4)))
    assert verdict == SOUND
    assert segment.mss == 0


def test_must_65_options_of_a_syn_mean_nothing_on_others() -> None:
    segment = parse(header(0x10, bytes.fromhex("020405b4 01030307 01010402")))[1]
    assert (segment.mss, segment.scale, segment.sack_permitted) == (0, -1, False)


def test_a_window_scale_above_14_counts_as_14() -> None:
    assert parse(header(2, bytes.fromhex("010303ff")))[1].scale == 14


def test_sack_blocks_are_found() -> None:
    segment = parse(header(0x10, bytes.fromhex("01010512 00000001 00000002 00000005 00000009")))[1]
    assert segment.sack_blocks == 2
    assert segment.memory is not None
    assert segment.memory.get32(segment.sack_at + 8) == 5


@given(st.binary(max_size=80))
def test_any_octets_are_refused_or_lie_within_what_was_given(octets: bytes) -> None:
    verdict, segment = parse(octets)
    if verdict == SOUND:
        assert 20 <= segment.data_at <= len(octets)
        assert segment.data_at + segment.data_octets == len(octets)
        assert segment.sack_at + 8 * segment.sack_blocks <= segment.data_at


@given(st.binary(min_size=20, max_size=100), st.integers(0, 99), st.integers(1, 255))
def test_must_3_a_checksum_holds_until_an_octet_changes(octets: bytes, at: int, change: int) -> None:
    zeroed = bytearray(octets)
    zeroed[16:18] = bytes(2)
    pseudo = Memory(KEY[:8]).sum(0, 8, 6 + len(zeroed))
    zeroed[16:18] = (~Memory(zeroed).sum(0, len(zeroed), pseudo) & 0xFFFF).to_bytes(2, "big")
    assert checksum_holds(Memory(zeroed), 0, len(zeroed), KEY)
    zeroed[at % len(zeroed)] ^= change
    assert not checksum_holds(Memory(zeroed), 0, len(zeroed), KEY)
