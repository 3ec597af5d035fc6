"""The SYSCALL server as a pure machine: which applications, listening sockets and replicas there are.

Socket calls that need the whole stack come here (paper section 3.3): a listening socket becomes a
subsocket in every replica, and is re-created in a reborn one. Messages in with the sender's identity, messages out with
the receiver's, time as an argument; the process around it makes the channels, holds the pidfds and owns
ZeroMQ. After accept() nothing of a connection comes here.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Callable

from neatctl.core.channel.socket_options import is_sound
from neatctl.core.control.messages import (
    VERSION,
    Done,
    Goodbye,
    Hello,
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
    Subsocket,
    Tune,
    Unlisten,
    Welcome,
)
from neatctl.core.syscall import state as s
from neatctl.core.syscall.ports import FreePorts

SUPERVISOR = b""
"""The identity that messages to the supervisor go to."""
REPEAT_US = 200_000
"""How long a replica may take for a Setup before it is sent again."""
MAX_BACKLOG = 4096
_APPLICATION = b"app."
_MAX_EARLY = 256


class SyscallServer:
    """The machine. Channels to make and remove stand in `channels_made` and `channels_gone` after each call."""

    def __init__(
        self,
        generation: int,
        address: str,
        rings: str,
        random: Callable[[int], int],
        snapshot: bytes = b"",
        channel: str = "ring",
        address6: str = "",
    ) -> None:
        self.generation = generation
        self._free_ports = FreePorts(random)
        self.channels_made: list[tuple[str, int, bytes]] = []
        """Path, generation and application of channels that there must be before this turn's messages go out."""
        self.channels_gone: list[str] = []
        self.ignored = 0
        """Messages that made no sense from their sender."""
        self.apps: dict[bytes, s.App] = {}
        self.listeners: dict[int, s.Listener] = {}
        self.replicas: dict[int, s.Peer] = {}
        self._addresses = [each for each in (address, address6) if each]
        self._rings = rings
        self._channel = channel
        self._out: list[tuple[bytes, Message]] = []
        self._early: dict[tuple[int, int], bytes] = {}
        self._next_app = self._serial = s.first_number(generation)
        self._next_listener = s.first_listener(generation)
        self._first_serial = self._serial
        self._changed = False
        state = s.decode_state(snapshot)
        if state is not None:
            self._restore(state)

    def _restore(self, state: s.State) -> None:
        self._free_ports.next = state.next_port
        for replica in state.replicas:
            self.replicas[replica.replica] = s.Peer(replica)
        everyone = {peer.key for peer in self.replicas.values()}
        for app in state.apps:
            self.apps[app.identity] = s.App(app, greet_us=0)
            for peer in self.replicas.values():
                self._make_channels(app, peer.record)
        for listener in state.listeners:
            self.listeners[listener.listener] = s.Listener(listener, self._serial, set(everyone))

    # ---- input ----
    def receive(self, identity: bytes, message: Message, now: int) -> None:
        """A message of an application or a replica."""
        if isinstance(message, ReplicaHello):
            self._replica_hello(identity, message, now)
        elif isinstance(message, SetupDone):
            self._setup_done(message)
        elif isinstance(message, Hello):
            self._hello(identity, message)
        else:
            self._request(identity, message)
        self._settle(now)

    def replicas_changed(self, message: Replicas, now: int) -> None:
        """The supervisor says which replicas live."""
        wanted = {replica.replica: replica for replica in message.replicas}
        changed = False
        for index, peer in list(self.replicas.items()):
            new = wanted.get(index)
            if new is None or new.generation != peer.record.generation:
                self._remove_replica(peer)
                changed = True
        for index, new in wanted.items():
            known = self.replicas.get(index)
            if known is None:
                self._add_replica(new)
                changed = True
            elif (known.record.accepting, known.record.doorbell) != (new.accepting, new.doorbell):
                known.record.accepting = new.accepting
                known.record.doorbell = new.doorbell
                changed = True
        if changed:
            self._saved()
            for app in self.apps.values():
                self._tell_links(app)
        self._settle(now)

    def connected(self, identity: bytes, now: int) -> None:
        """A peer's connection is new. One that should be known and is not is asked who it is: Welcome of number 0."""
        app = self.apps.get(identity)
        if app is not None:
            app.greet_us = now
        elif identity.startswith(_APPLICATION):
            self._send(identity, Welcome(0, self.generation))
        self._settle(now)

    def ended(self, identity: bytes, now: int) -> None:
        """An application's process ended: its connections are reset and its listeners go."""
        self._remove_app(identity)
        self._settle(now)

    def no_channel(self, identity: bytes, error: int, text: str, now: int) -> None:
        """A channel of an application cannot be made: it is sent away, and the others are not concerned."""
        if identity in self.apps:
            self._send(identity, Refused(0, error, text))
            self.ended(identity, now)

    def undelivered(self, identity: bytes, now: int) -> None:
        """A message did not go out, because its receiver is away or slow: it is told again when it can be."""
        app = self.apps.get(identity)
        if app is not None:
            app.greet_us = now + REPEAT_US

    def deadline(self) -> int:
        """When `expire` must be called at the latest, or -1."""
        due = [peer.due_us for peer in self.replicas.values() if self._owes(peer)]
        due += [app.greet_us for app in self.apps.values() if app.greet_us >= 0]
        return min(due, default=-1)

    def expire(self, now: int) -> None:
        """Time has come: repeat what is not answered."""
        self._settle(now)

    # ---- output ----
    def take(self) -> list[tuple[bytes, Message]]:
        """The messages to send, with the identities of their receivers, in order."""
        out = self._out
        self._out = []
        return out

    def pids(self) -> dict[bytes, int]:
        """The processes of the applications."""
        return {identity: app.record.pid for identity, app in self.apps.items()}

    # ---- applications ----
    def _hello(self, identity: bytes, message: Hello) -> None:
        if message.version != VERSION:
            text = f"this stack speaks version {VERSION} of its messages, not {message.version}: update one of the two"
            self._send(identity, Refused(0, errno.EPROTONOSUPPORT, text))
            return
        app = self.apps.get(identity)
        if app is None:
            record = s.AppRecord(identity, self._next_app, message.name, message.pid, message.doorbell)
            self._next_app += 1
            app = self.apps[identity] = s.App(record)
            for peer in self.replicas.values():
                self._make_channels(record, peer.record)
            self._new_setup()
            self._saved()
        self._greet(app)

    def _greet(self, app: s.App) -> None:
        app.greet_us = -1
        self._send(app.record.identity, Welcome(app.record.app, self.generation))
        self._tell_links(app)

    def _tell_links(self, app: s.App) -> None:
        links = [s.link_of_app(self._rings, app.record, peer.record) for peer in self.replicas.values()]
        self._send(app.record.identity, Links(links, self._channel))

    def _request(self, identity: bytes, message: Message) -> None:
        app = self.apps.get(identity)
        if app is None:
            if identity.startswith(_APPLICATION) and not isinstance(message, Goodbye):
                self._send(identity, Welcome(0, self.generation))
            else:
                self.ignored += 1
        elif isinstance(message, Goodbye):
            self._remove_app(identity)
        elif not isinstance(message, Listen | Unlisten | Tune):
            self.ignored += 1
        elif message.request in app.answers:
            self._send(identity, app.answers[message.request])
        elif isinstance(message, Unlisten):
            self._unlisten(app, message)
        elif isinstance(message, Tune):
            self._tune(app, message)
        else:
            self._listen(app, message)

    def _remove_app(self, identity: bytes) -> None:
        app = self.apps.pop(identity, None)
        if app is None:
            return
        for peer in self.replicas.values():
            self.channels_gone += s.channel_names(self._rings, app.record, peer.record)
        for listener in list(self.listeners.values()):
            if listener.record.app == app.record.app:
                del self.listeners[listener.record.listener]
        self._new_setup()
        self._saved()

    # ---- listening sockets ----
    def _listen(self, app: s.App, message: Listen) -> None:
        for listener in self.listeners.values():
            if (listener.record.app, listener.record.request) == (app.record.app, message.request):
                self._answer_if_in_force(listener)
                return
        error, text = self._fault_of(message)
        port = message.port
        if not error and port == 0:
            port = self._free_port(message.datagrams)
            error, text = (0, "") if port else (errno.EADDRINUSE, "all ports for port 0 are in use")
        if error:
            self._answer(app, Refused(message.request, error, text))
            return
        backlog = min(max(message.backlog, 1), MAX_BACKLOG)
        record = s.ListenerRecord(
            self._next_listener,
            app.record.app,
            message.request,
            message.address,
            port,
            backlog,
            message.options,
            message.reuse_port,
            message.datagrams,
        )
        self._next_listener += 1
        self._new_setup()
        listener = s.Listener(record, self._serial, {peer.key for peer in self.replicas.values()})
        self.listeners[record.listener] = listener
        self._saved()
        self._answer_if_in_force(listener)

    def _fault_of(self, message: Listen) -> tuple[int, str]:
        """The errno and text that a request to listen is refused with; 0 if it is not."""
        if not 0 <= message.port <= 65535:
            return errno.EINVAL, f"{message.port} is not a port"
        if not _are_sound(message.options):
            return errno.EINVAL, f"{message.options} are no options of a socket"
        if message.address not in ("", "0.0.0.0", "::", *self._addresses):
            try:
                ipaddress.ip_address(message.address)
            except ValueError:
                return errno.EINVAL, f"{message.address!r} is not an IP address"
            ours = " and ".join(self._addresses)
            return errno.EADDRNOTAVAIL, f"this stack's address is {ours}, not {message.address}"
        holder = self._holder(message) if message.port else None
        if holder is not None:
            return errno.EADDRINUSE, f"port {message.port} is in use by {holder.name} (process {holder.pid})"
        return 0, ""

    def _holder(self, message: Listen) -> s.AppRecord | None:
        """Whose socket of this protocol has this port and does not share it. The stack has one address, so any address
        is in conflict with it."""
        for listener in self.listeners.values():
            record = listener.record
            same = (record.port, record.datagrams) == (message.port, message.datagrams)
            if same and not (message.reuse_port and record.reuse_port):
                return next((app.record for app in self.apps.values() if app.record.app == record.app), None)
        return None

    def _free_port(self, datagrams: bool) -> int:
        """A port that no socket of this protocol has, 0 if there is none."""
        used = {each.record.port for each in self.listeners.values() if each.record.datagrams == datagrams}
        return self._free_ports.take(used, datagrams)

    def _unlisten(self, app: s.App, message: Unlisten) -> None:
        listener = self.listeners.get(message.listener)
        if listener is not None and listener.record.app == app.record.app:
            del self.listeners[message.listener]
            self._new_setup()
            self._saved()
        self._answer(app, Done(message.request))

    def _tune(self, app: s.App, message: Tune) -> None:
        listener = self.listeners.get(message.listener)
        if listener is None or listener.record.app != app.record.app:
            self._answer(app, Refused(message.request, errno.EBADF, "this socket does not listen any more"))
        elif not _are_sound(message.options):
            self._answer(app, Refused(message.request, errno.EINVAL, f"{message.options} are no options of a socket"))
        else:
            if listener.record.options != message.options:
                listener.record.options = message.options
                self._new_setup()
                self._saved()
            self._answer(app, Done(message.request))

    def _answer_if_in_force(self, listener: s.Listener) -> None:
        if listener.awaits:
            return
        record = listener.record
        app = next((app for app in self.apps.values() if app.record.app == record.app), None)
        if app is not None and record.request not in app.answers:
            self._answer(app, Listening(record.request, record.listener, record.address or "0.0.0.0", record.port))

    def _answer(self, app: s.App, answer: Listening | Done | Refused) -> None:
        app.remember(answer)
        self._send(app.record.identity, answer)

    # ---- replicas ----
    def _add_replica(self, new: Replica) -> None:
        identity = self._early.pop((new.replica, new.generation), b"")
        record = s.ReplicaRecord(new.replica, new.generation, new.accepting, new.doorbell, identity)
        self.replicas[new.replica] = s.Peer(record)
        for app in self.apps.values():
            self._make_channels(app.record, record)

    def _remove_replica(self, peer: s.Peer) -> None:
        del self.replicas[peer.record.replica]
        for app in self.apps.values():
            self.channels_gone += s.channel_names(self._rings, app.record, peer.record)
        for listener in self.listeners.values():
            if peer.key in listener.awaits:
                listener.awaits.discard(peer.key)
                self._answer_if_in_force(listener)

    def _replica_hello(self, identity: bytes, message: ReplicaHello, now: int) -> None:
        if identity.startswith(_APPLICATION):
            self.ignored += 1
            return
        peer = self.replicas.get(message.replica)
        if peer is not None and peer.record.generation == message.generation:
            peer.due_us = now
            peer.done_serial = 0
            if peer.record.identity != identity:
                peer.record.identity = identity
                self._saved()
            return
        # The supervisor's word on a new replica may come later than the replica's own.
        self._early[message.replica, message.generation] = identity
        if len(self._early) > _MAX_EARLY:
            del self._early[next(iter(self._early))]

    def _setup_done(self, message: SetupDone) -> None:
        peer = self.replicas.get(message.replica)
        if peer is None or peer.key != (message.replica, message.generation):
            self.ignored += 1
            return
        if not self._first_serial <= message.serial <= self._serial:
            return  # Of an earlier server: this one's Setup is on its way.
        peer.done_serial = max(peer.done_serial, message.serial)
        if not peer.ready_told:
            peer.ready_told = True
            self._send(SUPERVISOR, ListenersReady(*peer.key))
        for listener in self.listeners.values():
            if peer.key in listener.awaits and message.serial >= listener.serial:
                listener.awaits.discard(peer.key)
                self._answer_if_in_force(listener)

    def _owes(self, peer: s.Peer) -> bool:
        """This replica has not confirmed the last Setup, and can be told of it."""
        return peer.done_serial < self._serial and peer.record.identity != b""

    def _new_setup(self) -> None:
        self._serial += 1
        for peer in self.replicas.values():
            peer.due_us = 0

    def _settle(self, now: int) -> None:
        """After each input: snapshot first, then what replicas and applications do not know yet."""
        if self._changed:
            self._changed = False
            self._out.insert(0, (SUPERVISOR, Snapshot("syscall", 0, self.generation, self.snapshot())))
        for peer in self.replicas.values():
            if self._owes(peer) and now >= peer.due_us:
                peer.due_us = now + REPEAT_US
                self._send(peer.record.identity, self._setup(peer))
        for app in self.apps.values():
            if 0 <= app.greet_us <= now:
                self._greet(app)

    def _setup(self, peer: s.Peer) -> Setup:
        apps = [s.link_of_replica(self._rings, app.record, peer.record) for app in self.apps.values()]
        subsockets = [
            Subsocket(r.listener, r.app, r.address, r.port, r.backlog, r.options, r.datagrams)
            for r in (listener.record for listener in self.listeners.values())
        ]
        return Setup(self._serial, apps, subsockets)

    def _make_channels(self, app: s.AppRecord, replica: s.ReplicaRecord) -> None:
        for path in s.channel_names(self._rings, app, replica):
            self.channels_made.append((path, replica.generation, app.identity))

    def _send(self, identity: bytes, message: Message) -> None:
        self._out.append((identity, message))

    # ---- what outlives the process ----
    def _saved(self) -> None:
        self._changed = True

    def snapshot(self) -> bytes:
        """What the next incarnation starts with."""
        return s.encode_state(
            s.State(
                s.VERSION,
                [app.record for app in self.apps.values()],
                [listener.record for listener in self.listeners.values()],
                [peer.record for peer in self.replicas.values()],
                self._free_ports.next,
            )
        )


def _are_sound(options: dict[int, int]) -> bool:
    return all(is_sound(option, value) for option, value in options.items())
