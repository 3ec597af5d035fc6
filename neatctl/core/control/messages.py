"""The control messages: typed, versioned, msgpack by msgspec; never pickle.

Three conversations. Children with the supervisor (DEALER to its ROUTER `control`), replicas and
applications with the SYSCALL server (DEALER to its ROUTER `syscall`), the CLI with the supervisor
(DEALER to its ROUTER `command`). Fields are only ever appended. A message that does not decode is
dropped and counted by whoever gets it. Desired states are sent whole (`Queues`, `Replicas`): who gets
one compares it with what it has and acts on the difference, so a repeated or late message is harmless.
"""

from __future__ import annotations

import msgspec

VERSION = 1
"""Rises when a field changes its meaning."""


class Message(msgspec.Struct, array_like=True, tag=True, frozen=True):
    """The base of all messages; its encoding is an array that begins with the class's name."""


# ---- a child to the supervisor ----
class Announce(Message, frozen=True):
    """I am here: imported and, unless component is `standby`, ready to serve."""

    component: str
    index: int
    generation: int
    pid: int
    version: int = VERSION


class Beat(Message, frozen=True):
    """A heartbeat each 100 ms: `turns` proves progress, counters are totals since my start, gauges are now."""

    component: str
    index: int
    generation: int
    turns: int
    counters: dict[str, int]
    gauges: dict[str, int]


class PeerFaulted(Message, frozen=True):
    """The other end of a channel broke its rules (paper 3.2: nobody trusts a queue)."""

    component: str
    index: int
    generation: int
    peer: str
    peer_index: int
    peer_generation: int
    reason: str


class Snapshot(Message, frozen=True):
    """The little state that my next incarnation shall start with (SYSCALL server)."""

    component: str
    index: int
    generation: int
    state: bytes


class ListenersReady(Message, frozen=True):
    """SYSCALL server: this incarnation of a replica has all listeners; its queue may open."""

    replica: int
    generation: int


class MirrorEnded(Message, frozen=True):
    """Driver: this mirror cannot be written to, or its reader broke the rules; it is closed."""

    path: str
    reason: str


# ---- the supervisor to a child ----
class Assign(Message, frozen=True):
    """To a standby: become this. `config` is a msgpack of the component's configuration record."""

    component: str
    index: int
    generation: int
    config: bytes


class Inject(Message, frozen=True):
    """Fail on purpose at the next turn: kind is `exception` or `spin`."""

    kind: str


class Impair(Message, frozen=True):
    """To the driver: do this to frames from now on; `frames` as core/control/impairment.py reads it. To replicas: send
    single packets as long as it is anything."""

    frames: str
    seed: int


class Stop(Message, frozen=True):
    """Clean up and exit with 0."""


class Queue(msgspec.Struct, array_like=True, frozen=True):
    """One queue pair of a NIC. `state` is open (new flows too), draining (old flows only) or closed (nothing)."""

    replica: int
    generation: int
    state: str
    to_replica: str
    to_driver: str
    doorbell: str


class Queues(Message, frozen=True):
    """To the driver: the queue pairs that there shall be."""

    queues: list[Queue]


class Mirror(msgspec.Struct, array_like=True, frozen=True):
    """A ring that gets a copy of each frame that the driver writes to its device (`sent`), reads from it (`received`),
    or `both`; nic/mirror.py has the layout. A path is never used twice."""

    path: str
    generation: int
    which: str


class Mirrors(Message, frozen=True):
    """To the driver: the mirrors that there shall be."""

    mirrors: list[Mirror]


class Attach(Message, frozen=True):
    """To a replica: this is your queue pair to a NIC. Sent at the start and whenever its driver was reborn: open
    it, tell your live flows (FLOW records), say FLOWS_TOLD."""

    nic: int
    driver_generation: int
    to_replica: str
    to_driver: str
    doorbell: str
    """The driver's doorbell."""


class Replica(msgspec.Struct, array_like=True, frozen=True):
    """One living replica. `accepting` is false while it drains."""

    replica: int
    generation: int
    accepting: bool
    doorbell: str


class Replicas(Message, frozen=True):
    """To the SYSCALL server: the living replicas."""

    replicas: list[Replica]


