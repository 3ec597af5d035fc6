"""A replica's process: the stack between one NIC queue pair and a channel pair to each application.

Replicas never talk to each other: what a replica sees is its queue, its applications' rings and two control
conversations (supervisor, SYSCALL server). A bad record is the fault of whoever wrote it: that link is given up and
reported, the rest goes on.
"""

from __future__ import annotations

import contextlib

import msgspec
import zmq

from neatctl.core.channel import endpoint
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.channel.records import MAX_FRAME
from neatctl.core.control.config import GSO_OCTETS, ReplicaConfig
from neatctl.core.control.messages import (
    AppLink,
    Attach,
    Impair,
    Inject,
    PeerFaulted,
    ReplicaHello,
    Setup,
    SetupDone,
    Subsocket,
    ToChild,
    encode,
    from_syscall,
)
from neatctl.core.native import now_us
from neatctl.core.process.child import Child, InjectedFault
from neatctl.core.process.loop import Work
from neatctl.core.stack import Stack

_BURST = 64
_MAX_MESSAGE_OCTETS = 1 << 20


class Application:
    """One application's channels, as this replica sees them."""

    def __init__(self, app: int, commands: Consumer, events: Producer) -> None:
        self.app = app
        self.commands = commands
        self.events = events


class Replica(Work):
    """The work of one incarnation of a replica."""

    def __init__(self, config: ReplicaConfig, child: Child) -> None:
        self.config = config
        self.stack = Stack(config)
        self._child = child
        self._fault = ""
        self._reading: Consumer | None = None
        """Whose record is being worked on."""
        self._rx: Consumer | None = None
        self._tx: Producer | None = None
        self._driver_generation = 0
        self._applications: list[Application] = []
        self._links: dict[int, AppLink] = {}
        self._subsockets: dict[int, Subsocket] = {}
        self._syscall: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._syscall.setsockopt(zmq.IDENTITY, f"replica.{config.index}.{config.generation}".encode())
        self._syscall.setsockopt(zmq.LINGER, 0)
        self._syscall.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_OCTETS)
        self._syscall.connect(f"{config.transport}://{config.run_directory}/syscall")
        self._syscall.send(encode(ReplicaHello(config.index, config.generation)))

    # ---- the packet path ----
    def turn(self, now: int) -> int:
        if self._fault:
            self._fail()
        try:
            return self._turn(now)
        except PeerFault as fault:
            self._faulted(fault, now)
            return 1

    def _turn(self, now: int) -> int:
        """Take a burst from every queue, then send what is due, all at once."""
        stack = self.stack
        done = 0
        if self._rx is not None:
            rx = self._reading = self._rx
            while done < _BURST:
                octets = rx.peek()
                if octets < 0:
                    break
                stack.receive(rx.memory, rx.at, octets, now)
                rx.release()
                done += 1
            rx.flush()
        for application in self._applications:
            commands = self._reading = application.commands
            count = 0
            while count < _BURST:
                octets = commands.peek()
                if octets < 0:
                    break
                stack.command(application.app, commands.memory, commands.at, octets, now)
                commands.release()
                count += 1
            commands.flush()
            done += count
        due = stack.deadline()
        if 0 <= due <= now:
            stack.expire(now)
        done += stack.transmit(now)
        if self._tx is not None:
            self._tx.flush()
        return done

    def arm(self) -> bool:
        quiet = self._rx is None or self._rx.arm()
        if self._tx is not None and self.stack.tcp.tables.pending:
            self._tx.want_room()
            if self._tx.reserve(MAX_FRAME) >= 0:
                quiet = False
        for application in self._applications:
            if not application.commands.arm():
                quiet = False
        return quiet

    def disarm(self) -> None:
        if self._rx is not None:
            self._rx.disarm()
        for application in self._applications:
            application.commands.disarm()

    def deadline(self) -> int:
        return self.stack.deadline()

    def _fail(self) -> None:
        """The injected fault, from the packet path."""
        kind, self._fault = self._fault, ""
        while kind == "spin":
            pass
        raise InjectedFault(kind)

    def _faulted(self, fault: PeerFault, now: int) -> None:
        """Give up the link whose other end broke the rules, and say whose it is."""
        config = self.config
        channel = fault.channel if fault.channel is not None else self._reading
        peer, index, generation = "driver", 0, self._driver_generation
        for application in self._applications:
            if channel in (application.commands, application.events):
                peer, index, generation = "application", application.app, 0
        if peer == "driver":
            self._detach()
        else:
            self._drop(index, now)
        self._child.send(PeerFaulted("replica", config.index, config.generation, peer, index, generation, fault.reason))

    # ---- links ----
    def attach(self, attach: Attach) -> None:
        """Use a new queue pair; the flows that live here are told to the driver."""
        self._detach()
        self._driver_generation = attach.driver_generation
        pair = self._open(attach.to_replica, attach.to_driver, attach.doorbell)
        if pair is None:
            return
        self._rx, self._tx = pair
        self.stack.attach_nic(self._tx)
        self._tx.flush()

    def _open(self, incoming: str, outgoing: str, doorbell: str) -> tuple[Consumer, Producer] | None:
        """Both ends of a link; None if the other side is gone already: whoever brokers links will say so."""
        kind, generation = self.config.channel, self.config.generation
        try:
            consumer = endpoint.open_consumer(kind, incoming, generation, doorbell)
        except (FileNotFoundError, PeerFault):
            return None
        try:
            producer = endpoint.open_producer(kind, outgoing, generation, doorbell)
        except (FileNotFoundError, PeerFault):
            consumer.close()
            return None
        self._child.loop.watch_consumer(consumer)
        return consumer, producer

    def _detach(self) -> None:
        if self._rx is not None and self._tx is not None:
            self._child.loop.forget_consumer(self._rx)
            self.stack.output.attach(None)
            self._rx.close()
            self._tx.close()
        self._rx = self._tx = None

    def set_up(self, setup: Setup, now: int) -> None:
        """Have these applications and subsockets, and no others."""
        wanted = {link.app: link for link in setup.apps}
        for app in [app for app, link in self._links.items() if wanted.get(app) != link]:
            self._drop(app, now)
        for app, link in wanted.items():
            if app not in self._links:
                self._link(link)
        subsockets = {subsocket.listener: subsocket for subsocket in setup.subsockets if subsocket.app in self._links}
        for listener in [kept for kept in self._subsockets if kept not in subsockets]:
            del self._subsockets[listener]
            self.stack.tcp.unlisten(listener, now)
            self.stack.udp.unbind(listener)
        for listener, new in subsockets.items():
            if self._subsockets.get(listener) != new:
                self._subsockets[listener] = new
                self._open_subsocket(new)
        self._answer(SetupDone(self.config.index, self.config.generation, setup.serial))

    def _open_subsocket(self, new: Subsocket) -> None:
        """Have a subsocket, or its new options."""
        if new.datagrams:
            events = next(application.events for application in self._applications if application.app == new.app)
            self.stack.udp.bind(new.listener, new.app, events, new.address, new.port)
        else:
            self.stack.tcp.listen(new.listener, new.app, new.address, new.port, new.backlog, new.options)

    def _link(self, link: AppLink) -> None:
        """Open the channels to an application."""
        pair = self._open(link.to_replica, link.to_app, link.doorbell)
        if pair is None:
            return
        commands, events = pair
        self._links[link.app] = link
        self._applications.append(Application(link.app, commands, events))
        self.stack.tcp.attach(link.app, events)

    def _drop(self, app: int, now: int) -> None:
        """An application is gone: its connections are reset, its subsockets closed."""
        self._links.pop(app, None)
        self._subsockets = {k: kept for k, kept in self._subsockets.items() if kept.app != app}
        self.stack.tcp.detach(app, now)
        self.stack.udp.detach(app)
        for application in self._applications:
            if application.app == app:
                self._child.loop.forget_consumer(application.commands)
                application.commands.close()
                application.events.close()
        self._applications = [kept for kept in self._applications if kept.app != app]

    # ---- control ----
    def on_message(self, message: ToChild) -> None:
        """From the supervisor."""
        if isinstance(message, Attach):
            self.attach(message)
        elif isinstance(message, Inject):
            self._fault = message.kind
        elif isinstance(message, Impair):
            # What an impairment loses is one packet, as on a wire.
            tables = self.stack.tcp.tables
            tables.gso_octets = 0 if message.frames else GSO_OCTETS

    def hear_syscall(self) -> None:
        """All messages of the SYSCALL server; the last Setup holds."""
        while True:
            try:
                octets = self._syscall.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            with contextlib.suppress(msgspec.DecodeError):
                message = from_syscall.decode(octets)
                if isinstance(message, Setup):
                    self.set_up(message, now_us())

    def _answer(self, message: SetupDone) -> None:
        with contextlib.suppress(zmq.Again):
            self._syscall.send(encode(message), zmq.NOBLOCK)

    def syscall_fd(self) -> int:
        """What the loop watches for the SYSCALL server's messages."""
        return int(self._syscall.getsockopt(zmq.FD))

    def close(self, now: int) -> None:
        """Let all channels go; for who outlives a replica in the same process."""
        for app in list(self._links):
            self._drop(app, now)
        self._detach()
        self._syscall.close()

    def counters(self) -> dict[str, int]:
        """Totals since the start."""
        stack = self.stack
        return stack.counters.as_dict() | stack.tcp.counters.as_dict() | stack.udp.counters.as_dict()

    def gauges(self) -> dict[str, int]:
        """What is now."""
        return {"connections": self.stack.tcp.connections, "listeners": len(self._subsockets)}


def start(config: ReplicaConfig, child: Child) -> None:
    """Become a replica, to the end of the process."""
    replica = Replica(config, child)
    child.on_message = replica.on_message
    child.counters = replica.counters
    child.gauges = replica.gauges
    child.watch(replica.syscall_fd(), replica.hear_syscall)
    child.announce("replica", config.index, config.generation)
    child.run(replica, config.spin_turns)
