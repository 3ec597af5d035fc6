"""Hang, spin or starvation: what silence means is decided by facts."""

from __future__ import annotations

import pytest

from neatctl.core.control.liveness import HUNG, SPINNING, WAIT, WELL, Liveness, ProcessFacts, Watch

MS = 1000


def rounds(liveness: Liveness, facts: list[ProcessFacts], start_ms: int = 200, step_ms: int = 100) -> list[int]:
    """One examination each 100 ms."""
    return [liveness.judge((start_ms + i * step_ms) * MS, seen) for i, seen in enumerate(facts)]


def test_no_facts_are_needed_while_beats_come() -> None:
    liveness = Liveness(0, beats=True)
    for at in range(0, 5000, 100):
        liveness.beat(at * MS)
        assert not liveness.suspect((at + 100) * MS)


def test_a_stopped_component_is_hung_after_500_ms_of_silence_and_not_before() -> None:
    liveness = Liveness(0, beats=True)
    stopped = ProcessFacts("T", False, 0)
    assert rounds(liveness, [stopped] * 4) == [WAIT, WAIT, WAIT, HUNG]


def test_a_component_that_sleeps_though_its_beat_is_due_is_hung() -> None:
    liveness = Liveness(0, beats=True)
    assert rounds(liveness, [ProcessFacts("S", False, 70 * MS)] * 4)[-1] == HUNG


def test_a_component_that_uses_a_core_without_a_beat_spins() -> None:
    liveness = Liveness(0, beats=True)
    facts = [ProcessFacts("R", True, cpu * MS) for cpu in (0, 100, 200, 300)]
    assert rounds(liveness, facts) == [WAIT, WAIT, WAIT, SPINNING]


def test_a_component_without_a_core_is_waited_for_as_long_as_it_takes() -> None:
    liveness = Liveness(0, beats=True)
    starved = ProcessFacts("R", True, 10 * MS)
    assert set(rounds(liveness, [starved] * 600)) == {WAIT}


def test_a_component_that_had_a_little_of_a_core_is_not_taken_for_spinning() -> None:
    liveness = Liveness(0, beats=True)
    facts = [ProcessFacts("R", True, i * 20 * MS) for i in range(8)]
    assert set(rounds(liveness, facts)) == {WAIT}


def test_a_component_that_sleeps_just_after_it_ran_gets_one_more_round_for_its_beat() -> None:
    liveness = Liveness(0, beats=True)
    facts = [ProcessFacts("R", True, 0)] * 3 + [ProcessFacts("S", False, 10 * MS), ProcessFacts("S", False, 10 * MS)]
    assert rounds(liveness, facts) == [WAIT, WAIT, WAIT, WAIT, HUNG]


def test_another_runnable_thread_excuses_a_sleeping_main_thread() -> None:
    liveness = Liveness(0, beats=True)
    assert set(rounds(liveness, [ProcessFacts("S", True, 0)] * 20)) == {WAIT}


def test_waiting_for_the_disk_is_excused_for_five_seconds() -> None:
    liveness = Liveness(0, beats=True)
    verdicts = rounds(liveness, [ProcessFacts("D", False, 0)] * 50)
    assert verdicts[:48] == [WAIT] * 48
    assert verdicts[48] == HUNG


def test_a_beat_ends_all_suspicion() -> None:
    liveness = Liveness(0, beats=True)
    rounds(liveness, [ProcessFacts("R", True, cpu * MS) for cpu in (0, 90, 180)])
    liveness.beat(450 * MS)
    facts = [ProcessFacts("R", True, cpu * MS) for cpu in (200, 210, 220, 230)]
    assert rounds(liveness, facts, 650) == [WAIT, WAIT, WAIT, WAIT]


@pytest.mark.parametrize("state", "RSD")
def test_who_owes_no_beats_is_well_unless_stopped(state: str) -> None:
    liveness = Liveness(0, beats=False)
    assert liveness.suspect(10_000 * MS)
    assert liveness.judge(10_000 * MS, ProcessFacts(state, False, 0)) == WELL


def test_who_owes_no_beats_is_hung_when_stopped_for_500_ms() -> None:
    liveness = Liveness(0, beats=False)
    stopped, runs = ProcessFacts("T", False, 0), ProcessFacts("S", False, 0)
    assert rounds(liveness, [runs, stopped, stopped, runs], 10_000) == [WELL, WAIT, WAIT, WELL]
    assert rounds(liveness, [stopped] * 6, 20_000) == [WAIT] * 5 + [HUNG]


def test_a_round_that_comes_late_judges_nobody() -> None:
    watch = Watch(0)
    assert watch.due == 100 * MS
    assert not watch.late(120 * MS)
    assert not watch.late(300 * MS)
    assert watch.late(700 * MS)
    assert not watch.late(801 * MS)
