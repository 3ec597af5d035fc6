"""What the SYSCALL server knows, and what of it outlives the process: the snapshot.

Applications, listening sockets and replicas with their numbers. Numbers of applications, listeners and
Setups begin anew above all earlier ones in each generation of the server, so that none is used twice
even if a snapshot was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from neatctl.core.control.messages import AppLink, Done, Link, Listening, Refused

VERSION = 1
_NUMBERS = 20
"""Bits of a number that one generation of the server counts with."""
_LISTENER_MASK = 0xFFFFFFFF
REMEMBERED_ANSWERS = 64


class AppRecord(msgspec.Struct, array_like=True):
    """An application in a snapshot."""

    identity: bytes
    app: int
    name: str
    pid: int
    doorbell: str


class ListenerRecord(msgspec.Struct, array_like=True):
    """A listening socket. `request` is the number that its application gave the request."""

    listener: int
    app: int
    request: int
    address: str
    port: int
    backlog: int
    options: dict[int, int] = {}
    reuse_port: bool = False
    datagrams: bool = False


class ReplicaRecord(msgspec.Struct, array_like=True):
    """One incarnation of a replica; `identity` is b"" while it has not said hello."""

    replica: int
    generation: int
    accepting: bool
    doorbell: str
    identity: bytes


class State(msgspec.Struct, array_like=True):
    """A snapshot."""

    version: int
    apps: list[AppRecord]
    listeners: list[ListenerRecord]
    replicas: list[ReplicaRecord]
    next_port: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def encode_state(state: State) -> bytes:
    return _encoder.encode(state)


def decode_state(snapshot: bytes) -> State | None:
    """The state of a snapshot; None if it is empty, or of another version or torn: then all say hello again."""
    if not snapshot:
        return None
    try:
        state = _decoder.decode(snapshot)
    except msgspec.DecodeError:
        return None
    return state if state.version == VERSION else None


def first_number(generation: int) -> int:
    """The first number that this generation of the server gives: above all of earlier ones."""
    return (generation << _NUMBERS) + 1


def first_listener(generation: int) -> int:
    """The same for listeners, whose numbers have 32 bits in the channels' records."""
    return ((generation << _NUMBERS) & _LISTENER_MASK) + 1


@dataclass(slots=True)
class App:
    """A living application."""

    record: AppRecord
    answers: dict[int, Listening | Done | Refused] = field(default_factory=dict)
    """The last answers by request: a repeated request is answered again, not done again."""
    greet_us: int = -1
    """When it is to be told its links again, because a message did not go out; -1 if it knows them."""

    def remember(self, answer: Listening | Done | Refused) -> None:
        self.answers[answer.request] = answer
        if len(self.answers) > REMEMBERED_ANSWERS:
            del self.answers[next(iter(self.answers))]


@dataclass(slots=True)
class Peer:
    """A living incarnation of a replica."""

    record: ReplicaRecord
    done_serial: int = 0
    """The last Setup that it said is in force."""
    due_us: int = 0
    """When its Setup is sent again."""
    ready_told: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.record.replica, self.record.generation


@dataclass(slots=True)
class Listener:
    """A listening socket; in force when `awaits` is empty."""

    record: ListenerRecord
    serial: int
    """The first Setup that holds it."""
    awaits: set[tuple[int, int]]
    """Incarnations of replicas that have not said SetupDone since."""


def channel_names(rings: str, app: AppRecord, replica: ReplicaRecord) -> tuple[str, str]:
    """The paths of the channels to the application and to the replica: names that are used once."""
    stem = f"{rings}/app.{app.app}.replica.{replica.replica}.{replica.generation}"
    return f"{stem}.to-app", f"{stem}.to-replica"


def link_of_app(rings: str, app: AppRecord, replica: ReplicaRecord) -> Link:
    to_app, to_replica = channel_names(rings, app, replica)
    return Link(replica.replica, replica.generation, replica.accepting, to_app, to_replica, replica.doorbell)


def link_of_replica(rings: str, app: AppRecord, replica: ReplicaRecord) -> AppLink:
    return AppLink(app.app, *channel_names(rings, app, replica), app.doorbell)
