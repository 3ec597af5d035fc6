"""The work of `neatctl fetch`: join a running testbed as a program, download, and say by which replicas."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from neatctl.apps.http_client import BadUrl, Outcome, Url, download
from neatctl.core.process.run_directory import RunDirectory
from neatctl.core.sockets import Stack
from neatctl.testbed import client
from neatctl.testbed.screens import note
from neatctl.testbed.verbs import DID_NOT_HOLD, HELD, USAGE

SCHEMA = 1
_MOST_TOLD = 5
"""Kinds of errors told to people; JSON has all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    url: str
    connections: int
    timeout_s: float
    out: Path | None


class FetchReport(msgspec.Struct):
    """What `--json` prints."""

    schema: int
    url: str
    octets: int
    """Of all bodies together."""
    seconds: float
    completed: int
    failed: int
    sha256: list[str]
    """Of the bodies that came whole, without repeats: one if all are equal."""
    replicas: dict[int, int]
    """How many connections each replica opened."""
    connections: list[Outcome]


def fetch_url(run: RunDirectory, wanted: Wanted, as_json: bool) -> int:
    """Download; 0 if every connection got all and the same, 1 if not, 2 for a URL that cannot be."""
    try:
        url = Url.parse(wanted.url)
    except BadUrl as error:
        note(f"neatctl: {error}")
        return USAGE
    client.require_running(run)
    try:
        with (
            Stack.connect_to(str(run.path), "fetch") as stack,
            _kept(wanted.out) as keep,
            _progress(wanted) as progress,
        ):
            begun = time.monotonic()
            outcomes = download(stack, url, wanted.connections, wanted.timeout_s, keep, progress)
            seconds = time.monotonic() - begun
            if outcomes[0].error:
                raise _NotKept
    except _NotKept:
        pass
    except KeyboardInterrupt:
        note("interrupted: nothing was kept")
        return DID_NOT_HOLD
    except OSError as error:
        note(f"neatctl: {error.filename + ': ' if error.filename else ''}{error.strerror or error}")
        return DID_NOT_HOLD
    report = _report(wanted, outcomes, seconds)
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        _show(report, url)
    return HELD if report.failed == 0 and len(report.sha256) == 1 else DID_NOT_HOLD


class _NotKept(Exception):
    """The first connection failed: its file is not to be."""


def _report(wanted: Wanted, outcomes: list[Outcome], seconds: float) -> FetchReport:
    good = [outcome for outcome in outcomes if not outcome.error]
    return FetchReport(
        SCHEMA,
        wanted.url,
        sum(outcome.octets for outcome in outcomes),
        seconds,
        len(good),
        len(outcomes) - len(good),
        sorted({outcome.sha256 for outcome in good}),
        dict(sorted(Counter(outcome.replica for outcome in outcomes if outcome.replica).items())),
        outcomes,
    )


def _show(report: FetchReport, url: Url) -> None:
    used = ", ".join(f"{replica} ({count})" for replica, count in report.replicas.items()) or "none"
    rate = report.octets / report.seconds / 1e6 if report.seconds else 0.0
    whole = f"{report.completed} of {report.completed + report.failed} downloads"
    note(f"{whole}: {report.octets:,} octets in {report.seconds:.3f} s ({rate:.1f} MB/s), by replicas {used}")
    for digest in report.sha256[:_MOST_TOLD]:
        note(f"SHA-256 {digest}")
    errors = Counter(outcome.error for outcome in report.connections if outcome.error)
    for error, count in errors.most_common(_MOST_TOLD):
        note(f"neatctl: {url.address} port {url.port}: {error}" + (f" ({count} connections)" if count > 1 else ""))


@contextlib.contextmanager
def _kept(out: Path | None) -> Iterator[Callable[[bytes], object] | None]:
    """Takes octets into a file that has its name only when all is well."""
    if out is None:
        yield None
        return
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as file:
            yield file.write
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _progress(wanted: Wanted) -> Iterator[Callable[[int, int], object]]:
    """A bar of the downloads that are done, on stderr and only on a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(wanted.url, total=wanted.connections)
        yield lambda done, octets: shown.update(task, completed=done, description=f"{octets:,} octets")
