"""The supervisor of a testbed as a process: carries out what the pure machine decides, and tells it what happens.

It owns the run directory, the control sockets, the children's pidfds and logs, and the NIC's descriptor,
which outlives every driver: while one is reborn the device keeps the frames. Policy is in
`core/control`; how the network is made is the business of whoever starts it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import zmq

from neatctl.core.channel import endpoint
from neatctl.core.control import actions as a
from neatctl.core.control import messages
from neatctl.core.control.children import Place
from neatctl.core.control.config import GSO_OCTETS, DriverConfig, ReplicaConfig, SyscallConfig, TestbedConfig
from neatctl.core.control.events import Event, Journal
from neatctl.core.control.messages import Message
from neatctl.core.control.placement import Contention, cores_of
from neatctl.core.control.status import SCHEMA, Status, Usage, status_rows, testbed_state
from neatctl.core.control.testbed import Testbed
from neatctl.core.native import COMPILED, now_us
from neatctl.core.process import proc
from neatctl.core.process.commands import Commands
from neatctl.core.process.loop import Loop, Work
from neatctl.core.process.mirrors import Mirrors
from neatctl.core.process.probe import Probe
from neatctl.core.process.run_directory import ProcessRecord, RunDirectory, RunRecord
from neatctl.core.process.spawn import ChildProcess, Spawned, interpreter
from neatctl.core.process.thread_child import ThreadChild

WEB_PORT = 80
THREADS_LIMIT_US = 2_000_000
_USAGE_US = 1_000_000
_CONTROL_BATCH = 256
_MAX_MESSAGE_OCTETS = 1 << 20


@dataclass(slots=True)
class Network:
    """What the set-up of the network hands over; the device's descriptor belongs to the supervisor from then on."""

    device_fd: int
    client_netns: str
    client_socket: Callable[[], socket.socket]
    """A new TCP socket on the clients' side."""
    user_namespace: bool = False


