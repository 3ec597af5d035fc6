"""The queue pairs between the driver and the replicas: their files, and the state that each shall have.

A pair belongs to one incarnation of each end; when either is gone the pair is dropped, and a new one
is made for the successor. The whole desired state goes to the driver each time (`Queues`). Pure: file
names are made here, files elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neatctl.core.control.actions import Action, MakeChannel, RemoveChannel
from neatctl.core.control.children import DRAINING, SERVING, Place
from neatctl.core.control.messages import Attach, Queue, Queues

OPEN = "open"
CLOSED = "closed"


def doorbell_path(run_directory: str, component: str, index: int, generation: int) -> str:
    """Where a process incarnation has its doorbell (ARCHITECTURE.md, Processes)."""
    return f"{run_directory}/bells/{component}.{index}.{generation}"


@dataclass(frozen=True, slots=True)
class QueuePair:
    """The two channels between one incarnation of the driver and one of a replica."""

    driver_generation: int
    replica: int
    generation: int
    to_replica: str
    to_driver: str


class QueuePairs:
    """All queue pairs of one NIC."""

    def __init__(self, run_directory: str, nic: int = 0) -> None:
        self._run_directory = run_directory
        self._nic = nic
        self.pairs: dict[int, QueuePair] = {}
        """By replica."""

    def connect(self, driver: Place, replica: Place) -> list[Action]:
        """Make the pair for these two incarnations; its channels carry the replica's generation."""
        actions = self.drop(replica.index)
        stem = f"{self._run_directory}/rings/nic{self._nic}.{driver.generation}-{replica.index}.{replica.generation}"
        pair = QueuePair(driver.generation, replica.index, replica.generation, f"{stem}.rx", f"{stem}.tx")
        self.pairs[replica.index] = pair
        actions.append(MakeChannel(pair.to_replica, pair.generation))
        actions.append(MakeChannel(pair.to_driver, pair.generation))
        return actions

    def drop(self, replica: int) -> list[Action]:
        """Forget the pair of a replica."""
        pair = self.pairs.pop(replica, None)
        return [] if pair is None else [RemoveChannel(pair.to_replica), RemoveChannel(pair.to_driver)]

    def drop_all(self) -> list[Action]:
        """Forget all pairs: the driver is gone."""
        return [action for replica in list(self.pairs) for action in self.drop(replica)]

    def attach(self, replica: int) -> Attach:
        """What a replica must know of its pair."""
        pair = self.pairs[replica]
        bell = doorbell_path(self._run_directory, "driver", self._nic, pair.driver_generation)
        return Attach(self._nic, pair.driver_generation, pair.to_replica, pair.to_driver, bell)

    def wanted(self, replicas: Iterable[Place]) -> Queues:
        """What the driver must have now: a pair stays closed until its replica serves."""
        queues = []
        for place in replicas:
            pair = self.pairs.get(place.index)
            if pair is None or pair.generation != place.generation or not place.alive:
                continue
            state = OPEN if place.state == SERVING else DRAINING if place.state == DRAINING else CLOSED
            bell = doorbell_path(self._run_directory, "replica", place.index, place.generation)
            queues.append(Queue(place.index, place.generation, state, pair.to_replica, pair.to_driver, bell))
        return Queues(queues)
