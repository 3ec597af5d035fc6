"""Plans: the same seed decides the same, and only what is left to it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from neatctl.testbed.scenario.model import Bed, Fault, Load, Phase, Scale, Scenario
from neatctl.testbed.scenario.plan import plan_of

seeds = st.integers(0, 2**63 - 1)


def scenario(seed: int = 1, **tables: Any) -> Scenario:
    return Scenario(schema=1, title="t", seed=seed, testbed=Bed(replicas=4), expect=[], **tables)


def test_steps_come_by_time_and_at_the_same_time_loads_before_faults() -> None:
    steps: dict[str, Any] = {"fault": [Fault(at=1, component="tcp")], "load": [Load(at=1)]}
    steps["scale"] = [Scale(at=0.5, replicas=1)]
    kinds = [(due.at_s, type(due.step)) for due in plan_of(scenario(**steps)).dues]
    assert kinds == [(0.5, Scale), (1, Load), (1, Fault)]


@given(seeds)
def test_jitter_is_the_seeds_and_within_its_bounds(seed: int) -> None:
    faults = [Fault(at=2, jitter_s=0.5, component="tcp"), Fault(at=0.1, jitter_s=0.5, component="driver")]
    first, again = (plan_of(scenario(seed, fault=faults)) for _ in range(2))
    assert first == again
    at = {due.step: due.at_s for due in first.dues}
    assert 1.5 <= at[faults[0]] <= 2.5
    assert 0 <= at[faults[1]] <= 0.6
    more = plan_of(scenario(seed, fault=[*faults, Fault(at=3, jitter_s=1, component="ip")], load=[Load()]))
    assert {due.step: due.at_s for due in more.dues if due.step in faults} == at


def test_every_replica_may_be_chosen() -> None:
    assert {plan_of(scenario(seed)).chosen for seed in range(200)} == {1, 2, 3, 4}


def test_seeds_differ_and_a_phase_has_no_jitter() -> None:
    def times(seed: int) -> list[float]:
        late = Fault(at=2, jitter_s=1, component="tcp")
        return [due.at_s for due in plan_of(scenario(seed, fault=[late], phase=[Phase(at=1, seconds=1)])).dues]

    assert len({tuple(times(seed)) for seed in range(20)}) == 20
    assert all(1.0 in times(seed) for seed in range(20))
