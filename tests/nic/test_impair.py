"""The bad link: what is done to frames is what was asked for, is counted, and is the same with the same seed."""

from __future__ import annotations

import struct
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.channel.records import DATA_VALID, NEEDS_CSUM
from neatctl.core.control.impairment import MOST_FRAMES
from neatctl.core.native import Memory
from neatctl.nic.counters import Counters
from neatctl.nic.devices.face import REFUSED, WOULD_BLOCK
from neatctl.nic.impair import HELD_US, OVERTAKEN_BY, ImpairedDevice, Impairment
from tests.nic import frames as f
from tests.nic.rig import PLAIN, Wire, checksum_request

FRAMES = 2_000
HEADER = bytes(14)


class Link:
    """A device behind a bad link; frames are numbers, or octets with their virtio_net_hdr."""

    def __init__(self, text: str, seed: int = 0) -> None:
        self.wire = Wire()
        self.counters = Counters()
        self.device = ImpairedDevice(self.wire, self.counters)
        self.device.become(Impairment(text, seed))
        self.now = 1_000_000
        self._memory = Memory(bytearray(1 << 17))

    def turn(self, after_us: int = 0) -> None:
        self.now += after_us
        self.device.carry(self.now)

    def write(self, record: bytes) -> int:
        self._memory.put(0, record)
        return self.device.write(self._memory, 0, len(record))

    def read(self) -> list[bytes]:
        found = []
        while (octets := self.device.read(self._memory, 0)) >= 0:
            found.append(self._memory.bytes(0, octets))
        return found

    def count(self, name: str) -> int:
        return self.counters.read()[name]


def record(number: int, octets: int = 8) -> bytes:
    return PLAIN + HEADER + number.to_bytes(octets, "big")


def numbers(records: list[bytes]) -> list[int]:
    return [int.from_bytes(octets[len(PLAIN) + 14 :], "big") for octets in records]


def through(text: str, way: str, seed: int = 0, frames: int = FRAMES, gap_us: int = 10) -> tuple[list[int], Link]:
    """The numbers of the frames that came through, and the link."""
    link = Link(text, seed)
    came: list[int] = []
    for number in range(frames):
        link.turn(gap_us)
        if way == "in":
            link.wire.arriving.append(record(number))
            came += numbers(link.read())
        else:
            assert link.write(record(number)) > 0
    while (due := link.device.deadline()) >= 0:
        link.turn(max(due - link.now, 0))
        came += numbers(link.read())
    return came if way == "in" else numbers(link.wire.sent), link


both_ways = pytest.mark.parametrize("way", ["in", "out"])


@both_ways
@pytest.mark.parametrize("seed", [0, 1, 7, -3, 2**40])
def test_the_share_lost_is_what_was_asked_for(way: str, seed: int) -> None:
    came, link = through("loss=5%", way, seed)
    assert 0.935 * FRAMES < len(came) < 0.965 * FRAMES
    assert link.count(f"drop_impaired_{way}") == FRAMES - len(came)


def test_what_is_lost_depends_on_the_seed_and_nothing_else() -> None:
    runs = [through("loss=5%", way, seed)[0] for seed in (7, 8, 9) for way in ("in", "out")]
    assert through("loss=5%,delay=1ms,corrupt=0%,out:burst=10%/10%", "in", 7)[0] == runs[0]
    assert set(through("loss=5%,reorder=20%,duplicate=10%,rate=1gbit", "in", 7)[0]) == set(runs[0])
    gone = [set(range(FRAMES)) - set(run) for run in runs]
    assert all(len(gone[0] & each) < 0.015 * FRAMES for each in gone[1:])


@both_ways
def test_losses_come_in_bursts(way: str) -> None:
    came, _ = through("burst=1%/25%", way, 3, frames=20_000)
    gaps = [after - before - 1 for before, after in pairwise(came) if after - before > 1]
    assert 0.03 < 1 - len(came) / 20_000 < 0.05, "a share of 1 / (1 + 25)"
    assert 3.3 < sum(gaps) / len(gaps) < 4.7, "four frames in a row"


