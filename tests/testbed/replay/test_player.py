"""When frames are due, in virtual time; and the stack's questions for recorded neighbours."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.testbed.replay.live import CannotReplay, _schedule, speed_of
from neatctl.testbed.replay.player import BURST, Network, Pacing

BEGIN = 1_790_000_000_000_000_000


def places_of(times: list[int]) -> Memory:
    return Memory(bytearray(b"".join(struct.pack("=qqqq", 0, 60, 60, time_ns) for time_ns in times)))


def dues(pacing: Pacing, times: list[int]) -> list[int]:
    places = places_of(times)
    pacing.schedule(places, len(times))
    return [places.load64(i * PLACE_OCTETS + 24) for i in range(len(times))]


def test_recorded_scaled_and_at_once() -> None:
    times = [BEGIN, BEGIN + 1_000, BEGIN + 5_000_000_000]
    assert dues(Pacing(1), times) == [0, 1_000, 5_000_000_000]
    assert dues(Pacing(10), times) == [0, 100, 500_000_000]
    assert dues(Pacing(1, 4), times) == [0, 4_000, 20_000_000_000]
    assert dues(Pacing(3, 2), times)[2] == 3_333_333_333
    assert dues(Pacing(0), times) == [0, 0, 0]


def test_time_goes_on_over_batches_and_never_backwards() -> None:
    pacing = Pacing(1)
    assert dues(pacing, [0, BEGIN, BEGIN + 50]) == [0, 0, 50]
    assert dues(pacing, [BEGIN + 20, 0, BEGIN + 60]) == [50, 50, 60]


@given(st.lists(st.integers(0, 1 << 62), max_size=20), st.integers(1, 10**9), st.integers(1, 1000))
def test_a_schedule_is_in_order_whatever_the_capture_says(times: list[int], numerator: int, denominator: int) -> None:
    made = dues(Pacing(numerator, denominator), times)
    assert all(0 <= one <= other for one, other in itertools.pairwise(made))


def test_what_is_due_goes_together_in_bounded_bursts() -> None:
    pacing = Pacing(1)
    places = places_of([BEGIN + 10 * i for i in range(200)])
    pacing.schedule(places, 200)
    assert pacing.due(places, 0, 200, 0) == 1
    assert pacing.due(places, 1, 199, 9) == 0
    assert pacing.due(places, 1, 199, 30) == 3
    assert pacing.due(places, 4, 196, 10**6) == BURST
    assert pacing.due(places, 198, 2, 10**6) == 2


@pytest.mark.parametrize(
    ("text", "speed"), [("1", (1, 1)), ("10", (10, 1)), ("0.25", (1, 4)), ("max", (0, 1)), ("1e3", (1000, 1))]
)
def test_speeds(text: str, speed: tuple[int, int]) -> None:
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "fast", "", "nan", "inf", "1/0", "0.0001", "1e99"])
def test_no_speeds(text: str) -> None:
    with pytest.raises(CannotReplay, match="a speed is"):
        speed_of(text)


def test_percentiles_of_lateness() -> None:
    schedule = _schedule([(1, 60), (5, 39), (900, 1)])
    assert schedule is not None
    assert (schedule.p50_us, schedule.p99_us, schedule.max_us) == (1, 5, 900)
    assert _schedule([]) is None


# ---- ARP ----
APPLIANCE, KERNEL, NEIGHBOUR = 0x0A4D0002, 0x0A4D0001, 0x0A4D0033
MAC, STACK = b"\x02\0\0\0\0\x01", b"\x02\x0a\x0a\x4d\0\x02"


def question(wanted: int, sender: int = APPLIANCE, operation: int = 1) -> Memory:
    head = b"\xff" * 6 + STACK + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation)
    return Memory(bytearray(head + STACK + struct.pack(">I6xI", sender, wanted)))


def test_a_recorded_neighbour_is_answered_for() -> None:
    network = Network(APPLIANCE, KERNEL, 24)
    frame = question(NEIGHBOUR)
    assert network.answer(frame, MAC)
    assert frame.bytes(0, 14) == STACK + MAC + b"\x08\x06"
    assert frame.bytes(20, 22) == b"\0\x02" + MAC + struct.pack(">I", NEIGHBOUR) + STACK + struct.pack(">I", APPLIANCE)


@pytest.mark.parametrize(
    "frame",
    [
        question(KERNEL),
        question(APPLIANCE),
        question(0x08080808),
        question(NEIGHBOUR, KERNEL),
        question(NEIGHBOUR, APPLIANCE, 2),
    ],
)
def test_nobody_else_is(frame: Memory) -> None:
    before = frame.bytes(0, 42)
    assert not Network(APPLIANCE, KERNEL, 24).answer(frame, MAC)
    assert frame.bytes(0, 42) == before


def test_free_addresses() -> None:
    network = Network(APPLIANCE, KERNEL, 24)
    assert network.free() == 0x0A4D00FE
    assert network.free(0x0A4D00FE) == 0x0A4D00FD
    assert Network(APPLIANCE, KERNEL, 30).free() == 0
