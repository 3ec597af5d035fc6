"""The work of `neatctl conformance serve`: a Unix socket, and a process of its own for every client.

A client's process has its whole stack, so that a fault found by one test ends that test alone, and nothing of one test
is left for the next. Ctrl-C ends all of them; the socket and the run directories go with the server.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from neatctl.core.native import now_us
from neatctl.testbed.bridge.client_session import Session
from neatctl.testbed.bridge.hello import BadHello, options_of, text_of
from neatctl.testbed.bridge.one_thread import BridgeOptions
from neatctl.testbed.screens import note
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE

MAX_CLIENTS = 32
PATH_OCTETS = 107
"""The longest path of a Unix socket (unix(7)), less its final zero."""
SCHEMA = 1
_CHUNK = 1 << 16
_TURN_US = 1_000_000
_GOODBYE_S = 2.0


class Cannot(Exception):
    """The socket cannot be made; the message says why and what to do."""


def serve(path: Path, text: str, as_json: bool) -> int:
    """Serve until Ctrl-C. `text`: the options of a client's HELLO that does not say otherwise."""
    try:
        defaults = options_of(text, BridgeOptions())
        listening = _listen(path)
    except (BadHello, Cannot) as error:
        note(f"neatctl: {error}")
        return USAGE if isinstance(error, BadHello) else DID_NOT_HOLD
    if as_json:
        told = {"schema": SCHEMA, "socket": str(path), "pid": os.getpid(), "options": text_of(defaults)}
        print(msgspec.json.encode(told).decode(), flush=True)
    else:
        print(f"one stack for each client of {path}: {text_of(defaults)}", flush=True)
    server = Server(listening, defaults)
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.end()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return HELD


def _listen(path: Path) -> socket.socket:
    """The listening socket; one that a killed server left behind is replaced, one that is served is not."""
    if len(os.fsencode(path)) > PATH_OCTETS:
        raise Cannot(f"{path}: too long for a Unix socket (at most {PATH_OCTETS} octets)")
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise Cannot(f"{path} exists, and is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            except OSError as error:
                raise Cannot(f"{path}: {error.strerror}") from None
            else:
                raise Cannot(f"{path} is served already")
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise Cannot(f"{path}: {error.strerror}") from None
    finally:
        os.umask(before)
    listening.listen(MAX_CLIENTS)
    return listening


class Server:
    """Takes clients, starts a process for each, and sees to it that nothing is left of those that ended."""

    def __init__(self, listening: socket.socket, defaults: BridgeOptions) -> None:
        self._listening = listening
        self._defaults = defaults
        memory = "/dev/shm"
        self._base = tempfile.mkdtemp(prefix="neatctl-bridge-", dir=memory if os.path.isdir(memory) else None)
        self._clients: dict[int, tuple[int, str]] = {}
        """The process of each client and its run directory, by pidfd."""
        self._number = 0

    def run(self) -> None:
        """Serve, until a signal raises."""
        signal.signal(signal.SIGTERM, _interrupt)
        door = self._listening.fileno()
        while True:
            places = [door] if len(self._clients) < MAX_CLIENTS else []
            ready, _, _ = select.select([*places, *self._clients], [], [])
            for fd in ready:
                if fd == door:
                    self._take()
                else:
                    self._reap(fd)

    def _take(self) -> None:
        client, _ = self._listening.accept()
        self._number += 1
        run = f"{self._base}/{self._number}"
        os.mkdir(run)
        pid = os.fork()
        if pid == 0:
            self._listening.close()
            for fd in self._clients:
                os.close(fd)
            _live(client, lambda: serve_client(client, Session(run, self._defaults)))
        client.close()
        self._clients[os.pidfd_open(pid)] = (pid, run)

    def _reap(self, pidfd: int) -> None:
        pid, run = self._clients.pop(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            note(f"neatctl: the process {pid} of a client ended with {code}")
        shutil.rmtree(run, ignore_errors=True)

    def end(self) -> None:
        """End all clients, and leave nothing behind."""
        self._listening.close()
        for pid, _ in self._clients.values():
            os.kill(pid, signal.SIGTERM)
        limit = time.monotonic() + _GOODBYE_S
        for pidfd, (pid, _) in list(self._clients.items()):
            if not select.select([pidfd], [], [], max(limit - time.monotonic(), 0))[0]:
                os.kill(pid, signal.SIGKILL)
            self._reap(pidfd)
        shutil.rmtree(self._base, ignore_errors=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _live(client: socket.socket, life: Callable[[], None]) -> None:
    """The whole life of a client's process; whatever ends it is seen by the parent."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        life()
        code = 0
    except KeyboardInterrupt:
        code = 0
    finally:
        if code:
            sys.excepthook(*sys.exc_info())
        client.close()
        sys.stderr.flush()
        os._exit(code)


def serve_client(client: socket.socket, session: Session) -> None:
    """Move octets between a client and its session until either ends."""
    client.setblocking(False)
    try:
        while not session.ended or session.output:
            session.turn()
            session.work()
            due = session.deadline()
            wait_us = min(max(due - now_us(), 0), _TURN_US) if due >= 0 else _TURN_US
            if session.output:
                _send(client, session)
            reading = [client] if session.hungry else []
            # Not a poll(2): retransmission timers want microseconds.
            ready, _, _ = select.select(reading, [client] if session.output else [], [], wait_us / 1e6)
            if ready:
                octets = client.recv(_CHUNK)
                if not octets:
                    return
                session.receive(octets)
                _send(client, session)
    except ConnectionError:
        return
    finally:
        session.close()


def _send(client: socket.socket, session: Session) -> None:
    """Send what the client takes now."""
    try:
        sent = client.send(session.output)
    except BlockingIOError:
        return
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise ConnectionResetError(errno.ECONNRESET, "the client is gone") from None
        raise
    del session.output[:sent]