@both_ways
def test_a_frame_is_delayed_for_that_long_and_the_driver_can_sleep_until_then(way: str) -> None:
    link = Link("delay=50ms")
    link.turn()
    link.wire.arriving.append(record(1)) if way == "in" else link.write(record(1))
    assert link.read() == link.wire.sent == []
    assert link.device.deadline() == link.now + 50_000
    link.turn(49_999)
    assert link.read() == link.wire.sent == []
    link.turn(1)
    assert numbers(link.read() + link.wire.sent) == [1]
    assert link.device.deadline() == -1
    assert link.count(f"impair_delayed_{way}") == 1


def test_jitter_spreads_but_does_not_reorder() -> None:
    link = Link("delay=10ms,jitter=5ms")
    waited = []
    for number in range(300):
        link.turn(20_000)
        link.write(record(number))
        waited.append(link.device.deadline() - link.now)
        link.turn(15_000)
    assert 5_000 <= min(waited) < 6_000
    assert 14_000 < max(waited) <= 15_000
    assert through("delay=10ms,jitter=5ms", "in")[0] == list(range(FRAMES))


@both_ways
def test_with_a_delay_the_reordered_go_at_once(way: str) -> None:
    came, link = through("delay=5ms,reorder=10%", way, 5)
    assert sorted(came) == list(range(FRAMES))
    early = link.count(f"impair_reordered_{way}")
    assert 0.07 * FRAMES < early < 0.13 * FRAMES
    overtaking = sum(any(later < each for later in came[i + 1 : i + 800]) for i, each in enumerate(came))
    assert 0.9 * early < overtaking <= early


@both_ways
def test_without_a_delay_the_reordered_are_overtaken_by_a_few(way: str) -> None:
    came, link = through("reorder=10%", way, 5)
    assert sorted(came) == list(range(FRAMES))
    late = [i - number for i, number in enumerate(came)]
    assert 1 <= max(late) <= 2 * OVERTAKEN_BY, "others that are held back may pass it too"
    assert 0.07 * FRAMES < link.count(f"impair_reordered_{way}") < 0.13 * FRAMES
    assert sum(each > 0 for each in late) > 0.05 * FRAMES


def test_a_held_frame_goes_when_nothing_overtakes_it() -> None:
    link = Link("reorder=100%")
    link.turn()
    link.write(record(1))
    assert link.device.deadline() == link.now + HELD_US
    link.turn(HELD_US - 1)
    assert link.wire.sent == []
    link.turn(1)
    assert numbers(link.wire.sent) == [1]


def test_a_frame_that_is_held_is_overtaken_by_one_to_eight_that_are_not() -> None:
    came, _ = through("reorder=3%", "in", 5)
    late = {number: i for i, number in enumerate(came) if max(came[max(i - 30, 0) : i], default=0) > number}
    passed = {sum(n > number for n in came[max(i - 30, 0) : i] if n not in late) for number, i in late.items()}
    assert passed == set(range(1, OVERTAKEN_BY + 1))


def test_so_many_are_held_at_most_and_the_first_to_wait_is_the_next_to_go() -> None:
    link = Link("reorder=100%")
    for number in range(40):
        link.turn(100)
        link.write(record(number))
    first = set(range(40)) - set(numbers(link.wire.sent))
    assert 0 < len(first) <= 16
    link.turn(0)
    assert link.now < link.device.deadline() <= link.now + HELD_US - 100
    link.turn(HELD_US)
    assert sorted(numbers(link.wire.sent)) == list(range(40))


def test_a_turn_writes_a_bound_of_frames() -> None:
    link = Link("delay=1ms")
    link.turn()
    for number in range(600):
        link.write(record(number))
    for sent in (256, 512, 600):
        link.turn(1_000)
        assert len(link.wire.sent) == sent


@both_ways
def test_repeated_frames_follow_themselves(way: str) -> None:
    came, link = through("duplicate=5%", way, 5)
    assert came == sorted(came)
    twice = sum(times == 2 for times in Counter(came).values())
    assert twice == link.count(f"impair_duplicated_{way}") == len(came) - FRAMES
    assert 0.035 * FRAMES < twice < 0.065 * FRAMES


