"""Answers the command line: the ROUTER socket `command` of the supervisor.

A verb changes the testbed or reads it; one that waits (`scale --wait`, `recover`) is answered when its
condition holds or its time is over, one that follows is answered again and again. Whoever asks decides
nothing here: arguments are checked, and a wrong one is answered with exit code 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import zmq

from neatctl.core.control import children as c
from neatctl.core.control import messages
from neatctl.core.control.events import Event
from neatctl.core.control.messages import Answer, Command

if TYPE_CHECKING:
    from neatctl.core.process.supervisor import Supervisor

HELD = 0
DID_NOT_HOLD = 1
USAGE = 2
WAIT_LIMIT_US = 15_000_000
"""A recovery that takes longer has failed."""
_BATCH = 64
"""Commands of one turn."""


@dataclass(slots=True)
class _Waiter:
    client: bytes
    holds: Callable[[], bool]
    until: int
    answer: Callable[[], Answer]


class Commands:
    """The verbs."""

    def __init__(self, supervisor: Supervisor, socket: zmq.Socket[bytes]) -> None:
        self._supervisor = supervisor
        self._socket = socket
        self._waiters: list[_Waiter] = []
        self._followers: dict[bytes, None] = {}
        self._leavers: list[bytes] = []
        self.rejected = 0
        """Messages that were no command."""
        self._verbs: dict[str, Callable[[bytes, Command, int], Answer | None]] = {
            "status": self._status,
            "events": self._events,
            "scale": self._scale,
            "inject": self._inject,
            "recover": self._recover,
            "impair": self._impair,
            "mirror": self._mirror,
            "unmirror": self._unmirror,
            "down": self._down,
        }

    def turn(self, now: int) -> None:
        """Take what has been asked, answer who waits."""
        for _ in range(_BATCH):
            if not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                break
            try:
                client, payload = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            except ValueError:
                self.rejected += 1
                continue
            self._take(client, payload, now)
        for waiter in list(self._waiters):
            if waiter.holds():
                self._waiters.remove(waiter)
                self.send(waiter.client, waiter.answer())
            elif now >= waiter.until:
                self._waiters.remove(waiter)
                self.send(waiter.client, Answer(DID_NOT_HOLD, "it did not come to hold in time", b""))

    def deadline(self) -> int:
        """When a waiter's time is over, or -1."""
        return min((waiter.until for waiter in self._waiters), default=-1)

    def tell_followers(self, event: Event) -> None:
        body = msgspec.json.encode([event])
        for client in self._followers:
            self.send(client, Answer(HELD, "", body, last=False))

    def farewell(self) -> None:
        """The testbed is down: the last answers."""
        for client in self._leavers:
            self.send(client, Answer(HELD, "down", b""))
        for client in self._followers:
            self.send(client, Answer(HELD, "the testbed went down", b"[]"))
        for waiter in self._waiters:
            self.send(waiter.client, Answer(DID_NOT_HOLD, "the testbed went down", b""))

    def _take(self, client: bytes, payload: bytes, now: int) -> None:
        try:
            command = messages.command.decode(payload)
        except msgspec.DecodeError:
            self.rejected += 1
            return
        verb = self._verbs.get(command.verb)
        if verb is None:
            self.send(client, Answer(USAGE, f"this testbed is of a version without `{command.verb}`", b""))
            return
        try:
            answer = verb(client, command, now)
        except (LookupError, ValueError, TypeError) as error:
            answer = Answer(USAGE, str(error.args[0] if error.args else error), b"")
        if answer is not None:
            self.send(client, answer)

    def send(self, client: bytes, answer: Answer) -> None:
        """Answer a client, if it is still there."""
        try:
            self._socket.send_multipart([client, messages.encode(answer)], zmq.NOBLOCK)
        except zmq.ZMQError:
            self._followers.pop(client, None)

    # ---- the verbs ----
    def _status(self, _client: bytes, _command: Command, now: int) -> Answer:
        return Answer(HELD, "", msgspec.json.encode(self._supervisor.status(now)))

    def _events(self, client: bytes, command: Command, _now: int) -> Answer:
        follow = bool(command.arguments.get("follow", False))
        events = self._supervisor.journal.since(_number(command, "since", 0))
        if follow:
            self._followers[client] = None
        return Answer(HELD, "", msgspec.json.encode(events), last=not follow)

    def _scale(self, client: bytes, command: Command, now: int) -> Answer | None:
        wanted = _number(command, "replicas")
        testbed = self._supervisor.testbed
        plan = testbed.scale(wanted, now)
        self._supervisor.carry_out()

        def answer() -> Answer:
            body = {"replicas": wanted, "added": plan.add, "taken_back": plan.take_back, "draining": plan.drain}
            return Answer(HELD, "", msgspec.json.encode(body))

        if not command.arguments.get("wait", False):
            return answer()

        def settled() -> bool:
            replicas = testbed.replicas()
            return len(replicas) == wanted and all(place.state == c.SERVING for place in replicas)

        limit_us = _number(command, "limit_us", WAIT_LIMIT_US)
        self._waiters.append(_Waiter(client, settled, now + limit_us, answer))
        return None

    def _inject(self, client: bytes, command: Command, now: int) -> Answer | None:
        component, index = _target(command)
        kind = str(command.arguments.get("kind", "kill"))
        place = self._supervisor.testbed.place(component, index)
        generation, pid = (place.generation, place.child.pid if place.child else 0) if place else (0, 0)
        self._check_threads(component, kind)
        place = self._supervisor.testbed.inject(component, index, kind, now)
        self._supervisor.carry_out()
        return self._when_reborn(client, command, place, generation, pid, now)

    def _check_threads(self, component: str, kind: str) -> None:
        """ValueError for what cannot be where all components are threads of one process."""
        if self._supervisor.config.transport != "inproc" or kind not in c.KINDS:
            return
        if kind != "exception":
            raise ValueError(f"{kind} would hit the whole testbed: with --transport inproc it is one process")
        if component == "syscall":
            raise ValueError("with --transport inproc nobody would find a restarted SYSCALL server again")

    def _recover(self, client: bytes, command: Command, now: int) -> Answer | None:
        component, index = _target(command)
        self._check_threads(component, "exception")
        place = self._supervisor.testbed.place(component, index)
        generation, pid = (place.generation, place.child.pid if place.child else 0) if place else (0, 0)
        place = self._supervisor.testbed.recover(component, index, now)
        self._supervisor.carry_out()
        return self._when_reborn(client, command, place, generation, pid, now)

    def _impair(self, _client: bytes, command: Command, now: int) -> Answer:
        supervisor = self._supervisor
        frames = str(command.arguments.get("frames", supervisor.config.impair))
        seed = _number(command, "seed", supervisor.config.seed)
        if "frames" not in command.arguments:
            return Answer(HELD, "", msgspec.json.encode({"frames": frames, "seed": seed}))
        supervisor.testbed.impair(frames, seed, now)
        supervisor.config = msgspec.structs.replace(supervisor.config, impair=frames, seed=seed)
        supervisor.carry_out()
        return Answer(HELD, "", msgspec.json.encode({"frames": frames, "seed": seed}))

    def _when_reborn(
        self, client: bytes, command: Command, place: c.Place, generation: int, pid: int, now: int
    ) -> Answer | None:
        """Answer now, or (`wait`) when the place serves again with a later generation."""

        def answer() -> Answer:
            body = {
                "component": place.component,
                "index": place.index,
                "pid": pid,
                "generation": place.generation,
                "took_us": max(place.served_since - now, 0),
            }
            return Answer(HELD, place.name, msgspec.json.encode(body))

        if not command.arguments.get("wait", False):
            return answer()
        self._waiters.append(
            _Waiter(
                client,
                lambda: place.generation > generation and place.state in {c.SERVING, c.DRAINING},
                now + WAIT_LIMIT_US,
                answer,
            )
        )
        return None

    def _mirror(self, client: bytes, command: Command, _now: int) -> Answer:
        which = str(command.arguments.get("which", "sent"))
        return self._supervisor.mirrors.begin(client, _number(command, "pid"), which)

    def _unmirror(self, client: bytes, _command: Command, _now: int) -> Answer:
        self._supervisor.mirrors.end(client)
        return Answer(HELD, "", b"")

    def _down(self, client: bytes, _command: Command, now: int) -> None:
        self._leavers.append(client)
        self._supervisor.stop(now)


def _number(command: Command, name: str, default: int | None = None) -> int:
    value = command.arguments.get(name, default)
    if not isinstance(value, int):
        raise ValueError(f"`{command.verb}` needs a number `{name}`")
    return value


def _target(command: Command) -> tuple[str, int]:
    """The component and index that a command names; LookupError with what there is else."""
    name = str(command.arguments.get("component", ""))
    component = c.component_of(name)
    if component is None:
        known = sorted({word for word, spec in c.SPECIFICATIONS.items() for word in (word, *spec.aliases)})
        raise LookupError(f"there is no component `{name}`; there are {', '.join(known)}")
    index = _number(command, "index", 0)
    if c.SPECIFICATIONS[component].numbered_from and index == 0:
        raise LookupError(f"which one? `{name}` needs the number of a replica, for example `{name} 1`")
    return component, index
