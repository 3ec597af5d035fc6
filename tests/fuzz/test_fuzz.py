"""The fuzz targets with plain mutation of good octets: bounded, by seeds, the same in every run."""

from __future__ import annotations

import random

import pytest

from tests.core.ip.frames import LOCAL, PEER, ethernet, icmp, ipv4
from tests.fuzz import targets
from tests.fuzz.seeds import FRAMES4, FRAMES6, SEEDS, SYN
from tests.fuzz.sound import check, seal

ROUNDS = {"segment": 5000, "options4": 5000, "nic": 5000, "frames": 2000, "discovery": 2000, "fragments": 5000}


@pytest.mark.parametrize("name", SEEDS)
def test_good_octets_pass(name: str) -> None:
    for seed in SEEDS[name]:
        targets.TARGETS[name](seed)


@pytest.mark.parametrize("name", ROUNDS)
def test_nothing_confuses(name: str) -> None:
    rng = random.Random(name)
    for _ in range(ROUNDS[name]):
        octets = targets.mutate(rng.choice(SEEDS[name]), rng)
        for _ in range(rng.randrange(3)):
            octets += targets.mutate(rng.choice(SEEDS[name]), rng)
        targets.TARGETS[name](octets)


def test_no_spoiled_segment_confuses_a_connection() -> None:
    rng = random.Random(3)
    for script in rng.sample(list(targets.scripts()), 120):
        targets.life(script, rng)


def test_the_judge_sees_what_is_wrong() -> None:
    """What `check` lets pass is right, and `seal` makes it so."""
    good = [ethernet(ipv4(SYN, 6)), ethernet(ipv4(icmp(8, 0, bytes(8)), 1)), *FRAMES4[4:6], *FRAMES6[:4]]
    for each in (seal(frame) for frame in good):
        source = each[26:30] if each[12:14] == b"\x08\x00" else each[22:38]
        if each[14] == 0x45 or each[20] in {6, 58}:
            check(each, frozenset({source}))
            for spoiled in (each[:-1], each[:-1] + bytes((each[-1] ^ 1,)), each + b"x"):
                with pytest.raises(AssertionError):
                    check(spoiled, frozenset({source}))
            with pytest.raises(AssertionError):
                check(each, frozenset({LOCAL, PEER} - {source}))
