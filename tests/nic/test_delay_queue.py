"""The queue of delayed frames: order, bounds, and that each frame lies there as it was put, whatever leaves before."""

from __future__ import annotations

import random

import pytest

from neatctl.core.native import Memory
from neatctl.nic.delay_queue import POOL_OCTETS, DelayQueue

MOST = 4096
SOURCE = Memory(random.Random(1).randbytes(1 << 17))


def taken(queue: DelayQueue, now: int) -> list[bytes]:
    found = []
    while (slot := queue.peek(now)) >= 0:
        found.append(queue.memory.bytes(queue.place(slot), queue.octets(slot)))
        queue.take()
    return found


def put(queue: DelayQueue, at: int, octets: int = 10, limit: int = MOST) -> int:
    return queue.put(SOURCE, at, octets, limit)


def frame(at: int, octets: int = 10) -> bytes:
    return SOURCE.bytes(at, octets)


def test_frames_leave_in_order_when_their_time_has_come() -> None:
    queue = DelayQueue()
    assert queue.due() == -1
    for at, due in ((0, 100), (20, 200), (40, 150)):
        queue.schedule(put(queue, at), due)
    assert (queue.due(), queue.peek(99)) == (100, -1)
    assert taken(queue, 150) == [frame(0)]
    assert taken(queue, 199) == [], "none overtakes another: the third goes with the second"
    assert taken(queue, 200) == [frame(20), frame(40)]
    assert (queue.due(), queue.count) == (-1, 0)
    queue.schedule(put(queue, 60), 120)
    assert queue.due() == 120, "there is none before it any more"


def test_the_hasty_overtake() -> None:
    queue = DelayQueue()
    queue.schedule(put(queue, 0), 100)
    queue.hasten(put(queue, 20))
    queue.hasten(put(queue, 40))
    assert queue.due() == 0
    assert taken(queue, 1) == [frame(20), frame(40)]
    assert taken(queue, 100) == [frame(0)]


def test_a_full_queue_takes_no_more() -> None:
    queue = DelayQueue()
    slots = [put(queue, 0, limit=3) for _ in range(4)]
    assert slots[3] == -1
    queue.schedule(slots[1], 0)
    assert len(taken(queue, 0)) == 1
    assert put(queue, 0, limit=3) >= 0
    large = DelayQueue()
    most = POOL_OCTETS // 65_536
    assert [put(large, 0, 65_536) >= 0 for _ in range(most + 1)] == [True] * most + [False]


def test_a_frame_that_stays_keeps_its_room_however_many_pass() -> None:
    queue = DelayQueue()
    stays = put(queue, 40, 20)
    passed = 0
    while (slot := put(queue, passed % 1000)) >= 0:
        queue.schedule(slot, 0)
        assert taken(queue, 0) == [frame(passed % 1000)]
        passed += 1
    assert passed == MOST - 1
    queue.schedule(stays, 0)
    assert taken(queue, 0) == [frame(40, 20)]
    assert put(queue, 0) >= 0


@pytest.mark.parametrize("sizes", [(60, 1514), (60, 65_560), (40_000, 65_560)])
def test_room_given_back_in_any_order_is_used_again(sizes: tuple[int, int]) -> None:
    rng = random.Random(7)
    queue = DelayQueue()
    waiting: list[tuple[int, bytes]] = []
    scheduled: list[bytes] = []
    passed = 0
    for _ in range(6_000):
        at, octets = rng.randrange(1 << 15), rng.randint(*sizes)
        slot = put(queue, at, octets)
        if slot >= 0:
            waiting.append((slot, frame(at, octets)))
        if waiting and (slot < 0 or rng.random() < 0.5):
            slot, octets_of_it = waiting.pop(rng.randrange(min(len(waiting), 5)))
            queue.schedule(slot, 0)
            scheduled.append(octets_of_it)
        if rng.random() < 0.1:
            assert taken(queue, 0) == scheduled
            passed += len(scheduled)
            scheduled.clear()
    assert passed > 1_500
    assert queue.count == len(waiting) + len(scheduled)
