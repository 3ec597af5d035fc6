"""Asks a supervisor: the command line's end of the socket `command`.

Whether a supervisor lives is told by the lock of its run directory, so that nobody waits for the dead.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import zmq

from neatctl.core.control import messages
from neatctl.core.control.events import Event
from neatctl.core.control.messages import Answer, Command
from neatctl.core.control.status import Status
from neatctl.core.process.run_directory import RunDirectory

ANSWER_LIMIT_MS = 5_000


class NotRunning(Exception):
    """There is no supervisor; the message says what to do."""


class Unresponsive(Exception):
    """There is a supervisor, but it does not answer."""


def require_running(run: RunDirectory) -> None:
    """NotRunning unless a supervisor lives."""
    if run.locked():
        return
    if run.record() is not None:
        raise NotRunning(
            f"the supervisor of {run.name} was killed; `neatctl down --force --name {run.name}` clears up what it left"
        )
    raise NotRunning(f"no testbed named {run.name} is running; `neatctl up --name {run.name}` starts one")


def ask(run: RunDirectory, verb: str, limit_ms: int = ANSWER_LIMIT_MS, **arguments: str | int | bool) -> Answer:
    """One question, one answer."""
    return next(follow(run, verb, limit_ms, **arguments))


def status(run: RunDirectory) -> Status:
    """How it is now."""
    return msgspec.json.decode(ask(run, "status").body, type=Status)


def events(run: RunDirectory, since: int = 0) -> list[Event]:
    """What happened after the event of this serial."""
    return msgspec.json.decode(ask(run, "events", since=since).body, type=list[Event])


def follow(run: RunDirectory, verb: str, limit_ms: int, **arguments: str | int | bool) -> Iterator[Answer]:
    """One question, its answers until the last; `limit_ms` is for the first, the others take what they take."""
    require_running(run)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    try:
        socket.connect(run.endpoint("command"))
        socket.send(messages.encode(Command(verb, arguments)))
        limit = limit_ms
        while True:
            while not socket.poll(min(limit, 1000)):
                limit = limit - 1000 if limit < 1 << 30 else limit
                if not run.locked():
                    raise NotRunning(f"the testbed {run.name} ended before it answered")
                if limit <= 0:
                    raise Unresponsive(f"the supervisor of {run.name} does not answer; `neatctl down --force` ends it")
            answer = messages.answer.decode(socket.recv())
            yield answer
            if answer.last:
                return
            limit = 1 << 30
    finally:
        socket.close()
        context.term()
