"""The one path on which components start, are introduced, fail and start again (paper section 3.6).

A place is filled from the standbys; who announced itself is introduced to those that it works with;
whoever is lost leaves its place vacant, is accounted for, and the place is filled again, at once or
after the back-off. The same path for a crash, a hang, a corrupt queue and a restart on request. Pure:
decisions come out as actions. What comes in is `testbed.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from neatctl.core.control import children as c
from neatctl.core.control import scaling
from neatctl.core.control.actions import (
    Action,
    HandDevice,
    Happened,
    RemoveDoorbell,
    Signal,
    Spawn,
    SpawnApplication,
    Tell,
)
from neatctl.core.control.children import SPECIFICATIONS, Child, Place
from neatctl.core.control.events import Event
from neatctl.core.control.liveness import Watch
from neatctl.core.control.messages import Assign, Message, Replica, Replicas, Stop
from neatctl.core.control.queues import QueuePairs, doorbell_path
from neatctl.core.control.restart import RestartPolicy

SPAWN_LIMIT_US = 15_000_000
"""A fresh process must have announced itself as standby."""
ASSIGN_LIMIT_US = 10_000_000
"""A standby must have become what it was told to be."""
QUIET_US = 1_000_000
"""The next standby is made when nothing recovers, or after so long: it must not take the core from a recovery."""
STOP_LIMIT_US = 500_000
"""A component that was told to stop is killed after this."""
SILENT = ("hung", "spinning")
"""How it is said that a component gave no sign of life."""
KILL = 9

Configure = Callable[[Place], bytes]
"""Makes the encoded configuration of the incarnation that a place is about to get."""


class Lifecycle:
    """Places, children, and what becomes of them."""

    def __init__(
        self, run_directory: str, replicas: int, configure: Configure, now: int, applications: Iterable[str] = ("web",)
    ) -> None:
        self._run_directory = run_directory
        self._configure = configure
        self._started = now
        self._actions: list[Action] = []
        self._numbers = 0
        self._generations: dict[tuple[str, int], int] = {}
        self._standby_policy = RestartPolicy()
        self._spawn_at = now
        self._watch = Watch(now)
        self._stop_by = -1
        self.queues = QueuePairs(run_directory)
        self.children: dict[int, Child] = {}
        self.places: dict[tuple[str, int], Place] = {}
        self.wanted = replicas
        self._device_made = False
        self.ready = False
        """Whether everything has served at least once."""
        self.broken = ""
        """Why the testbed will not come up, while it never was ready."""
        for component in ("driver", "syscall"):
            self._add_place(component, 0)
        for index in scaling.plan_scaling({}, replicas).add:
            self._add_place("replica", index)
        for component in applications:
            self._add_place(component, 0)

    def take(self) -> list[Action]:
        """The actions since the last call, in order."""
        actions, self._actions = self._actions, []
        return actions

    def deadline(self) -> int:
        return self._watch.due if self._stop_by < 0 else min(self._watch.due, self._stop_by)

    @property
    def stopping(self) -> bool:
        return self._stop_by >= 0

    @property
    def stopped(self) -> bool:
        return self.stopping and not self.children

    def replicas(self) -> list[Place]:
        return [place for (component, _), place in sorted(self.places.items()) if component == "replica"]

    def place(self, component: str, index: int) -> Place | None:
        return self.places.get((component, index))

    # ---- starting ----
    def _settle(self, now: int) -> None:
        """Fill places, keep a standby, notice that everything serves."""
        if self.stopping:
            return
        syscall = self.places["syscall", 0]
        for place in sorted(self.places.values(), key=lambda p: (p.spec.order, p.index)):
            if place.state == c.BACKING_OFF and now >= place.retry_at:
                place.state = c.VACANT
            if place.state != c.VACANT or (place.component == "driver" and not self._device_made):
                continue
            if place.spec.order > syscall.spec.order and syscall.state in {c.VACANT, c.STARTING}:
                continue
            self._fill(place, now)
        self._keep_standbys(now)
        if not self.ready and all(place.state == c.SERVING for place in self.places.values()):
            self.ready = True
            self._note("ready", now, "")

    def _fill(self, place: Place, now: int) -> None:
        if place.spec.from_standby:
            child = next((child for child in self.children.values() if child.state == c.STANDBY), None)
            if child is None:
                return
        elif any(child.was is place for child in self.children.values()):
            return  # it holds its ports until it is gone
        else:
            child = self._new_child()
        place.generation += 1
        place.child, child.place = child, place
        place.state = child.state = c.STARTING
        place.fault_at = -1
        place.counters, place.gauges = {}, {}
        child.start_by = now + ASSIGN_LIMIT_US
        if not place.spec.from_standby:
            self._do(SpawnApplication(child.number, place.component, place.index, place.generation))
            return
        if place.component == "driver":
            self._do(HandDevice(child.number))
        self._do(Tell(child.number, Assign(place.component, place.index, place.generation, self._configure(place))))
        self._happened("started" if place.failed_at < 0 else "restarted", place, now)

    def _keep_standbys(self, now: int) -> None:
        spare = sum(child.state in {c.SPAWNED, c.STANDBY} for child in self.children.values())
        needed = sum(place.state == c.VACANT and place.spec.from_standby for place in self.places.values())
        unsettled = any(
            place.state in {c.VACANT, c.STARTING, c.ANNOUNCED} and now - place.failed_at < QUIET_US
            for place in self.places.values()
        )
        if self.ready and not unsettled:
            needed += 1
        if now < self._spawn_at:
            return
        for _ in range(needed - spare):
            child = self._new_child()
            child.start_by = now + SPAWN_LIMIT_US
            self._do(Spawn(child.number))

    def _new_child(self) -> Child:
        self._numbers += 1
        child = self.children[self._numbers] = Child(self._numbers)
        return child

    def _announce(self, place: Place, now: int) -> None:
        """A component of the stack is there: introduce it to those that it works with."""
        place.state = c.ANNOUNCED
        self._happened("announced", place, now)
        driver = self.places["driver", 0]
        if place.component == "replica":
            if driver.alive:
                self._actions += self.queues.connect(driver, place)
                self._tell(place, self.queues.attach(place.index))
        elif place.component == "driver":
            for replica in self.replicas():
                if replica.alive:
                    self._actions += self.queues.connect(driver, replica)
                    self._tell(replica, self.queues.attach(replica.index))
            self._serve(place, now)
        else:
            self._serve(place, now)
        self._tell_all(now)

    def _open(self, place: Place, now: int) -> None:
        place.state = c.SERVING
        self._tell_all(now)
        self._happened("queue_opened", place, now)
        self._serve(place, now)

    def _serve(self, place: Place, now: int) -> None:
        place.state = c.SERVING if place.drain is None else c.DRAINING
        place.served_since = now
        self._happened("serving", place, now)
        place.failed_at = -1

    def _tell_all(self, _now: int) -> None:
        """The desired state to those who act on it."""
        replicas = self.replicas()
        self._tell(self.places["driver", 0], self.queues.wanted(replicas))
        living = [Replica(p.index, p.generation, p.drain is None, self._doorbell(p)) for p in replicas if p.alive]
        self._tell(self.places["syscall", 0], Replicas(living))

    # ---- the one path of failing ----
    def _condemn(self, place: Place, how: str, now: int) -> None:
        """End a component that exists but does not work."""
        child = place.child
        if child is not None:
            silent = how.startswith(SILENT) and child.liveness is not None and child.liveness.beats
            self._kill(child)
            self._lost(place, how, now, child.liveness.last_beat if silent and child.liveness is not None else now)

    def _kill(self, child: Child) -> None:
        child.state = c.DYING
        child.start_by = -1
        self._do(Signal(child.number, KILL))

    def _lost(self, place: Place, how: str, now: int, failed_at: int) -> None:
        """The incarnation of a place is no more; it worked last at `failed_at`, or until a fault was injected."""
        child = place.child
        place.child = None
        if child is not None:
            child.place, child.was = None, place
        if place.spec.from_standby:
            self._do(RemoveDoorbell(self._doorbell(place)))
        if self.stopping:
            return
        was, lost = place.state, place.gauges.get("connections")
        if place.component == "replica":
            self._actions += self.queues.drop(place.index)
        elif place.component == "driver":
            self._actions += self.queues.drop_all()
        place.state = c.VACANT
        if was == c.LEAVING:
            self._remove_place(place)
            self._happened("collected", place, now, pid=child.pid if child else 0)
            return
        self._tell_all(now)
        on_purpose = place.fault_at >= 0
        place.failed_at = place.fault_at if on_purpose else failed_at
        pid = child.pid if child else 0
        lost = (lost or 0) if place.component == "replica" else None
        self._happened("crashed", place, place.failed_at, how, pid=pid, connections_lost=lost)
        self._happened("detected", place, now, how, pid=pid)
        place.restarts += 1
        place.fault_at = -1
        if place.drain is not None:
            self._remove_place(place)
            self._happened("collected", place, now)
            return
        if not self.ready and was == c.STARTING and how.startswith("exit"):
            self.broken = self.broken or f"{place.name} cannot start: {how}"
        served_us = now - place.served_since if was in {c.SERVING, c.DRAINING} else 0
        wait_us = 0 if how == "restarted on request" else place.policy.failed(now, served_us, on_purpose)
        if wait_us:
            place.state = c.BACKING_OFF
            place.retry_at = now + wait_us
            self._happened("backed_off", place, now, f"for {wait_us // 1_000_000} s")
            if not self.ready:
                self.broken = self.broken or f"{place.name} fails again and again: {how}"

    def _collect(self, place: Place, now: int) -> None:
        """A drained replica has no connection left: let it go."""
        place.state = c.LEAVING
        self._actions += self.queues.drop(place.index)
        self._tell_all(now)
        self._tell(place, Stop())
        if place.child is not None:
            place.child.start_by = now + STOP_LIMIT_US

    # ---- small things ----
    def _add_place(self, component: str, index: int) -> None:
        place = Place(component, index, SPECIFICATIONS[component])
        place.generation = self._generations.get((component, index), 0)
        self.places[component, index] = place

    def _remove_place(self, place: Place) -> None:
        """A later place of this name goes on counting, so that no two incarnations are ever the same."""
        self._generations[place.component, place.index] = place.generation
        del self.places[place.component, place.index]

    def _do(self, action: Action) -> None:
        self._actions.append(action)

    def _doorbell(self, place: Place) -> str:
        return doorbell_path(self._run_directory, place.component, place.index, place.generation)

    def _tell(self, place: Place, message: Message) -> None:
        """To whoever has this place and has announced itself (or is told to leave)."""
        if place.child is not None and place.state != c.STARTING:
            self._do(Tell(place.child.number, message))

    def _note(self, event: str, now: int, detail: str) -> None:
        self._do(Happened(Event(event, now - self._started, detail=detail)))

    def _happened(
        self,
        event: str,
        place: Place | None,
        now: int,
        detail: str = "",
        component: str = "",
        pid: int = 0,
        connections_lost: int | None = None,
    ) -> None:
        """Tell the journal; the time since the failure is added while a recovery goes on."""
        if place is None:
            self._do(Happened(Event(event, now - self._started, component=component, pid=pid, detail=detail)))
            return
        since = now - place.failed_at if place.failed_at >= 0 and event != "crashed" else None
        if not pid and place.child is not None:
            pid = place.child.pid
        self._do(
            Happened(
                Event(
                    event,
                    now - self._started,
                    place.component,
                    place.index,
                    place.generation,
                    pid,
                    since,
                    connections_lost,
                    detail,
                )
            )
        )