def test_a_line_of_a_rate_sends_so_many_bits_a_second_and_the_limit_bounds_the_queue() -> None:
    link = Link("rate=1mbit,limit=10")
    link.turn()
    for number in range(20):
        link.write(record(number, 1236))  # 1250 octets: 10 ms each
    assert link.count("drop_impair_full_out") == 10
    times = []
    while (due := link.device.deadline()) >= 0:
        link.turn(due - link.now)
        times.append(link.now - 1_000_000)
    assert times == [10_000 * i for i in range(1, 11)]
    assert numbers(link.wire.sent) == list(range(10))


def test_a_line_is_not_slower_than_its_rate_when_frames_are_small() -> None:
    link = Link("rate=1gbit")
    link.turn()
    for number in range(1_000):
        link.write(record(number, 48))  # 62 octets: 496 ns
    for after_us, sent in ((248, 500), (248, 1_000)):
        link.turn(after_us)
        while link.device.carry(link.now):
            pass
        assert abs(len(link.wire.sent) - sent) <= 3


@both_ways
def test_one_bit_of_a_corrupt_frame_turns_behind_the_ethernet_header(way: str) -> None:
    link = Link("corrupt=100%", 3)
    places = set()
    plain = f.tcp(f.CLIENT, 4000, f.ACK, bytes(range(40)))
    for _ in range(600):
        link.turn(10)
        if way == "in":
            link.wire.arriving.append(PLAIN + plain)
            came = link.read()[0]
        else:
            link.write(PLAIN + plain)
            came = link.wire.sent.pop()
        turned = [i for i, (one, other) in enumerate(zip(came[10:], plain, strict=True)) if one != other]
        assert len(turned) == 1
        assert (came[10 + turned[0]] ^ plain[turned[0]]).bit_count() == 1
        places.add(turned[0])
    assert min(places) == 14
    assert len(places) > 0.9 * (len(plain) - 14)
    assert link.count(f"impair_corrupted_{way}") == 600


