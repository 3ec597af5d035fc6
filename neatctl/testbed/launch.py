"""Brings a testbed up and holds it: the supervisor's process, in the foreground or detached.

`python -m neatctl.testbed.launch` is the detached one: it takes its settings as JSON from stdin, and
says on stdout, as JSON lines, how it goes on until it serves or has failed. Whatever happens, what was
made is removed before the process ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from neatctl.core.control.events import Event
from neatctl.core.process.run_directory import AlreadyRunning, RunDirectory
from neatctl.core.process.spawn import interpreter, module_places
from neatctl.testbed.settings import Settings, boot_config

if TYPE_CHECKING:
    from neatctl.core.process.supervisor import Supervisor

UP_LIMIT_US = 30_000_000
"""A testbed that does not serve by then will not."""


class Report(msgspec.Struct, frozen=True):
    """How it goes: an event, or that it serves, or that it failed."""

    ready: bool = False
    failed: str = ""
    event: Event | None = None


class Failed(Exception):
    """The testbed did not come up; the message says why."""


def hold(settings: Settings, report: Callable[[Report], None], detached: bool = False) -> None:
    """Bring a testbed up, hold it until it is told to go (SIGTERM, SIGINT, `down`), remove it. Failed, or
    AlreadyRunning, if it does not come up. The caller has one thread; `detached`: stderr goes to the log."""
    from neatctl.testbed import force

    os.environ["PYTHONPATH"] = module_places()
    run = RunDirectory(settings.name)
    run.take()
    try:
        force.clear(run)
        run.fill()
        if detached:
            with open(run.path / "log" / "supervisor.log", "ab") as log:
                os.dup2(log.fileno(), 2)
        _hold(settings, run, report)
    finally:
        run.release()
    if settings.transport == "inproc":
        # Threads that did not end would hold ZeroMQ, and with it the interpreter, for ever.
        sys.stdout.flush()
        os._exit(0)


def _hold(settings: Settings, run: RunDirectory, report: Callable[[Report], None]) -> None:
    from neatctl.testbed import network

    own_namespace = os.geteuid() != 0
    config = boot_config(settings, str(run.path))
    problem = ""
    try:
        if own_namespace:
            network.enter_user_namespace()
        interfaces = [f"{config.client_address}/{config.prefix_length}"]
        if config.client_address6:
            interfaces.append(f"{config.client_address6}/{config.prefix_length6}")
        setup = network.NetworkSetup(settings.name, interfaces, own_namespace)
    except network.NoNetwork as error:
        raise Failed(str(error)) from None
    # Imported while the network is being made.
    from neatctl.core.process.supervisor import Supervisor

    try:
        said_ready = False

        def on_event(event: Event) -> None:
            nonlocal said_ready
            report(Report(event=event))
            if event.event == "ready" and not said_ready:
                said_ready = True
                report(Report(ready=True))

        supervisor = Supervisor(config, run, on_event)

        def made() -> None:
            supervisor.loop.forget(setup.fileno())
            try:
                supervisor.network_made(setup.finish())
            except network.NoNetwork as error:
                supervisor.testbed.broken = str(error)

        supervisor.loop.watch(setup.fileno(), made)
        try:
            _name_process(f"neatctl: supervisor {settings.name}")
            _end_on_signals(supervisor)
            _give_up_in_time(supervisor)
            supervisor.run()
            if not supervisor.testbed.ready:
                problem = supervisor.testbed.broken or "it was ended before it served"
        finally:
            supervisor.close()
    finally:
        setup.end()
        if not own_namespace:
            network.remove_namespace(network.netns_name(settings.name))
    if problem:
        raise Failed(problem)


def _end_on_signals(supervisor: Supervisor) -> None:
    """SIGTERM, SIGINT and SIGHUP take the testbed down in order."""
    from neatctl.core.native import now_us

    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)

    def woken() -> None:
        os.read(reader, 64)
        supervisor.stop(now_us())

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    supervisor.loop.watch(reader, woken)


def _give_up_in_time(supervisor: Supervisor) -> None:
    """While it comes up: end it when it is broken or takes too long."""
    from neatctl.core.native import now_us

    begun = now_us()
    never = 1 << 62

    def look(now: int) -> int:
        testbed = supervisor.testbed
        if testbed.ready or testbed.stopping:
            return never
        if not testbed.broken and now - begun < UP_LIMIT_US:
            return now + 50_000
        missing = ", ".join(f"{p.name} {p.state}" for p in testbed.places.values() if p.state != "serving")
        testbed.broken = testbed.broken or f"it does not serve after {UP_LIMIT_US // 1_000_000} s: {missing}"
        supervisor.stop(now)
        return never

    supervisor.loop.every(look, begun + 50_000)


def _name_process(title: str) -> None:
    import setproctitle

    setproctitle.setproctitle(title)


# ---- detached ----
def detach(settings: Settings, report: Callable[[Report], None]) -> int:
    """Start a supervisor that outlives us; its pid, once it serves. Failed if it does not."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*interpreter(), "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": module_places()},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(settings))
        process.stdin.close()
        for line in process.stdout:
            said = msgspec.json.decode(line, type=Report)
            if said.failed:
                process.wait()
                raise Failed(said.failed)
            report(said)
            if said.ready:
                process.stdout.close()
                return process.pid
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:] or [""]
    raise Failed(f"the supervisor ended with {process.wait()} before it served: {last[0]}")


def main() -> None:
    """The detached supervisor."""
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    listened = True

    def report(said: Report) -> None:
        nonlocal listened
        if not listened:
            return
        try:
            sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            listened = False
        if said.ready:
            listened = False
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1):
                os.dup2(null, fd)
            os.close(null)

    try:
        hold(settings, report, detached=True)
    except (Failed, AlreadyRunning, OSError) as error:
        report(Report(failed=str(error)))
        sys.exit(1)


if __name__ == "__main__":
    main()
