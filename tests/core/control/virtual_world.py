"""A world in virtual time for the testbed machine: processes that start, announce themselves, beat and die as told.

It stands for the kernel and for what the children do; every decision is the machine's. It also checks,
after each step, what must never happen (`check`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neatctl.core.control import actions as a
from neatctl.core.control import messages as m
from neatctl.core.control import testbed as machine
from neatctl.core.control.events import Event
from neatctl.core.control.liveness import ProcessFacts

MS = 1000
SLEEPING = ProcessFacts("S", False, 0)


@dataclass
class Process:
    number: int
    pid: int
    standby: bool
    role: m.Assign | None = None
    announced: bool = False
    told: list[m.Message] = field(default_factory=list)
    descriptors: int = 0
    silent: bool = False
    """Stopped: it neither beats nor acts."""
    connections: int = 0


class World:
    """Drives one machine. `spawn_ms` is what a start takes, `assign_ms` what becoming something takes."""

    def __init__(self, replicas: int = 3, spawn_ms: int = 80, assign_ms: int = 5) -> None:
        self.now = 0
        self.spawn_ms = spawn_ms
        self.assign_ms = assign_ms
        self.testbed = machine.Testbed("/run/t", replicas, lambda place: f"{place.name}".encode(), 0)
        self.processes: dict[int, Process] = {}
        self.channels: dict[str, int] = {}
        self.events: list[Event] = []
        self._due: list[tuple[int, int, str, int]] = []
        self._serial = 0
        self.doomed: set[str] = set()
        """Components that exit as soon as they are assigned."""
        self.testbed.start(0)
        self.testbed.device_made(0)
        self._carry_out()

    # ---- time ----
    def run(self, ms: int) -> None:
        """Let so much time pass."""
        end = self.now + ms * MS
        beat_at = self.now + 100 * MS
        while True:
            due = min([at for at, *_ in self._due] + [self.testbed.deadline(), beat_at])
            if due > end:
                break
            self.now = max(due, self.now)
            for item in sorted(item for item in self._due if item[0] <= self.now):
                if item in self._due:
                    self._due.remove(item)
                    self._happen(item[2], item[3])
            if self.now >= beat_at:
                beat_at += 100 * MS
                self._beat_all()
            if self.now >= self.testbed.deadline():
                for number in self.testbed.suspects(self.now):
                    state = "T" if self.processes[number].silent else "S"
                    self.testbed.examined(number, ProcessFacts(state, False, 0), self.now)
                self.testbed.expire(self.now)
            self._carry_out()
        self.now = end

    def _later(self, ms: int, what: str, number: int) -> None:
        self._serial += 1
        self._due.append((self.now + ms * MS, self._serial, what, number))

    # ---- what processes do ----
    def _happen(self, what: str, number: int) -> None:
        process = self.processes.get(number)
        if process is None or (process.silent and what != "exit"):
            return
        if what == "standby":
            self.testbed.announced(number, m.Announce("standby", number, 0, process.pid), self.now)
        elif what == "listening":
            self.testbed.listening("web", 0, self.now)
        elif what in {"exit", "stop"}:
            self.end(number, "exit 0")
        elif what == "announce" and process.role is not None:
            role = process.role
            if role.component in self.doomed:
                self.end(number, "exit 1: no luck")
                return
            process.announced = True
            announce = m.Announce(role.component, role.index, role.generation, process.pid)
            self.testbed.announced(number, announce, self.now)
        self._carry_out()

    def _beat_all(self) -> None:
        for process in list(self.processes.values()):
            role = process.role
            if role is not None and process.announced and not process.silent:
                gauges = {"connections": process.connections}
                self.testbed.beaten(
                    process.number, m.Beat(role.component, role.index, role.generation, 1, {}, gauges), self.now
                )
                self._carry_out()

    def end(self, number: int, how: str = "SIGKILL") -> None:
        """The process exits."""
        del self.processes[number]
        self.testbed.exited(number, how, self.now)
        self._carry_out()

    # ---- looking ----
    def process(self, component: str, index: int) -> Process:
        """The process that has this place."""
        place = self.testbed.place(component, index)
        assert place is not None
        assert place.child is not None
        return self.processes[place.child.number]

    def kill(self, component: str, index: int) -> None:
        self.end(self.process(component, index).number)

    def queues(self) -> dict[int, str]:
        """What the driver was told last: replica -> state."""
        told = [message for message in self.process("driver", 0).told if isinstance(message, m.Queues)]
        return {queue.replica: queue.state for queue in told[-1].queues}

    def replicas_known(self) -> dict[int, bool]:
        """What the SYSCALL server was told last: replica -> accepting."""
        told = [message for message in self.process("syscall", 0).told if isinstance(message, m.Replicas)]
        return {replica.replica: replica.accepting for replica in told[-1].replicas}

    def names(self, component: str = "", index: int = -1) -> list[str]:
        """The events so far, of one component or place if given."""
        return [
            event.event
            for event in self.events
            if (not component or event.component == component) and index in {-1, event.index}
        ]

    # ---- the supervisor's part ----
    def _carry_out(self) -> None:
        while todo := self.testbed.take():
            for action in todo:
                self._one(action)
        self.check()

    def _one(self, action: a.Action) -> None:
        match action:
            case a.Spawn(number) | a.SpawnApplication(number):
                standby = isinstance(action, a.Spawn)
                if not standby:
                    assert all(process.standby for process in self.processes.values()), "two of one application"
                process = self.processes[number] = Process(number, 1000 + number, standby)
                self.testbed.spawned(number, process.pid, self.now)
                self._later(self.spawn_ms, "standby" if standby else "listening", number)
            case a.Tell(number, message):
                process = self.processes[number]
                process.told.append(message)
                if isinstance(message, m.Assign):
                    assert process.role is None, "a process becomes something once"
                    process.role = message
                    self._later(self.assign_ms, "announce", number)
                elif isinstance(message, m.Stop):
                    self._later(1, "stop", number)
                elif isinstance(message, m.Replicas):
                    for replica in message.replicas:
                        ready = m.ListenersReady(replica.replica, replica.generation)
                        self.testbed.listeners_ready(ready, self.now)
            case a.HandDevice(number):
                self.processes[number].descriptors += 1
            case a.Signal(number, signal):
                if number in self.processes:
                    if signal == 19:
                        self.processes[number].silent = True
                    else:
                        self._later(0, "exit", number)
            case a.MakeChannel(path, generation):
                assert path not in self.channels, f"{path} is there already"
                self.channels[path] = generation
            case a.RemoveChannel(path):
                del self.channels[path]
            case a.Happened(event):
                self.events.append(event)
            case _:
                pass

    def check(self) -> None:
        """What holds at any time: channels are those of living pairs, and a queue is open only for who serves."""
        pairs = self.testbed.queues.pairs.values()
        assert set(self.channels) == {path for pair in pairs for path in (pair.to_replica, pair.to_driver)}
        driver = self.testbed.place("driver", 0)
        assert driver is not None
        for pair in pairs:
            place = self.testbed.place("replica", pair.replica)
            assert place is not None
            assert (pair.driver_generation, pair.generation) == (driver.generation, place.generation)
