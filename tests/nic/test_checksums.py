"""Checksums of frames on their way: RFC 1624's own example, and the same as computing anew, whatever changes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.checksums import change, complete, update
from tests.nic import frames as f
from tests.nic.rig import PLAIN, checksum_request

words = st.integers(0, 0xFFFFFFFF)


def checksum_of(octets: bytes) -> int:
    return Memory(octets).sum(0, len(octets), 0) ^ 0xFFFF


def test_the_example_of_rfc_1624() -> None:
    memory = Memory(bytearray(b"\xdd\x2f"))
    assert update(memory, 0, change(0x5555, 0x3285)) == 0x0000
    assert memory.get16(0) == 0


@given(st.binary(min_size=4, max_size=40).filter(any), st.lists(words, min_size=1, max_size=4))
def test_updating_is_computing_anew(rest: bytes, values: list[int]) -> None:
    checksum = checksum_of(values[0].to_bytes(4, "big") + rest)
    memory = Memory(bytearray(checksum.to_bytes(2, "big")))
    for old, new in itertools.pairwise(values):
        update(memory, 0, change(old, new))
    assert memory.get16(0) == checksum_of(values[-1].to_bytes(4, "big") + rest)


@given(words, words, st.binary(min_size=4, max_size=9).filter(any), st.integers(1, 0xFFFE))
def test_a_wrong_checksum_stays_as_wrong(old: int, new: int, rest: bytes, error: int) -> None:
    """The sum over octets and checksum, which is all ones where it is right, stays what it was."""
    wrong = (checksum_of(old.to_bytes(4, "big") + rest) + error) % 0xFFFF
    memory = Memory(bytearray(wrong.to_bytes(2, "big")))
    update(memory, 0, change(old, new))
    before = Memory(old.to_bytes(4, "big") + rest).sum(0, 4 + len(rest), wrong)
    after = Memory(new.to_bytes(4, "big") + rest).sum(0, 4 + len(rest), memory.get16(0))
    assert before % 0xFFFF == after % 0xFFFF != 0


def partial(frame: bytes) -> bytearray:
    """A TCP frame whose checksum is left to the device: the sum of the pseudo-header in its place."""
    made = bytearray(frame)
    octets = len(frame) - 34
    pseudo = Memory(frame).sum(26, 8, 6 + octets)
    made[50:52] = pseudo.to_bytes(2, "big")
    return made


@given(st.binary(max_size=99))
def test_what_was_left_to_the_device_is_completed(data: bytes) -> None:
    frame = f.tcp(f.CLIENT, 4000, f.ACK, data)
    octets = len(frame) - 34
    made = partial(frame)
    assert complete(Memory(checksum_request(34, 16)), 0, Memory(made), 0, len(made))
    assert Memory(made).sum(34, octets, Memory(made).sum(26, 8, 6 + octets)) == 0xFFFF


def test_what_asks_for_nothing_or_for_nonsense_stays_as_it_is() -> None:
    made = partial(f.tcp(f.CLIENT, 4000, f.ACK))
    before = bytes(made)
    memory = Memory(made)
    assert not complete(Memory(PLAIN), 0, memory, 0, len(made))
    assert not complete(Memory(checksum_request(34, len(made) - 35)), 0, memory, 0, len(made))
    assert made == before
