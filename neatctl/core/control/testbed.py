"""One testbed as a pure machine: what happened goes in, what the supervisor shall do comes out.

Inputs are methods (spawned, announced, beaten, exited, scale ..) with the time in microseconds;
outputs are the actions that `take` returns; `deadline` and `expire` are its clock. It decides who runs
where, which queues are open, who is restarted when, and it keeps the little state that must outlive a
component; the decisions themselves are in `lifecycle.py`. Knows no process, file or socket.
"""

from __future__ import annotations

from collections.abc import Iterable

from neatctl.core.control import children as c
from neatctl.core.control import scaling
from neatctl.core.control.actions import Signal, Tell
from neatctl.core.control.children import Place
from neatctl.core.control.impairment import parse_impairment
from neatctl.core.control.lifecycle import KILL, STOP_LIMIT_US, Configure, Lifecycle
from neatctl.core.control.liveness import HUNG, SILENCE_US, SPINNING, Liveness, ProcessFacts
from neatctl.core.control.messages import (
    Announce,
    Beat,
    Impair,
    Inject,
    ListenersReady,
    PeerFaulted,
    Snapshot,
    Stop,
)

ACCUSATIONS = 3
"""An incarnation that accuses others more often than this is restarted itself."""
_TERM = 15


class Testbed(Lifecycle):
    """The state of everything that the supervisor looks after."""

    def __init__(
        self, run_directory: str, replicas: int, configure: Configure, now: int, applications: Iterable[str] = ("web",)
    ) -> None:
        super().__init__(run_directory, replicas, configure, now, applications)
        self._accusations: dict[tuple[str, int, int], int] = {}

    # ---- from children ----
    def start(self, now: int) -> None:
        """Begin."""
        self._settle(now)

    def device_made(self, now: int) -> None:
        """The NIC's device is there: a driver may have it."""
        self._device_made = True
        self._settle(now)

    def spawned(self, number: int, pid: int, now: int) -> None:
        """The process of Spawn or SpawnApplication exists."""
        child = self.children[number]
        child.pid = pid
        if child.place is not None:
            self._happened("started" if child.place.failed_at < 0 else "restarted", child.place, now)

    def announced(self, number: int, message: Announce, now: int) -> None:
        """A child said that it is imported (standby), or that it is what it was assigned to be."""
        child = self.children.get(number)
        if child is None or child.state == c.DYING:
            return
        place = child.place
        if message.component == "standby":
            if child.state == c.SPAWNED:
                child.state = c.STANDBY
                child.start_by = -1
                child.liveness = Liveness(now, beats=False)
        elif place is not None and place.state == c.STARTING and _is_of(message, place):
            child.start_by = -1
            child.liveness = Liveness(now, beats=place.spec.from_standby)
            self._announce(place, now)
        self._settle(now)

    def beaten(self, number: int, message: Beat, now: int) -> None:
        """A heartbeat; one of another incarnation than the current is nobody's."""
        child = self.children.get(number)
        place = child.place if child is not None else None
        if child is None or place is None or message.generation != place.generation:
            return
        if child.liveness is not None:
            child.liveness.beat(now)
        place.counters = message.counters
        place.gauges = message.gauges
        if 0 <= place.fault_at < now - SILENCE_US:
            place.fault_at = -1
        draining = place.drain if place.state == c.DRAINING else None
        if draining is not None and draining.count(message.gauges.get("connections", 0), now):
            self._collect(place, now)
            self._settle(now)

    def listeners_ready(self, message: ListenersReady, now: int) -> None:
        """The SYSCALL server has re-created the listeners in an incarnation of a replica."""
        place = self.places.get(("replica", message.replica))
        if place is not None and place.generation == message.generation and place.state == c.ANNOUNCED:
            self._open(place, now)
            self._settle(now)

    def snapshot(self, message: Snapshot) -> None:
        place = self.places.get((message.component, message.index))
        if place is not None and place.generation == message.generation:
            place.snapshot = message.state

    def peer_faulted(self, message: PeerFaulted, now: int) -> None:
        """A component found that another broke a channel's rules: that one is restarted, if it is still the same."""
        accuser = self.places.get((message.component, message.index))
        accused = self.places.get((message.peer, message.peer_index))
        if accuser is None or accuser.generation != message.generation:
            return
        if accused is None:
            self._note("peer_faulted", now, f"{message.peer} {message.peer_index}: {message.reason}, by {accuser.name}")
            return
        if accused.generation != message.peer_generation or accused.child is None:
            return
        self._happened("peer_faulted", accused, now, f"{message.reason}, found by {accuser.name}")
        whose = (accuser.component, accuser.index, accuser.generation)
        self._accusations[whose] = self._accusations.get(whose, 0) + 1
        if self._accusations[whose] > ACCUSATIONS:
            accused = accuser
        self._condemn(accused, f"corrupt queue: {message.reason}", now)
        self._settle(now)

    def listening(self, component: str, index: int, now: int) -> None:
        """An application was seen to answer."""
        place = self.places.get((component, index))
        if place is not None and place.state == c.STARTING and place.child is not None:
            place.child.start_by = -1
            place.child.liveness = Liveness(now, beats=False)
            self._serve(place, now)
            self._settle(now)

    def exited(self, number: int, how: str, now: int) -> None:
        """A process is gone; `how` is for people: `SIGKILL`, `exit 1: ...`."""
        child = self.children.pop(number, None)
        if child is None:
            return
        place = child.place
        if place is not None:
            self._lost(place, how, now, now)
        elif child.state in {c.SPAWNED, c.STANDBY} and not self.stopping:
            wait_us = self._standby_policy.failed(now)
            self._spawn_at = now + wait_us
            self._happened("crashed", None, now, f"a standby: {how}", component="standby", pid=child.pid)
            if not self.ready and child.state == c.SPAWNED:
                self.broken = self.broken or f"a component cannot start: {how}"
        self._settle(now)

    # ---- from /proc ----
    def suspects(self, now: int) -> list[int]:
        """The children of which `examined` needs facts, once `deadline` has come."""
        if now < self._watch.due or self._watch.late(now):
            return []
        return [
            number
            for number, child in self.children.items()
            if child.state != c.DYING and child.liveness is not None and child.liveness.suspect(now)
        ]

    def owes_beats(self, number: int) -> bool:
        """Whether silence of this child means anything."""
        child = self.children.get(number)
        return child is not None and child.liveness is not None and child.liveness.beats

    def examined(self, number: int, facts: ProcessFacts, now: int) -> None:
        child = self.children.get(number)
        if child is None or child.liveness is None or child.state == c.DYING:
            return
        verdict = child.liveness.judge(now, facts)
        if verdict not in {HUNG, SPINNING}:
            return
        what = "hung" if verdict == HUNG else "spinning"
        silent_us = now - child.liveness.last_beat
        how = f"{what}: no beat for {silent_us // 1000} ms" if child.liveness.beats else f"{what}: stopped"
        if child.place is not None:
            self._condemn(child.place, how, now)
        else:
            self._kill(child)
        self._settle(now)

    def expire(self, now: int) -> None:
        """A deadline has come."""
        for child in list(self.children.values()):
            if 0 <= child.start_by <= now and child.state != c.DYING:
                if child.place is not None and child.place.state != c.LEAVING:
                    self._condemn(child.place, "did not announce itself in time", now)
                else:
                    self._kill(child)
        if self.stopping and now >= self._stop_by:
            for child in self.children.values():
                self._do(Signal(child.number, KILL))
            self._stop_by = now + STOP_LIMIT_US
        self._settle(now)

    # ---- from the user ----
    def scale(self, wanted: int, now: int) -> scaling.ScalingPlan:
        """Have so many accepting replicas; ValueError if that cannot be."""
        current = {place.index: place.drain is not None for place in self.replicas() if place.state != c.LEAVING}
        leaving = {place.index: True for place in self.replicas() if place.state == c.LEAVING}
        plan = scaling.plan_scaling(current, wanted)
        taken = set(plan.add) & set(leaving)
        if taken:
            free = (index for index in range(1, scaling.MAX_REPLICAS * 2) if index not in current | leaving)
            plan = scaling.ScalingPlan([next(free) for _ in plan.add], plan.take_back, plan.drain)
        self.wanted = wanted
        self._note("scaled", now, f"{wanted} replicas wanted")
        for index in plan.take_back:
            place = self.places["replica", index]
            place.drain = None
            if place.state == c.DRAINING:
                place.state = c.SERVING
            self._happened("taken_back", place, now)
        for index in plan.add:
            self._add_place("replica", index)
        for index in plan.drain:
            place = self.places["replica", index]
            place.drain = scaling.Drain(now)
            self._happened("draining", place, now)
            if place.state == c.SERVING:
                place.state = c.DRAINING
            elif place.state in {c.VACANT, c.BACKING_OFF}:
                self._remove_place(place)
                self._happened("collected", place, now)
        self._tell_all(now)
        self._settle(now)
        return plan

    def inject(self, component: str, index: int, kind: str, now: int) -> Place:
        """Make a component fail; LookupError if there is no such target, ValueError if it does not take this fault."""
        place = self.places.get((component, index))
        if place is None or place.child is None or place.state in {c.LEAVING, c.STARTING}:
            raise LookupError(f"{component} {index} is not running")
        if kind not in place.spec.faults:
            raise ValueError(f"{component} takes {', '.join(sorted(place.spec.faults))}, not {kind}")
        place.fault_at = now
        self._happened("fault_injected", place, now, kind)
        signal = c.SIGNALS.get(kind)
        self._do(Signal(place.child.number, signal) if signal else Tell(place.child.number, Inject(kind)))
        return place

    def impair(self, frames: str, seed: int, now: int) -> None:
        """The driver does this to frames from now on; ValueError if it cannot. Later incarnations get it with their
        configuration, replicas too."""
        parse_impairment(frames)
        self._note("impaired", now, frames or "nothing any more")
        for (component, _), place in self.places.items():
            if component in ("driver", "replica") and place.child is not None:
                self._do(Tell(place.child.number, Impair(frames, seed)))

    def recover(self, component: str, index: int, now: int) -> Place:
        """Restart a component on purpose; LookupError if there is none."""
        place = self.places.get((component, index))
        if place is None or place.state == c.LEAVING:
            raise LookupError(f"there is no {component} {index}")
        if place.child is not None:
            place.fault_at = now
            self._condemn(place, "restarted on request", now)
        place.retry_at = now
        if place.state == c.BACKING_OFF:
            place.state = c.VACANT
        self._settle(now)
        return place

    def stop(self, now: int) -> None:
        """Take everything down, in reverse order; `stopped` says when."""
        if self.stopping:
            return
        self._note("stopping", now, "")
        self._stop_by = now + STOP_LIMIT_US
        for place in sorted(self.places.values(), key=lambda p: (-p.spec.order, -p.index)):
            place.state = c.LEAVING
            if place.child is not None:
                number = place.child.number
                self._do(Tell(number, Stop()) if place.spec.from_standby else Signal(number, _TERM))
        for child in self.children.values():
            if child.place is None:
                self._do(Signal(child.number, KILL))


def _is_of(message: Announce, place: Place) -> bool:
    return (message.component, message.index, message.generation) == (place.component, place.index, place.generation)
