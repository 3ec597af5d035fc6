"""The SYSCALL server under any order of events: births, deaths, its own restarts, messages lost on the way.

After everybody repeated what was not answered, all must agree: each living replica has the applications and subsockets
that there are, each application the links, each request exactly one effect.
"""

from __future__ import annotations

import errno
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from neatctl.core.control.messages import (
    Done,
    Hello,
    Link,
    Links,
    Listen,
    ListenersReady,
    Listening,
    Message,
    Refused,
    Replica,
    ReplicaHello,
    Replicas,
    Setup,
    SetupDone,
    Snapshot,
    Unlisten,
    Welcome,
)
from neatctl.core.syscall.server import REPEAT_US, SUPERVISOR, SyscallServer

PORTS = st.sampled_from([0, 80, 81, 82])


class Application:
    """The other end of the conversation, as the library leads it."""

    def __init__(self, identity: bytes) -> None:
        self.identity = identity
        self.known = False
        self.links: list[Link] = []
        self.requests: dict[int, Listen | Unlisten] = {}
        self.listening: dict[int, int] = {}
        """Ports by listener."""
        self.refused: dict[int, int] = {}
        self.number = 0

    def hear(self, message: Message) -> None:
        if isinstance(message, Welcome):
            self.known = message.app != 0
        elif isinstance(message, Links):
            self.links = message.links
        elif isinstance(message, Listening | Done | Refused):
            request = self.requests.pop(message.request, None)
            if request is None:
                return
            if isinstance(message, Listening):
                assert isinstance(request, Listen)
                assert message.listener not in self.listening
                assert request.port in (0, message.port)
                self.listening[message.listener] = message.port
            elif isinstance(message, Refused):
                self.refused[message.request] = message.errno
            elif isinstance(request, Unlisten):
                self.listening.pop(request.listener, None)


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.generation = 1
        self.snapshot = b""
        self.server = SyscallServer(1, "10.77.0.2", "R", Random(1).randrange)
        self.channels: set[str] = set()
        self.applications: dict[bytes, Application] = {}
        self.replicas: dict[int, int] = {}
        self.setups: dict[tuple[int, int], Setup] = {}
        self.ready: set[tuple[int, int]] = set()
        self.born = 0
        self.losing = False

    # ---- what carries messages ----
    def carry(self) -> None:
        """Deliver what the server said; while losing, nothing but what goes to the supervisor arrives."""
        self.channels |= {path for path, _, _ in self.server.channels_made}
        self.channels -= set(self.server.channels_gone)
        self.server.channels_made, self.server.channels_gone = [], []
        for identity, message in self.server.take():
            if identity == SUPERVISOR:
                if isinstance(message, Snapshot):
                    self.snapshot = message.state
                else:
                    assert isinstance(message, ListenersReady)
                    assert (message.replica, message.generation) in self.setups
                    self.ready.add((message.replica, message.generation))
            elif self.losing:
                self.server.undelivered(identity, self.now)
            elif identity in self.applications:
                self.applications[identity].hear(message)
            elif isinstance(message, Setup):
                _, index, generation = identity.split(b".")
                key = int(index), int(generation)
                before = self.setups.get(key)
                assert before is None or before.serial <= message.serial
                self.setups[key] = message

    def say(self, identity: bytes, message: Message) -> None:
        self.server.receive(identity, message, self.now)
        self.carry()

    def tell_replicas(self) -> None:
        living = [Replica(index, generation, True, f"bell{index}") for index, generation in self.replicas.items()]
        self.server.replicas_changed(Replicas(living), self.now)
        self.carry()

    # ---- what may happen ----
    @rule()
    def application_starts(self) -> None:
        if len(self.applications) < 3:
            self.born += 1
            identity = f"app.{self.born}".encode()
            self.applications[identity] = Application(identity)
            self.say(identity, Hello("app", self.born, f"bell.{self.born}"))

    @precondition(lambda self: self.applications)
    @rule(data=st.data(), port=PORTS)
    def application_listens(self, data: st.DataObject, port: int) -> None:
        app = data.draw(st.sampled_from(list(self.applications.values())))
        app.number += 1
        app.requests[app.number] = Listen(app.number, "", port, 8)
        self.say(app.identity, app.requests[app.number])

    @precondition(lambda self: any(app.listening for app in self.applications.values()))
    @rule(data=st.data())
    def application_closes_a_listener(self, data: st.DataObject) -> None:
        app = data.draw(st.sampled_from([app for app in self.applications.values() if app.listening]))
        app.number += 1
        listener = data.draw(st.sampled_from(sorted(app.listening)))
        app.requests[app.number] = Unlisten(app.number, listener)
        self.say(app.identity, app.requests[app.number])

    @precondition(lambda self: self.applications)
    @rule(data=st.data())
    def application_is_killed(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(list(self.applications)))
        del self.applications[identity]
        self.server.ended(identity, self.now)
        self.carry()

    @rule(index=st.integers(1, 3))
    def replica_is_born_again(self, index: int) -> None:
        self.replicas[index] = generation = self.replicas.get(index, 0) + 1
        self.tell_replicas()
        self.say(f"replica.{index}.{generation}".encode(), ReplicaHello(index, generation))

    @precondition(lambda self: self.replicas)
    @rule(data=st.data())
    def replica_obeys(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(list(self.replicas)))
        setup = self.setups.get((index, self.replicas[index]))
        if setup is not None:
            identity = f"replica.{index}.{self.replicas[index]}".encode()
            self.say(identity, SetupDone(index, self.replicas[index], setup.serial))

    @rule()
    def server_is_killed(self) -> None:
        self.generation += 1
        self.server = SyscallServer(self.generation, "10.77.0.2", "R", Random(1).randrange, self.snapshot)
        self.carry()
        self.tell_replicas()

    @rule(losing=st.booleans())
    def messages_are_lost(self, losing: bool) -> None:
        self.losing = losing

    @rule(us=st.integers(1, 2 * REPEAT_US))
    def time_passes(self, us: int) -> None:
        self.now += us
        if 0 <= self.server.deadline() <= self.now:
            self.server.expire(self.now)
        self.carry()

    @rule()
    def everybody_agrees_in_the_end(self) -> None:
        self.losing = False
        for _ in range(4):
            for app in self.applications.values():
                if not app.known:
                    self.say(app.identity, Hello("app", 1, "bell"))
                for request in list(app.requests.values()):
                    self.say(app.identity, request)
            for index, generation in self.replicas.items():
                if (index, generation) not in self.setups:
                    self.say(f"replica.{index}.{generation}".encode(), ReplicaHello(index, generation))
                setup = self.setups[index, generation]
                self.say(f"replica.{index}.{generation}".encode(), SetupDone(index, generation, setup.serial))
            self.time_passes(REPEAT_US)
        self.compare()

    def compare(self) -> None:
        listening: dict[int, int] = {}
        for app in self.applications.values():
            assert not app.requests
            assert {(link.replica, link.generation) for link in app.links} == set(self.replicas.items())
            listening |= app.listening
            assert set(app.refused.values()) <= {errno.EADDRINUSE}
        assert len(set(listening.values())) == len(listening), "a port has one listener"
        links = {link.to_app for app in self.applications.values() for link in app.links}
        for key in self.replicas.items():
            setup = self.setups[key]
            assert {s.listener: s.port for s in setup.subsockets} == listening
            assert {app.to_app for app in setup.apps} <= links
            assert len(setup.apps) == len(self.applications)
            assert key in self.ready
        assert {path for path in self.channels if path.endswith("to-app")} == links

    @invariant()
    def nothing_waits_for_ever(self) -> None:
        deadline = self.server.deadline()
        assert deadline <= self.now + REPEAT_US


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