def folded(octets: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


def with_checksum(segment: bytes, checksum: int) -> bytes:
    return segment[:50] + struct.pack("!H", checksum) + segment[52:]


@both_ways
@pytest.mark.parametrize("flags", [0, DATA_VALID, NEEDS_CSUM])
def test_no_offload_hides_the_damage(way: str, flags: int) -> None:
    bare = f.tcp(f.CLIENT, 4000, f.ACK, bytes(range(40)))
    pseudo = bare[26:34] + struct.pack("!HH", 6, len(bare) - 34)
    plain = with_checksum(bare, 0xFFFF ^ folded(pseudo + bare[34:50] + bytes(2) + bare[52:]))
    asked, partial = PLAIN, plain
    if flags & NEEDS_CSUM:
        asked, partial = checksum_request(34, 16), with_checksum(bare, folded(pseudo))
    elif flags:
        asked = struct.pack("=BBHHHH", flags, 0, 0, 0, 0, 0)
    link = Link("corrupt=100%", 1)
    for _ in range(100):
        link.turn(10)
        if way == "in":
            link.wire.arriving.append(asked + partial)
            came = link.read()[0]
        else:
            link.write(asked + partial)
            came = link.wire.sent.pop()
        assert came[:10] == PLAIN
        assert sum((one ^ other).bit_count() for one, other in zip(came[10:], plain, strict=True)) == 1, (
            "the right frame, but for one bit"
        )


def test_frames_that_are_not_damaged_keep_their_offloads() -> None:
    link = Link("delay=1ms")
    link.turn()
    link.write(checksum_request(34, 16) + f.tcp(f.CLIENT, 4000, f.ACK))
    link.turn(1_000)
    assert link.wire.sent == [checksum_request(34, 16) + f.tcp(f.CLIENT, 4000, f.ACK)]


def test_a_frame_without_any_octet_behind_its_header_is_left_alone() -> None:
    link = Link("corrupt=100%")
    link.turn()
    for octets in (PLAIN, PLAIN[:4], PLAIN + HEADER):
        link.wire.arriving.append(octets)
    assert link.read() == [PLAIN, PLAIN[:4], PLAIN + HEADER]


def test_a_device_without_room_puts_the_driver_off_and_nothing_is_lost() -> None:
    link = Link("delay=1ms")
    link.turn()
    link.wire.room = 1
    for number in range(3):
        link.write(record(number))
    link.turn(1_000)
    assert numbers(link.wire.sent) == [0]
    assert link.write(record(3)) == WOULD_BLOCK
    assert link.now < link.device.deadline() <= link.now + 1_000
    link.wire.room = 10
    link.turn(1_000)
    assert link.write(record(3)) > 0
    link.turn(1_000)
    assert numbers(link.wire.sent) == [0, 1, 2, 3]


def test_frames_that_the_device_refuses_are_counted() -> None:
    link = Link("delay=1ms")
    link.turn()
    link.wire.down = True
    assert link.write(record(1)) != REFUSED
    link.turn(1_000)
    assert link.count("drop_tx_refused") == 1
    assert link.device.deadline() == -1


def test_what_is_asked_for_changes_while_frames_are_on_their_way() -> None:
    link = Link("delay=50ms,in:reorder=0%")
    link.turn()
    link.write(record(1))
    link.device.become(Impairment("loss=100%"))
    link.write(record(2))
    link.turn(50_000)
    assert numbers(link.wire.sent) == [1]
    assert not link.device.over
    link.device.become(Impairment("reorder=100%"))
    link.write(record(3))
    link.device.become(Impairment(""))
    link.turn(0)
    assert numbers(link.wire.sent) == [1, 3]
    link.turn()
    assert link.device.over


def test_a_turn_reads_a_burst_and_no_more() -> None:
    link = Link("loss=100%")
    link.wire.arriving.extend(record(i) for i in range(200))
    for left in (136, 72, 8, 0):
        link.turn()
        assert link.read() == []
        assert len(link.wire.arriving) == left
    assert link.device.carry(link.now) == 8, "so the loop knows that there was something to do"


shares = st.integers(0, 100).map(lambda share: f"{share}%")
asked = st.fixed_dictionaries(
    {},
    optional={
        "loss": shares,
        "burst": st.tuples(shares, st.integers(1, 100)).map(lambda pair: f"{pair[0]}/{pair[1]}%"),
        "delay": st.integers(0, 30_000).map(lambda us: f"{us}us"),
        "reorder": shares,
        "duplicate": shares,
        "corrupt": shares,
        "rate": st.integers(1, 1_000).map(lambda rate: f"{rate}mbit"),
        "limit": st.integers(1, MOST_FRAMES).map(str),
    },
).map(lambda words: ",".join(f"{word}={amount}" for word, amount in words.items()))
steps = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 12), st.integers(0, 3)), max_size=40)


@settings(max_examples=30)
@given(asked, st.integers(0, 2**32), steps)
def test_every_frame_is_delivered_or_counted_and_the_same_seed_gives_the_same(
    text: str, seed: int, schedule: list[tuple[int, int, int]]
) -> None:
    runs = []
    for _ in range(2):
        link = Link(text, seed)
        given_out = given_in = number = 0
        came: list[tuple[int, bytes]] = []
        for after_us, out, inward in schedule:
            link.turn(after_us)
            for _ in range(out):
                given_out += link.write(record(number := number + 1, 1400)) > 0
            link.wire.arriving.extend(record(number := number + 1) for _ in range(inward))
            given_in += inward
            came += [(link.now, octets) for octets in link.read()]
        while (due := link.device.deadline()) >= 0:
            link.turn(max(due - link.now, 0))
            came += [(link.now, octets) for octets in link.read()]
        for way, entered, left in (("in", given_in, len(came)), ("out", given_out, len(link.wire.sent))):
            gone = link.count(f"drop_impaired_{way}") + link.count(f"drop_impair_full_{way}")
            assert entered + link.count(f"impair_duplicated_{way}") == left + gone
        runs.append((came, link.wire.sent))
    assert runs[0] == runs[1]