class Supervisor(Work):
    """One testbed. `on_event` sees each event as it happens."""

    def __init__(
        self,
        config: TestbedConfig,
        run: RunDirectory,
        on_event: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self.config = config
        self.run_directory = run
        self.network: Network | None = None
        self._on_event = on_event
        self._channel = config.channel if config.transport == "ipc" or config.channel == "ring" else "zmq-inproc"
        self._started = now_us()
        self._processes: dict[int, Spawned] = {}
        self._routes: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}
        self._usage: dict[int, Usage] = {}
        self._cpu: dict[int, tuple[int, int]] = {}
        self._usage_at = self._started
        self._record_due = True
        self._cores = sorted(os.sched_getaffinity(0))
        self._contention = Contention()
        self._placed: dict[int, frozenset[int]] = {}
        """Where each process was put, by pid."""
        self._leave_at = -1
        """When threads that do not end are given up, or -1."""
        self.stray = 0
        """Messages that did not decode or came from nobody we know."""
        self.journal = Journal()
        self._event_log = open(run.path / "events.jsonl", "ab", buffering=0)  # noqa: SIM115
        self.loop = Loop(self, spin=0)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._control = self._bind("control")
        self._command = self._bind("command")
        self.commands = Commands(self, self._command)
        self.mirrors = Mirrors(self)
        self._probe = Probe(self.loop, (config.address, WEB_PORT), self._web_answered)
        self.testbed = Testbed(config.run_directory, config.replicas, self._configure, self._started)

    def _bind(self, name: str) -> zmq.Socket[bytes]:
        bound = self._context.socket(zmq.ROUTER)
        bound.setsockopt(zmq.LINGER, 200)
        bound.setsockopt(zmq.ROUTER_MANDATORY, 1)
        bound.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_OCTETS)
        threads = name == "control" and self.config.transport == "inproc"
        bound.bind(f"inproc://{self.run_directory.path}/{name}" if threads else self.run_directory.endpoint(name))
        self.loop.watch(int(bound.getsockopt(zmq.FD)), lambda: None)
        return bound

    # ---- life ----
    def run(self) -> None:
        """Start the testbed and look after it until it is down."""
        self.testbed.start(now_us())
        self.carry_out()
        self.loop.run()
        self.mirrors.close()
        self.commands.farewell()

    def network_made(self, network: Network) -> None:
        """The clients' side and the device are there; the components have been starting meanwhile."""
        self.network = network
        self._probe.client_socket = network.client_socket
        self.testbed.device_made(now_us())
        self._record_due = True
        self.carry_out()

    def stop(self, now: int) -> None:
        """Begin to take the testbed down; `run` returns when it is."""
        self._probe.end()
        if self.config.transport == "inproc":
            self._leave_at = now + THREADS_LIMIT_US
        self.testbed.stop(now)
        self.carry_out()

    def close(self) -> None:
        """Let go of everything, whatever state it is in."""
        self._probe.end()
        for child in self._processes.values():
            child.signal(9)
        for child in self._processes.values():
            self.loop.forget(child.end_fd)
            child.reap()
        if self.network is not None:
            os.close(self.network.device_fd)
        self._control.close(linger=0)
        self._command.close()
        self._event_log.close()
        self.loop.close()

    # ---- the loop ----
    def turn(self, now: int) -> int:
        self._receive(now)
        if now >= self.testbed.deadline():
            for number in self.testbed.suspects(now):
                facts = proc.process_facts(self._processes[number].pid, self.testbed.owes_beats(number))
                if facts is not None:
                    self.testbed.examined(number, facts, now)
            self.testbed.expire(now)
        self._probe.expire(now)
        if now - self._usage_at >= _USAGE_US:
            self._sample(now)
        self.carry_out()
        self.commands.turn(now)
        self.carry_out()
        if self._record_due:
            self._write_record()
        if self.testbed.stopped or 0 <= self._leave_at <= now:
            self.loop.stop()
        return 0

    def arm(self) -> bool:
        return not any(int(s.getsockopt(zmq.EVENTS)) & zmq.POLLIN for s in (self._control, self._command))

    def deadline(self) -> int:
        due = self.testbed.deadline()
        for other in (self._probe.deadline(), self.commands.deadline(), self._leave_at):
            if 0 <= other < due:
                due = other
        return due

    # ---- from children ----
    def _receive(self, now: int) -> None:
        for _ in range(_CONTROL_BATCH):
            if not int(self._control.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return
            try:
                identity, payload = self._control.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            except ValueError:
                self.stray += 1
                continue
            try:
                self._hear(identity, messages.from_child.decode(payload), now)
            except msgspec.DecodeError:
                self.stray += 1

    def _hear(self, identity: bytes, message: messages.FromChild, now: int) -> None:
        number = self._numbers.get(identity, 0)
        if isinstance(message, messages.Announce):
            if message.component == "standby" and not number:
                process = self._processes.get(message.index)
                if process is None or process.pid != message.pid or message.index in self._routes:
                    self.stray += 1
                    return
                number = message.index
                self._numbers[identity] = number
                self._routes[number] = identity
            self.testbed.announced(number, message, now)
        elif not number:
            self.stray += 1
        elif isinstance(message, messages.Beat):
            self.testbed.beaten(number, message, now)
        elif isinstance(message, messages.ListenersReady):
            self.testbed.listeners_ready(message, now)
        elif isinstance(message, messages.Snapshot):
            self.testbed.snapshot(message)
            self._probe.hasten(now)
        elif isinstance(message, messages.PeerFaulted):
            self.testbed.peer_faulted(message, now)
        elif isinstance(message, messages.MirrorEnded):
            self.mirrors.ended(message.path, message.reason)
        self.carry_out()

    def _exited(self, number: int) -> None:
        now = now_us()
        self._receive(now)  # What it said last counts: a snapshot above all.
        process = self._processes.pop(number)
        self.loop.forget(process.end_fd)
        how = process.reap()
        self._usage.pop(process.pid, None)
        self._cpu.pop(process.pid, None)
        self._placed.pop(process.pid, None)
        self._numbers.pop(self._routes.pop(number, b""), None)
        self._record_due = True
        self.testbed.exited(number, how, now)
        self.carry_out()

    def _web_answered(self) -> None:
        self.testbed.listening("web", 0, now_us())
        self.carry_out()

    # ---- actions ----
    def carry_out(self) -> None:
        """Do what the machine asked for, until it asks for no more."""
        while todo := self.testbed.take():
            for action in todo:
                self._carry_out(action)

    def _carry_out(self, action: a.Action) -> None:
        match action:
            case a.Tell(number, message):
                self.tell(number, message)
            case a.Happened(event):
                self._happened(event)
            case a.Signal(number, signal_number):
                if number in self._processes:
                    self._processes[number].signal(signal_number)
            case a.MakeChannel(path, generation):
                endpoint.create(self._channel, path, generation)
            case a.RemoveChannel(path):
                endpoint.remove(self._channel, path)
            case a.RemoveDoorbell(path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            case a.HandDevice(number):
                if self.network is not None:
                    self._processes[number].send_descriptor(self.network.device_fd)
            case a.Spawn(number):
                what = [self.config.run_directory, self.config.transport, str(number)]
                self._spawn(number, "neatctl.core.process.child", what, f"standby.{number}")
            case a.SpawnApplication(number, component, index, generation):
                served = ["--web", self.config.web] if self.config.web else []
                linked = ["--transport", self.config.transport, "--channel", self._channel]
                what = [self.config.run_directory, *linked, *served]
                self._spawn(number, f"neatctl.apps.{component}", what, f"{component}.{index}.{generation}")
                self._probe.begin(now_us())

    def _spawn(self, number: int, module: str, arguments: list[str], name: str) -> None:
        process: Spawned
        if self.config.transport == "inproc":
            process = self._start_thread(number, module, arguments, name)
        else:
            log = str(self.run_directory.path / "log" / f"{name}.log")
            process = ChildProcess([*interpreter(), "-m", module, *arguments], log)
        self._processes[number] = process
        self.loop.watch(process.end_fd, lambda: self._exited(number))
        self._record_due = True
        self.testbed.spawned(number, process.pid, now_us())

    def _start_thread(self, number: int, module: str, arguments: list[str], name: str) -> ThreadChild:
        """A component in this process, with the same code."""
        if module == "neatctl.core.process.child":
            child = importlib.import_module(module)
            return ThreadChild(
                lambda stdin: child.run_child(arguments[0], arguments[1], number, stdin),
                lambda: self.tell(number, messages.Stop()),
                name,
            )
        application = importlib.import_module(f"{module}.__main__")
        signals = application.Signals(threaded=True)
        return ThreadChild(
            lambda _stdin: application.serve_in_thread(arguments, signals), lambda: setattr(signals, "end", True), name
        )

    def tell(self, number: int, message: Message) -> None:
        """To a child, if it lives."""
        identity = self._routes.get(number)
        if identity is None:
            return
        if isinstance(message, messages.Assign):
            name = f"{message.component}.{message.index}.{message.generation}.log"
            self._processes[number].rename_log(str(self.run_directory.path / "log" / name))
            self._record_due = True
        with contextlib.suppress(zmq.ZMQError):  # whoever cannot be told is dead, and its exit is on the way
            self._control.send_multipart([identity, messages.encode(message)], zmq.NOBLOCK)

    def _happened(self, event: Event) -> None:
        kept = self.journal.add(event, time.time())
        self._event_log.write(msgspec.json.encode(kept) + b"\n")
        self.commands.tell_followers(kept)
        self._on_event(kept)
        self.mirrors.happened(event)
        self._place(now_us())

    def _place(self, now: int) -> None:
        """Put each component on its cores. Its one thread: those of ZeroMQ run where there is room."""
        if self.config.transport != "ipc":
            return
        placement = "none" if self._contention.holds(now) else self.config.placement
        for place in self.testbed.places.values():
            process = self._processes.get(place.child.number) if place.child is not None else None
            if process is None:
                continue
            cores = cores_of(place.component, placement, self.testbed.wanted, self._cores)
            if self._placed.get(process.pid, frozenset(self._cores)) != cores:
                self._placed[process.pid] = cores
                with contextlib.suppress(OSError):  # it has ended, or the core is taken from us: the scheduler decides
                    os.sched_setaffinity(process.pid, cores)

    def _configure(self, place: Place) -> bytes:
        """The configuration of the next incarnation of a place."""
        config = self.config
        record: msgspec.Struct
        if place.component == "driver":
            record = DriverConfig(
                index=place.index,
                generation=place.generation,
                run_directory=config.run_directory,
                transport=config.transport,
                channel=self._channel,
                mac=config.mac,
                rss_key=config.rss_key,
                impair=config.impair,
                seed=config.seed,
            )
        elif place.component == "syscall":
            record = SyscallConfig(
                generation=place.generation,
                run_directory=config.run_directory,
                transport=config.transport,
                channel=self._channel,
                address=config.address,
                address6=config.address6,
                snapshot=place.snapshot,
            )
        else:
            record = ReplicaConfig(
                index=place.index,
                generation=place.generation,
                run_directory=config.run_directory,
                transport=config.transport,
                channel=self._channel,
                address=config.address,
                prefix_length=config.prefix_length,
                gateway=config.client_address,
                address6=config.address6,
                prefix_length6=config.prefix_length6,
                gateway6=config.client_address6,
                mac=config.mac,
                isn_key=config.isn_key,
                gso_octets=0 if config.impair else GSO_OCTETS,  # So it loses one packet at a time, as a wire does.
                ecn=config.ecn,
            )
        return msgspec.msgpack.encode(record)

    # ---- what others may know ----
    def status(self, now: int) -> Status:
        """From what is at hand, and a look at processes younger than the last sample."""
        config = self.config
        for process in self._processes.values():
            if process.pid not in self._usage and (used := proc.usage(process.pid)) is not None:
                self._usage[process.pid] = Usage(0.0, used[1])
        return Status(
            SCHEMA,
            config.name,
            testbed_state(self.testbed),
            COMPILED,
            config.channel,
            config.transport,
            f"{config.address}/{config.prefix_length}",
            config.client_address,
            self.network.client_netns if self.network is not None else "",
            now - self._started,
            self.testbed.wanted,
            status_rows(self.testbed, self._usage),
            f"{config.address6}/{config.prefix_length6}" if config.address6 else "",
        )

    def _sample(self, now: int) -> None:
        """CPU and memory of all children over the last second; whether those that share a core are alone on it."""
        shared = frozenset(self._cores[-1:])
        sharing: dict[int, tuple[int, int]] = {}
        for process in self._processes.values():
            used = proc.usage(process.pid)
            if used is None:
                continue
            cpu_us, memory_octets = used
            if self._placed.get(process.pid) == shared and (times := proc.scheduled(process.pid)) is not None:
                sharing[process.pid] = times
            before_us, at = self._cpu.get(process.pid, (cpu_us, self._usage_at))
            self._cpu[process.pid] = (cpu_us, now)
            percent = 100.0 * (cpu_us - before_us) / max(now - at, 1)
            self._usage[process.pid] = Usage(round(percent, 1), memory_octets)
        self._usage_at = now
        if self.config.placement != "none":
            self._contention.sample(sharing, now)
            self._place(now)

    def _write_record(self) -> None:
        self._record_due = False
        children = []
        for number, process in self._processes.items():
            started = proc.start_time(process.pid)
            child = self.testbed.children.get(number)
            name = child.place.name if child is not None and child.place is not None else "standby"
            if started is not None:
                children.append(ProcessRecord(process.pid, started, name))
        self.run_directory.write_record(
            RunRecord(
                name=self.config.name,
                supervisor=ProcessRecord(os.getpid(), proc.start_time(os.getpid()) or 0, "supervisor"),
                children=children,
                address=f"{self.config.address}/{self.config.prefix_length}",
                client_address=self.config.client_address,
                client_netns=self.network.client_netns if self.network is not None else "",
                user_namespace=self.network is not None and self.network.user_namespace,
                shared_memory=self.run_directory.shared_memory,
            )
        )
