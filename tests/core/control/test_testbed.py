"""The testbed machine in virtual time: starts, failures, scaling and the end, as a transcript."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from neatctl.core.control import messages as m
from neatctl.core.control.liveness import ProcessFacts

from .virtual_world import MS, World


@pytest.fixture
def world() -> World:
    """Three replicas that serve, and a standby."""
    world = World(3)
    world.run(1500)
    assert world.testbed.ready
    return world


def test_everything_comes_up_in_order_and_a_standby_last() -> None:
    world = World(2)
    world.run(1500)
    started = [(event.component, event.index) for event in world.events if event.event == "started"]
    assert started == [("driver", 0), ("syscall", 0), ("replica", 1), ("replica", 2), ("web", 0)]
    assert world.queues() == {1: "open", 2: "open"}
    assert world.replicas_known() == {1: True, 2: True}
    assert world.process("driver", 0).descriptors == 1
    assert [process.role for process in world.processes.values() if process.standby and process.role is None] == [None]
    assert world.names()[-1] == "ready"


def test_a_bad_link_is_told_to_the_driver_and_to_replicas_that_then_send_single_packets(world: World) -> None:
    world.testbed.impair("loss=5%,out:delay=1ms", 7, world.now)
    world.run(200)
    asked = m.Impair("loss=5%,out:delay=1ms", 7)
    told = {(p.role.component, p.role.index) for p in world.processes.values() if p.role and asked in p.told}
    assert told == {("driver", 0), ("replica", 1), ("replica", 2), ("replica", 3)}
    with pytest.raises(ValueError, match="lose"):
        world.testbed.impair("lose=5%", 7, world.now)


def test_replicas_wait_for_the_syscall_server_which_they_greet() -> None:
    world = World(1, assign_ms=30)
    world.run(111)
    syscall = next(event for event in world.events if event.event == "announced" and event.component == "syscall")
    replica = next(event for event in world.events if event.event == "started" and event.component == "replica")
    assert replica.at_us >= syscall.at_us


def test_a_killed_replica_is_replaced_by_the_standby_and_nobody_else_is_touched(world: World) -> None:
    untouched = [("driver", 0), ("syscall", 0), ("replica", 1), ("replica", 3)]
    others = {place: world.process(*place).number for place in untouched}
    old = world.process("replica", 2)
    old.connections = 47
    world.run(200)
    world.kill("replica", 2)
    assert world.queues() == {1: "open", 3: "open"}
    assert world.replicas_known() == {1: True, 3: True}
    world.run(6)
    assert world.queues() == {1: "open", 2: "open", 3: "open"}
    new = world.process("replica", 2)
    assert new.role is not None
    assert new.role.generation == 2
    assert world.testbed.place("replica", 2).restarts == 1  # type: ignore[union-attr]
    assert others == {place: world.process(*place).number for place in others}
    story = [event for event in world.events if (event.component, event.index, event.generation) == ("replica", 2, 2)]
    assert [event.event for event in story] == ["restarted", "announced", "queue_opened", "serving"]
    assert [event.since_failure_us for event in story] == [0, 5 * MS, 5 * MS, 5 * MS]
    crash = next(event for event in world.events if event.event == "crashed")
    assert (crash.connections_lost, crash.detail, crash.pid) == (47, "SIGKILL", old.pid)


def test_a_queue_stays_closed_until_the_listeners_are_there(world: World) -> None:
    world.kill("syscall", 0)
    world.kill("replica", 1)
    world.run(40)
    assert world.queues().get(1, "closed") == "closed"
    world.run(300)
    assert world.queues()[1] == "open"


def test_a_new_standby_waits_until_the_recovery_is_over(world: World) -> None:
    world.kill("replica", 1)
    world.run(4)
    assert not any(process.role is None and process.standby for process in world.processes.values())
    world.run(300)
    assert sum(process.role is None and process.standby for process in world.processes.values()) == 1


def test_a_reborn_driver_gets_the_device_and_fresh_queues_and_every_replica_is_attached_again(world: World) -> None:
    before = dict(world.channels)
    world.kill("driver", 0)
    assert not world.channels
    world.run(10)
    assert world.process("driver", 0).descriptors == 1
    assert len(world.channels) == 6
    assert not set(before) & set(world.channels)
    assert world.queues() == {1: "open", 2: "open", 3: "open"}
    for index in (1, 2, 3):
        attached = [message for message in world.process("replica", index).told if isinstance(message, m.Attach)]
        assert [message.driver_generation for message in attached] == [1, 2]
        assert attached[-1].to_replica in world.channels


def test_a_reborn_syscall_server_starts_with_the_last_snapshot(world: World) -> None:
    configured = []
    world.testbed._configure = lambda place: configured.append(place.snapshot) or b""  # type: ignore[func-returns-value]
    world.testbed.snapshot(m.Snapshot("syscall", 0, 1, b"listeners"))
    world.testbed.snapshot(m.Snapshot("syscall", 0, 0, b"of an older one"))
    world.kill("syscall", 0)
    world.run(10)
    assert configured == [b"listeners"]
    assert world.replicas_known() == {1: True, 2: True, 3: True}


def test_driver_and_replica_at_once_come_back(world: World) -> None:
    world.kill("driver", 0)
    world.kill("replica", 3)
    world.run(400)
    assert world.queues() == {1: "open", 2: "open", 3: "open"}


def test_a_stopped_replica_is_found_within_700_ms_and_replaced(world: World) -> None:
    stopped_at = world.now
    world.process("replica", 2).silent = True
    world.run(720)
    detected = next(event for event in world.events if event.event == "detected")
    assert "hung" in detected.detail
    assert detected.at_us - stopped_at <= 700 * MS
    assert world.process("replica", 2).role.generation == 2  # type: ignore[union-attr]
    assert world.queues()[2] == "open"


@pytest.mark.parametrize("component", ["driver", "syscall", "web"])
def test_other_stopped_components_are_replaced_too(world: World, component: str) -> None:
    world.process(component, 0).silent = True
    world.run(1000)
    assert world.names(component)[-1] == "serving"
    assert "crashed" in world.names(component)


def test_a_stopped_standby_is_replaced(world: World) -> None:
    standby = next(process for process in world.processes.values() if process.standby and process.role is None)
    standby.silent = True
    world.run(1000)
    assert standby.number not in world.processes
    world.kill("replica", 1)
    world.run(100)
    assert world.queues()[1] == "open"


def test_starvation_restarts_nobody(world: World) -> None:
    place = world.testbed.place("replica", 1)
    assert place is not None
    assert place.child is not None
    for at in range(1, 100):
        world.testbed.examined(place.child.number, ProcessFacts("R", True, 0), world.now + at * 100 * MS)
    assert "crashed" not in world.names()


def test_a_crash_loop_backs_off_while_the_others_serve(world: World) -> None:
    for _ in range(6):
        world.kill("replica", 2)
        world.run(150)
    assert world.names("replica", 2)[-1] == "backed_off"
    assert world.queues() == {1: "open", 3: "open"}
    world.run(800)
    assert world.queues() == {1: "open", 3: "open"}
    world.run(200)
    assert world.queues() == {1: "open", 2: "open", 3: "open"}


def test_injected_faults_with_pauses_do_not_back_off(world: World) -> None:
    for _ in range(20):
        world.testbed.inject("replica", 2, "kill", world.now)
        world._carry_out()
        world.run(1200)
        assert world.queues()[2] == "open"
    assert "backed_off" not in world.names()


def test_recover_restarts_on_purpose_and_never_backs_off(world: World) -> None:
    for _ in range(8):
        generation = world.testbed.place("replica", 1).generation  # type: ignore[union-attr]
        world.testbed.recover("replica", 1, world.now)
        world._carry_out()
        world.run(150)
        assert world.testbed.place("replica", 1).generation == generation + 1  # type: ignore[union-attr]
        assert world.queues()[1] == "open"


def test_an_application_is_started_again_when_the_old_one_is_gone(world: World) -> None:
    world.testbed.recover("web", 0, world.now)
    world._carry_out()
    world.run(200)
    assert world.names("web")[-3:] == ["detected", "restarted", "serving"]


def test_recover_ends_a_back_off(world: World) -> None:
    for _ in range(6):
        world.kill("replica", 2)
        world.run(150)
    world.testbed.recover("replica", 2, world.now)
    world._carry_out()
    world.run(150)
    assert world.queues()[2] == "open"


@pytest.mark.parametrize(
    ("component", "index", "kind", "error"),
    [
        ("replica", 9, "kill", LookupError),
        ("replica", 0, "kill", LookupError),
        ("driver", 1, "kill", LookupError),
        ("web", 0, "exception", ValueError),
        ("replica", 1, "magic", ValueError),
    ],
)
def test_a_fault_without_a_target_changes_nothing(
    world: World, component: str, index: int, kind: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.testbed.inject(component, index, kind, world.now)
    assert world.testbed.take() == []


def test_scaling_up_serves_at_once_and_leaves_the_others(world: World) -> None:
    old = [world.process("replica", index).number for index in (1, 2, 3)]
    world.testbed.scale(5, world.now)
    world._carry_out()
    world.run(300)
    assert world.queues() == dict.fromkeys(range(1, 6), "open")
    assert old == [world.process("replica", index).number for index in (1, 2, 3)]


def test_scaling_down_drains_and_lets_go_at_zero_connections(world: World) -> None:
    busy = world.process("replica", 3)
    busy.connections = 2
    world.run(200)
    world.testbed.scale(1, world.now)
    world._carry_out()
    assert world.queues() == {1: "open", 2: "draining", 3: "draining"}
    assert world.replicas_known() == {1: True, 2: False, 3: False}
    world.run(1000)
    assert world.queues() == {1: "open", 3: "draining"}
    assert busy.number in world.processes
    busy.connections = 0
    world.run(300)
    assert world.queues() == {1: "open"}
    assert busy.number not in world.processes
    assert "crashed" not in world.names()


def test_a_replica_that_comes_back_by_scaling_is_a_new_incarnation(world: World) -> None:
    world.testbed.scale(2, world.now)
    world._carry_out()
    world.run(1000)
    assert world.testbed.place("replica", 3) is None
    world.testbed.scale(3, world.now)
    world._carry_out()
    world.run(300)
    assert world.testbed.place("replica", 3).generation == 2  # type: ignore[union-attr]
    assert world.names("replica", 3)[-4:] == ["started", "announced", "queue_opened", "serving"]


def test_scaling_up_cancels_a_drain(world: World) -> None:
    for index in (2, 3):
        world.process("replica", index).connections = 1
    world.run(200)
    world.testbed.scale(1, world.now)
    world._carry_out()
    world.run(500)
    world.testbed.scale(2, world.now)
    world._carry_out()
    assert world.queues() == {1: "open", 2: "open", 3: "draining"}
    assert world.replicas_known() == {1: True, 2: True, 3: False}


def test_a_draining_replica_that_dies_is_not_replaced(world: World) -> None:
    world.process("replica", 3).connections = 1
    world.run(200)
    world.testbed.scale(2, world.now)
    world._carry_out()
    world.kill("replica", 3)
    world.run(300)
    assert world.queues() == {1: "open", 2: "open"}
    assert world.testbed.place("replica", 3) is None


def test_a_replica_that_backs_off_goes_at_once_when_it_is_not_wanted(world: World) -> None:
    for _ in range(6):
        world.kill("replica", 3)
        world.run(150)
    world.testbed.scale(2, world.now)
    world._carry_out()
    assert world.testbed.place("replica", 3) is None
    world.run(2000)
    assert world.queues() == {1: "open", 2: "open"}


def test_a_beat_of_another_incarnation_is_nobodys(world: World) -> None:
    place = world.testbed.place("replica", 1)
    assert place is not None
    assert place.child is not None
    world.testbed.beaten(place.child.number, m.Beat("replica", 1, 7, 1, {"ip_sent": 9}, {}), world.now)
    assert "ip_sent" not in place.counters


def test_a_corrupt_queue_restarts_who_is_accused(world: World) -> None:
    world.testbed.peer_faulted(m.PeerFaulted("driver", 0, 1, "replica", 2, 1, "length"), world.now)
    world._carry_out()
    world.run(100)
    assert world.testbed.place("replica", 2).generation == 2  # type: ignore[union-attr]
    world.testbed.peer_faulted(m.PeerFaulted("driver", 0, 1, "replica", 2, 1, "length"), world.now)
    world._carry_out()
    assert world.testbed.place("replica", 2).generation == 2  # type: ignore[union-attr]


def test_an_incarnation_that_accuses_too_often_is_restarted_itself(world: World) -> None:
    for index, generation in ((1, 1), (2, 1), (3, 1), (1, 2)):
        accusation = m.PeerFaulted("driver", 0, 1, "replica", index, generation, "index")
        world.testbed.peer_faulted(accusation, world.now)
        world._carry_out()
        world.run(200)
    generations = {place.name: place.generation for place in world.testbed.places.values()}
    assert generations["driver"] == 2
    assert [generations[f"replica {index}"] for index in (1, 2, 3)] == [2, 2, 2], "three were believed"


def test_a_component_that_cannot_start_breaks_the_start_instead_of_looping() -> None:
    world = World(1)
    world.doomed.add("syscall")
    world.run(500)
    assert "syscall cannot start: exit 1: no luck" in world.testbed.broken


def test_the_end_leaves_no_process(world: World) -> None:
    world.testbed.stop(world.now)
    world._carry_out()
    world.run(100)
    assert world.testbed.stopped
    assert not world.processes


def test_who_does_not_stop_is_killed(world: World) -> None:
    world.process("replica", 1).silent = True
    world.testbed.stop(world.now)
    world._carry_out()
    world.run(400)
    assert not world.testbed.stopped
    world.run(300)
    assert world.testbed.stopped


class Chaos(RuleBasedStateMachine):
    """Whatever fails and whatever is scaled, in any order: in the end everything wanted serves."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(2)
        self.world.run(1000)

    @rule(place=st.sampled_from([("driver", 0), ("syscall", 0), ("web", 0)] + [("replica", i) for i in (1, 2, 3)]))
    def kill(self, place: tuple[str, int]) -> None:
        known = self.world.testbed.place(*place)
        if known is not None and known.child is not None:
            self.world.kill(*place)

    @rule(index=st.integers(1, 4))
    def stop(self, index: int) -> None:
        known = self.world.testbed.place("replica", index)
        if known is not None and known.child is not None:
            self.world.process("replica", index).silent = True

    @precondition(lambda self: any(p.standby and p.role is None for p in self.world.processes.values()))
    @rule()
    def kill_a_standby(self) -> None:
        self.world.end(next(p.number for p in self.world.processes.values() if p.standby and p.role is None))

    @rule(wanted=st.integers(1, 4))
    def scale(self, wanted: int) -> None:
        self.world.testbed.scale(wanted, self.world.now)
        self.world._carry_out()

    @rule(ms=st.integers(1, 900))
    def wait(self, ms: int) -> None:
        self.world.run(ms)

    @invariant()
    def at_most_one_process_more_than_places(self) -> None:
        spare = [p for p in self.world.processes.values() if p.standby and p.role is None and not p.silent]
        assert len(spare) <= 8

    def teardown(self) -> None:
        self.world.run(60_000)
        wanted = self.world.testbed.wanted
        replicas = self.world.testbed.replicas()
        assert sum(place.state == "serving" for place in replicas) == wanted
        assert self.world.queues() == {place.index: "open" for place in replicas}
        assert self.world.testbed.place("web", 0).state == "serving"  # type: ignore[union-attr]


Chaos.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
TestChaos = Chaos.TestCase
