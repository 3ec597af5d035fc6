"""The demonstration: four replicas, real clients, one replica killed under load, who lost what, and a verdict.

It uses what a user uses: the verbs, `curl`, and the load of persistent connections on the clients'
side. It holds if every answer was right, no connection of another replica broke, and the killed one
serves again without help.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from neatctl.core.control.events import Event
from neatctl.core.control.status import Status
from neatctl.core.process.run_directory import AlreadyRunning, RunDirectory
from neatctl.testbed import client, launch, screens, verbs
from neatctl.testbed.screens import note
from neatctl.testbed.settings import Settings

NAME = "demo"
REPLICAS = 4
VICTIM = 2
RATE = 20_000
"""Requests/s: so that no connection comes to the web server's limit of 1,000 requests and is closed in order."""
_NEATCTL = [sys.executable, "-m", "neatctl"]
_BARS = " ▁▂▃▄▅▆▇█"
STEPS = ("crashed", "detected", "restarted", "announced", "queue_opened", "serving")


@dataclass(slots=True)
class Observed:
    """What the demonstration saw."""

    up_s: float
    before: Status
    after: Status
    events: list[Event]
    load: dict[str, Any]
    killed_at_s: float
    """From the begin of the load."""
    fetched_after: bool


def run_demo(seconds: float, connections: int) -> int:
    """Bring up, load, kill, judge, take down; 0 if it held."""
    run = RunDirectory(NAME)
    settings = Settings(name=NAME, replicas=REPLICAS)
    address = settings.address.partition("/")[0]
    note(f"1. up: {REPLICAS} replicas, a driver, a SYSCALL server and a web server, each a process of its own")
    begun = time.monotonic()
    try:
        launch.detach(settings, lambda _report: None)
    except (launch.Failed, AlreadyRunning) as error:
        note(f"neatctl: {error}")
        return verbs.DID_NOT_HOLD
    up_s = time.monotonic() - begun
    try:
        note(f"   they serve at http://{address}/ after {up_s:.2f} s")
        if not _fetch(address, "/", say=True):
            return verbs.DID_NOT_HOLD
        observed = _break_under_load(run, address, seconds, connections, up_s)
    except (client.NotRunning, client.Unresponsive, subprocess.SubprocessError, json.JSONDecodeError) as error:
        note(f"neatctl: {error}")
        return verbs.DID_NOT_HOLD
    finally:
        note("5. down")
        verbs.down(run, force=True)
    return verbs.HELD if _show(observed) else verbs.DID_NOT_HOLD


def _client(*argv: str) -> list[str]:
    return [*_NEATCTL, "exec", "--name", NAME, "--", *argv]


def _fetch(address: str, path: str, say: bool) -> bool:
    """A real client asks for a page."""
    url = f"http://{address}{path}"
    if shutil.which("curl"):
        what = "%{http_code}, %{size_download} octets"
        argv = ["curl", "-sS", "--fail", "--max-time", "5", "-o", "/dev/null", "-w", what, url]
    else:
        code = f"import urllib.request as u; r = u.urlopen({url!r}, timeout=5); print(r.status, len(r.read()))"
        argv = [sys.executable, "-c", code]
    done = subprocess.run(_client(*argv), capture_output=True, text=True, timeout=20, check=False)
    if say or done.returncode:
        note(f"2. {argv[0]} {url}: {done.stdout.strip() or done.stderr.strip()}")
    return done.returncode == 0


def _break_under_load(run: RunDirectory, address: str, seconds: float, connections: int, up_s: float) -> Observed:
    note(f"3. load: {connections} persistent connections, at most {RATE:,} requests/s, for {seconds:.0f} s")
    module = ["-m", "neatctl.apps.load", f"http://{address}/20b"]
    how = ["--connections", str(connections), "--seconds", str(seconds), "--rate", str(RATE)]
    argv = _client(sys.executable, *module, *how)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as load:
        begun = time.monotonic()
        time.sleep(seconds * 0.4)
        before = client.status(run)
        last = client.events(run)[-1].serial
        note(f"4. inject-fault tcp {VICTIM}: kill -9 while it serves")
        killed_at_s = time.monotonic() - begun
        client.ask(run, "inject", 20_000, component="tcp", index=VICTIM, kind="kill", wait=True)
        time.sleep(max(begun + seconds - 0.3 - time.monotonic(), 0))
        after = client.status(run)
        output, _ = load.communicate(timeout=seconds + 30)
    events = client.events(run, last)
    fetched = _fetch(address, "/20b", say=False)
    return Observed(up_s, before, after, events, json.loads(output), killed_at_s, fetched)


def _show(seen: Observed) -> bool:
    """The last screen, and whether it held."""
    load = seen.load
    steps = {event.event: event for event in seen.events if event.component == "replica" and event.index == VICTIM}
    lost = (steps["crashed"].connections_lost or 0) if "crashed" in steps else 0
    others = max(load["broken_connections"] - lost, 0)
    wrong = load["errors"]["status"] + load["errors"]["content"]
    generations = {row.index: row.generation for row in seen.before.processes if row.component == "replica"}
    untouched = all(
        row.generation == generations.get(row.index) for row in seen.after.processes
        if row.component == "replica" and row.index != VICTIM
    )  # fmt: skip
    rows: list[list[object]] = []
    after = {row.index: row for row in seen.after.processes if row.component == "replica"}
    for row in seen.before.processes:
        if row.component != "replica":
            continue
        victim = row.index == VICTIM
        now = after.get(row.index)
        rows.append(
            [
                row.index,
                "killed" if victim else "untouched",
                row.connections,
                lost if victim else 0 if not others else None,
                now.connections if now else None,
                f"{row.generation} -> {now.generation if now else 0}" if victim else row.generation,
                now.state if now else "gone",
            ]
        )
    columns = ("replica", "", "connections", "lost", "now", "incarnation", "state")
    title = f"Who lost what: {load['connections_wanted']} connections, replica {VICTIM} killed under load"
    screens.show_table(title, columns, rows, (0, 2, 3, 4, 5))
    screens.show_table(
        f"How fast replica {VICTIM} came back",
        ("step", "ms after the kill"),
        [[step.replace("_", " "), (steps[step].since_failure_us or 0) / 1000] for step in STEPS if step in steps],
        (1,),
    )
    print(f"Requests per 100 ms, the kill marked:  {_curve(load['requests_per_100_ms'], seen.killed_at_s)}")
    print(
        f"{load['requests']:,} requests answered ({load['requests_per_s']:,.0f}/s, one client process), {wrong} wrong; "
        f"{load['broken_connections']} of {load['connections_wanted']} connections broke, "
        f"{load['unbroken_connections']} never noticed; up after {seen.up_s:.2f} s"
    )
    judged = {
        f"replica {VICTIM} serves again": "serving" in steps,
        "no connection of another replica broke": others == 0 and untouched,
        "every answer was right": wrong == 0 and load["requests"] > 0,
        "a new client is served": seen.fetched_after,
    }
    for what, held in judged.items():
        print(f"  {'held' if held else 'DID NOT HOLD'}: {what}")
    return all(judged.values())


def _curve(values: list[int], killed_at_s: float) -> str:
    """A line of bars, with a mark where the kill was."""
    top = max(values, default=0) or 1
    bars = [_BARS[round(value / top * (len(_BARS) - 1))] for value in values]
    at = min(int(killed_at_s * 10), len(bars))
    return "".join(bars[:at]) + "×" + "".join(bars[at:])
