"""The work of the verbs: each function does what its verb says, prints, and returns the exit code.

0: done, or what was asked about holds. 1: it does not. 2: wrong usage. 3: not running.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from neatctl.core.control.events import Event, story
from neatctl.core.process.run_directory import AlreadyRunning, RunDirectory
from neatctl.testbed.screens import note

if TYPE_CHECKING:
    from neatctl.core.control.messages import Answer
    from neatctl.testbed.launch import Report
    from neatctl.testbed.settings import Settings

HELD = 0
DID_NOT_HOLD = 1
USAGE = 2
NOT_RUNNING = 3
DOWN_LIMIT_MS = 10_000


def up(settings: Settings, detached: bool, as_json: bool) -> int:
    """Bring a testbed up: in the background, or here until Ctrl-C."""
    from neatctl.testbed import launch

    begun = time.monotonic()
    events: list[Event] = []

    def report(said: Report) -> None:
        if said.event is not None:
            events.append(said.event)
            if not detached:
                print(msgspec.json.encode(said.event).decode() if as_json else story(said.event), flush=True)
        elif said.ready and not detached and not as_json:
            _say_how_to_reach(settings, time.monotonic() - begun)
            note("Ctrl-C takes it down.")

    try:
        if detached:
            pid = launch.detach(settings, report)
            took_us = int((time.monotonic() - begun) * 1e6)
            if as_json:
                print(msgspec.json.encode({"name": settings.name, "pid": pid, "took_us": took_us}).decode())
            else:
                _say_how_to_reach(settings, took_us / 1e6)
        else:
            launch.hold(settings, report)
    except (launch.Failed, AlreadyRunning, PermissionError) as error:
        for event in events:
            if detached and event.event in {"crashed", "backed_off", "peer_faulted"}:
                note(story(event))
        note(f"neatctl: {error}")
        return DID_NOT_HOLD
    return HELD


def _say_how_to_reach(settings: Settings, took_s: float) -> None:
    name = "" if settings.name == type(settings)().name else f"--name {settings.name} "
    address = settings.address.partition("/")[0]
    address6 = settings.address6.partition("/")[0]
    both = f"{address} and {address6}" if address6 else address
    note(f"{settings.name}: {settings.replicas} replicas serve at {both} after {took_s:.2f} s. Try:")
    note(f"  neatctl exec {name}-- curl http://{address}/")
    if address6:
        note(f"  neatctl exec {name}-- curl -g 'http://[{address6}]/'")


def down(run: RunDirectory, force: bool) -> int:
    """Take a testbed down; with force whatever is left of it, too."""
    from neatctl.testbed import client

    try:
        client.ask(run, "down", DOWN_LIMIT_MS)
        _wait_for_end(run)
        return HELD
    except client.NotRunning as error:
        if not force:
            note(f"neatctl: {error}")
            return NOT_RUNNING
    except client.Unresponsive as error:
        if not force:
            note(f"neatctl: {error}")
            return DID_NOT_HOLD
    _clear(run)
    return HELD


def _wait_for_end(run: RunDirectory) -> None:
    """The answer comes before the supervisor's last step: wait until the directory is free."""
    end = time.monotonic() + DOWN_LIMIT_MS / 1000
    while run.locked() and time.monotonic() < end:
        time.sleep(0.002)


def _clear(run: RunDirectory) -> None:
    """What `--force` does where nobody answers."""
    from neatctl.testbed import force

    if not run.exists():
        os.makedirs(run.path, mode=0o700)
    for found in force.clear(run):
        note(f"cleared: {found}")
    run.release()


def status(run: RunDirectory, as_json: bool, watch: bool, interval_s: float) -> int:
    """Show the status once, or again and again."""
    from neatctl.testbed import client

    if not watch:
        answer = client.ask(run, "status")
        if as_json:
            print(answer.body.decode())
        else:
            _show_status(answer)
        return answer.code
    if as_json:
        while True:
            print(client.ask(run, "status").body.decode(), flush=True)
            time.sleep(interval_s)
    return _watch(run, interval_s)


def _show_status(answer: Answer) -> None:
    from neatctl.core.control.status import Status
    from neatctl.testbed.screens import show_status

    show_status(msgspec.json.decode(answer.body, type=Status))


def _watch(run: RunDirectory, interval_s: float) -> int:
    from neatctl.testbed import client, screens

    if not screens.is_terminal():
        while True:
            _show_status(client.ask(run, "status"))
            time.sleep(interval_s)
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    with contextlib.suppress(KeyboardInterrupt), Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            stories = Text("\n".join(story(event) for event in client.events(run)[-8:]))
            live.update(Group(screens.status_table(client.status(run)), stories), refresh=True)
            time.sleep(interval_s)
    return HELD


def execute(run: RunDirectory, command: list[str]) -> int:
    """Become a command on the clients' side; returns only when that cannot be."""
    from neatctl.testbed import client, network

    client.require_running(run)
    record = run.record()
    if record is None:
        note(f"neatctl: the testbed {run.name} is not up yet")
        return NOT_RUNNING
    try:
        network.enter_client_side(record.client_netns, record.supervisor.pid)
    except OSError as error:
        note(f"neatctl: the clients' side cannot be entered: {error}")
        return DID_NOT_HOLD
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        note(f"neatctl: {command[0]}: there is no such command")
        return 127
    except OSError as error:
        note(f"neatctl: {command[0]}: {error.strerror}")
        return 126