# ---- an application to the SYSCALL server ----
class Hello(Message, frozen=True):
    """I am an application; `doorbell` is the path of my FIFO. Repeated after a restart of the server."""

    name: str
    pid: int
    doorbell: str
    version: int = VERSION


class Listen(Message, frozen=True):
    """socket(), bind() and listen() in one: `address` is "" for any. Repeating a request is harmless."""

    request: int
    address: str
    port: int
    backlog: int
    reuse_port: bool = False
    options: dict[int, int] = {}
    """What connections begin with, by the numbers of channel/socket_options.py."""
    datagrams: bool = False
    """A UDP socket: bind() alone; backlog and options mean nothing."""


class Tune(Message, frozen=True):
    """Connections of this listening socket begin with these options from now on (and no others)."""

    request: int
    listener: int
    options: dict[int, int]


class Unlisten(Message, frozen=True):
    """Close a listening socket in every replica."""

    request: int
    listener: int


class Goodbye(Message, frozen=True):
    """The application ends in order."""


# ---- the SYSCALL server to an application ----
class Welcome(Message, frozen=True):
    """You are application `app`; requests unanswered so far shall be repeated."""

    app: int
    server_generation: int


class Link(msgspec.Struct, array_like=True, frozen=True):
    """The channel pair between an application and one incarnation of a replica."""

    replica: int
    generation: int
    accepting: bool
    to_app: str
    to_replica: str
    doorbell: str
    """The replica's doorbell."""


class Links(Message, frozen=True):
    """The links that you shall have; a link that is not listed any more is dead: its connections are reset."""

    links: list[Link]
    channel: str = "ring"
    """The kind of all these channels, as core/channel/endpoint.py names it."""


class Listening(Message, frozen=True):
    """Listen succeeded in all living replicas."""

    request: int
    listener: int
    address: str
    port: int


class Done(Message, frozen=True):
    """A request without a result succeeded."""

    request: int


class Refused(Message, frozen=True):
    """A request failed with this errno."""

    request: int
    errno: int
    message: str


# ---- the SYSCALL server and a replica ----
class ReplicaHello(Message, frozen=True):
    """A replica to the server, at its start and whenever the server's generation changed."""

    replica: int
    generation: int


class AppLink(msgspec.Struct, array_like=True, frozen=True):
    """One application as a replica sees it."""

    app: int
    to_app: str
    to_replica: str
    doorbell: str
    """The application's doorbell."""


class Subsocket(msgspec.Struct, array_like=True, frozen=True):
    """One listening socket, or bound UDP socket, as a replica sees it (paper section 3.3)."""

    listener: int
    app: int
    address: str
    port: int
    backlog: int
    options: dict[int, int] = {}
    datagrams: bool = False


class Setup(Message, frozen=True):
    """To a replica: the applications and subsockets that it shall have. Gone ones are reset and closed."""

    serial: int
    apps: list[AppLink]
    subsockets: list[Subsocket]


class SetupDone(Message, frozen=True):
    """From a replica: Setup with this serial is in force."""

    replica: int
    generation: int
    serial: int


# ---- the CLI and the supervisor ----
class Command(Message, frozen=True):
    """A verb and its arguments, e.g. `scale` {"replicas": 6}; the answer is one Answer, or many while following."""

    verb: str
    arguments: dict[str, str | int | bool]


class Answer(Message, frozen=True):
    """`code` is the exit code; `body` is JSON."""

    code: int
    message: str
    body: bytes
    last: bool = True


FromChild = Announce | Beat | PeerFaulted | Snapshot | ListenersReady | MirrorEnded
ToChild = Assign | Inject | Stop | Queues | Replicas | Attach | Mirrors | Impair
ToSyscall = Hello | Listen | Unlisten | Tune | Goodbye | ReplicaHello | SetupDone
FromSyscall = Welcome | Links | Listening | Done | Refused | Setup

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The octets of a message."""
    return _encoder.encode(message)


from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
to_syscall: msgspec.msgpack.Decoder[ToSyscall] = msgspec.msgpack.Decoder(ToSyscall)
from_syscall: msgspec.msgpack.Decoder[FromSyscall] = msgspec.msgpack.Decoder(FromSyscall)
command: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
answer: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
