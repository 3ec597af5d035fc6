"""What replicas and the driver lost during a run, from their status before and after."""

from __future__ import annotations

from collections.abc import Mapping

from neatctl.core.control.events import Event
from neatctl.core.control.status import Row, Status
from neatctl.testbed.bench.losses import Look, driver_losses, notes, replica_runs


def row(component: str, index: int, counters: Mapping[str, int], generation: int = 1) -> Row:
    return Row(component, index, 100, "serving", generation, 0, 0, 0, 0.0, 0, 0, dict(counters), {})


def look(*rows: Row, events: tuple[Event, ...] = (), state: str = "serving") -> Look:
    status = Status(1, "t", state, True, "ring", "ipc", "10.77.0.2/24", "10.77.0.1", "", 0, 1, list(rows))
    return Look(status, 0, events)


BEFORE = {"tcp_accepted": 10, "ip_received": 100, "ip_sent": 90, "tcp_retransmits": 5, "tcp_drop_checksum": 1}
AFTER = {"tcp_accepted": 30, "ip_received": 150, "ip_sent": 130, "tcp_retransmits": 8, "tcp_drop_checksum": 1,
         "tcp_queue_full": 9}  # fmt: skip


def test_only_what_rose_is_told_and_only_what_tells_of_loss() -> None:
    (seen,) = replica_runs(look(row("replica", 1, BEFORE)), look(row("replica", 1, AFTER)))
    assert (seen.connections_accepted, seen.packets_in, seen.packets_out) == (20, 50, 40)
    assert seen.losses == {"tcp_retransmits": 3}


def test_a_new_incarnation_begins_at_0_and_its_dead_are_counted() -> None:
    crash = Event("crashed", 5, "replica", 1, connections_lost=17)
    other = Event("crashed", 5, "replica", 2, connections_lost=99)
    after = look(row("replica", 1, {"tcp_accepted": 4, "tcp_retransmits": 1}, 2), events=(crash, other))
    (seen,) = replica_runs(look(row("replica", 1, BEFORE)), after)
    assert (seen.generation_before, seen.generation_after) == (1, 2)
    assert (seen.connections_accepted, seen.connections_lost) == (4, 17)
    assert seen.losses == {"tcp_retransmits": 1}
    assert "replica 1 crashed" in notes(look(), after)


def test_replicas_that_come_and_go_have_a_record() -> None:
    seen = replica_runs(look(row("replica", 1, BEFORE)), look(row("replica", 2, AFTER)))
    assert [(each.index, each.generation_before, each.generation_after) for each in seen] == [(1, 1, 0), (2, 0, 1)]
    assert seen[0].packets_in == 0
    assert seen[1].packets_in == 150


def test_the_driver_and_a_testbed_that_is_not_well() -> None:
    before = look(row("driver", 0, {"queue_full": 1, "rx_frames": 5}), state="degraded")
    after = look(row("driver", 0, {"queue_full": 4, "rx_frames": 50, "drop_runt": 2}))
    assert driver_losses(before, after) == {"queue_full": 3, "drop_runt": 2}
    assert driver_losses(before, look()) == {}
    assert notes(before, after) == ["the testbed was degraded before the run"]
