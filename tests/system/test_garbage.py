"""Garbage into a running testbed: every frame is accounted for, nobody dies, no memory is kept, clients are served."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.system.testbed import TestbedStarter

pytestmark = [pytest.mark.system, pytest.mark.tap]
FRAMES = 100_000
KEPT_OCTETS = 4 << 20


def rows_of(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in status["processes"] if row["component"] in {"driver", "replica"}]


def test_garbage_is_counted_and_does_no_harm(start_testbed: TestbedStarter) -> None:
    testbed = start_testbed(2)
    assert len(testbed.fetch()) == 20
    sender = [sys.executable, "-m", "tests.system.garbage_sender"]
    # Once to grow what grows with the first garbage (half-open connections, caches), once to see that it stays.
    testbed.client(*sender, str(FRAMES), "1")
    before = testbed.status()
    sent = json.loads(testbed.client(*sender, str(FRAMES), "2").stdout)
    assert len(testbed.fetch()) == 20
    after = testbed.status()
    old, new = rows_of(before), rows_of(after)
    assert [(row["pid"], row["restarts"]) for row in new] == [(row["pid"], 0) for row in old]
    received, dropped = (
        sum(new[0]["counters"][name] - old[0]["counters"][name] for name in names)
        for names in (["rx_frames"], [name for name in new[0]["counters"] if name.startswith("drop_")])
    )
    assert received + sent["no_room"] >= FRAMES
    assert sent["no_room"] < FRAMES // 2
    assert FRAMES // 10 < dropped < received
    for then, now in zip(old, new):
        assert now["memory_octets"] - then["memory_octets"] < KEPT_OCTETS, now["component"]