def inject(run: RunDirectory, component: str, index: int, kind: str, wait: bool, as_json: bool) -> int:
    """Make a component fail."""
    from neatctl.testbed import client

    answer = client.ask(run, "inject", 20_000, component=component, index=index, kind=kind, wait=wait)
    done = f"injected {kind} into"
    return _tell_of_place(answer, done, as_json, wait)


def impair(run: RunDirectory, frames: str | None, seed: int | None, as_json: bool) -> int:
    """Have the driver do something to frames from now on, or nothing any more; None: say what it does."""
    from neatctl.testbed import client

    given: dict[str, Any] = {"frames": frames, "seed": seed}
    answer = client.ask(run, "impair", **{key: value for key, value in given.items() if value is not None})
    if answer.code:
        note(f"neatctl: {answer.message}")
    elif as_json:
        print(answer.body.decode())
    else:
        now = msgspec.json.decode(answer.body)["frames"] or "no impairment"
        note(f"{run.name}: {now}" + ("" if frames is None else ", from now on"))
    return answer.code


def recover(run: RunDirectory, component: str, index: int, as_json: bool) -> int:
    """Restart a component on purpose, and wait until it serves."""
    from neatctl.testbed import client

    answer = client.ask(run, "recover", 20_000, component=component, index=index, wait=True)
    return _tell_of_place(answer, "restarted", as_json, True)


def _tell_of_place(answer: Answer, done: str, as_json: bool, waited: bool) -> int:
    if answer.code:
        note(f"neatctl: {answer.message}")
    elif as_json:
        print(answer.body.decode())
    else:
        body = msgspec.json.decode(answer.body)
        serves = f"; serves again after {body['took_us'] / 1000:.1f} ms" if waited else ""
        print(f"{done} {answer.message} (pid {body['pid']}){serves}")
    return answer.code


def scale(run: RunDirectory, replicas: int, wait: bool, wait_s: float, as_json: bool) -> int:
    """Have so many replicas."""
    from neatctl.testbed import client

    limit_ms = int(wait_s * 1000)
    answer = client.ask(
        run, "scale", limit_ms + client.ANSWER_LIMIT_MS, replicas=replicas, wait=wait, limit_us=limit_ms * 1000
    )
    if answer.code:
        note(f"neatctl: {answer.message}")
    elif as_json:
        print(answer.body.decode())
    else:
        body = msgspec.json.decode(answer.body)
        parts = [
            f"{word} {', '.join(map(str, body[key]))}"
            for key, word in (("added", "added"), ("taken_back", "taken back"), ("draining", "draining"))
            if body[key]
        ]
        print(f"{replicas} replicas: {'; '.join(parts) or 'nothing to do'}")
    return answer.code


def events(run: RunDirectory, following: bool, as_json: bool) -> int:
    """Show what happened, and go on with what happens."""
    from neatctl.testbed import client

    with contextlib.suppress(KeyboardInterrupt):
        for answer in client.follow(run, "events", client.ANSWER_LIMIT_MS, follow=following):
            for event in msgspec.json.decode(answer.body or b"[]", type=list[Event]):
                print(msgspec.json.encode(event).decode() if as_json else story(event), flush=True)
    return HELD


def logs(run: RunDirectory, component: str, index: int | None) -> int:
    """Show what processes wrote, the oldest first."""
    from neatctl.core.control.children import component_of

    directory = run.path / "log"
    if not directory.is_dir():
        note(f"neatctl: no testbed named {run.name} is running")
        return NOT_RUNNING
    wanted = component_of(component) or component
    if component and index is not None:
        wanted = f"{wanted}.{index}"
    files = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in files:
        if not component or path.name.startswith(f"{wanted}."):
            _show_log(path)
    return HELD


def _show_log(path: Path) -> None:
    for line in path.read_text(errors="replace").splitlines():
        print(f"{path.stem}: {line}")


def version(as_json: bool) -> int:
    """Which version, and which packet path."""
    from neatctl import __version__
    from neatctl.core.native import COMPILED

    mode = "compiled" if COMPILED else "pure"
    if as_json:
        python = sys.version.split()[0]
        body = {"schema": 1, "name": "neatctl", "version": __version__, "compiled": COMPILED, "python": python}
        print(msgspec.json.encode(body).decode())
    else:
        print(f"neatctl {__version__} ({mode}, Python {sys.version.split()[0]})")
    return HELD


def doctor(as_json: bool) -> int:
    """What this machine lacks."""
    from neatctl.testbed.doctor import examine
    from neatctl.testbed.screens import show_table

    findings = examine()
    good = all(finding.ok != "no" for finding in findings)
    if as_json:
        print(msgspec.json.encode({"schema": 1, "ok": good, "findings": findings}).decode())
    else:
        rows = [[f.subject, f.ok, f.found, f.mend] for f in findings]
        show_table("", ("subject", "ok", "found", "command that mends it"), rows)
        note("testbeds can run here" if good else "testbeds cannot run here: see the rows with `no`")
    return HELD if good else DID_NOT_HOLD
