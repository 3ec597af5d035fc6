"""The load client `python -m neatctl.apps.load`: its command line and its JSON, schema 2 (see that package)."""

from __future__ import annotations

import sys

import msgspec
from msgspec.structs import asdict

from neatctl.testbed.bench.outcome import Outcome, merged_errors
from neatctl.testbed.bench.results import Errors, Latency, Workload

PROGRAM = ""
WARMS_UP = True
SCHEMA = 2


class BadOutput(Exception):
    """A load client said something that is no report of its kind; the message has its last words."""


class _WarmUp(msgspec.Struct):
    seconds: float = 0.0
    requests: int = 0
    errors: Errors = Errors()


class _Said(msgspec.Struct):
    """What is read of the client's object."""

    schema: int
    seconds: float
    requests: int
    octets_in: int
    connections_wanted: int
    connections_achieved: int
    connections_opened: int
    errors: Errors
    latency: Latency
    begun_monotonic_us: int
    error_reasons: dict[str, int] = {}
    warm_up: _WarmUp | None = None
    unanswered: int | None = None
    unsent: int | None = None
    service_time: Latency | None = None
    connect_time: Latency | None = None
    stopped_by: str | None = None


def lacks(_workload: Workload) -> str:
    """Nothing."""
    return ""


def command(url: str, workload: Workload, seed: int, _directory: str) -> list[str]:
    """Its command line."""
    argv = [
        sys.executable, "-m", "neatctl.apps.load", url,
        "--connections", str(workload.connections),
        "--requests-per-connection", str(workload.requests_per_connection),
        "--seconds", str(workload.seconds),
        "--warm-up", str(workload.warm_up_s),
        "--timeout", str(workload.timeout_s),
        "--seed", str(seed),
    ]  # fmt: skip
    if workload.rate is not None:
        argv += ["--rate", str(workload.rate)]
    if workload.octets is not None:
        argv += ["--expect-octets", str(workload.octets)]
    return argv


def last_words(out: str, err: str) -> str:
    """The last line of what a process said, for a message."""
    lines = [line for line in (out + "\n" + err).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def _reasons_of(warm_up: Errors) -> dict[str, int]:
    """The errors of the warm-up, of which the client says the classes alone."""
    return {f"{kind} in the warm-up": count for kind, count in asdict(warm_up).items() if count}


def outcome(out: str, err: str, code: int, _workload: Workload) -> Outcome:
    """Its report."""
    try:
        said = msgspec.json.decode(out, type=_Said)
    except msgspec.DecodeError as error:
        raise BadOutput(f"the load client exited with {code}: {last_words(out, err)} ({error})") from None
    if said.schema != SCHEMA:
        raise BadOutput(f"the load client's report is of schema {said.schema}, not {SCHEMA}")
    if said.stopped_by:
        raise BadOutput(f"the load client was stopped by {said.stopped_by}")
    warm_up = said.warm_up or _WarmUp()
    return Outcome(
        seconds=said.seconds,
        requests=said.requests,
        octets_in=said.octets_in,
        connections_wanted=said.connections_wanted,
        connections_achieved=said.connections_achieved,
        connections_opened=said.connections_opened,
        errors=merged_errors([said.errors, warm_up.errors]),
        error_reasons={**said.error_reasons, **_reasons_of(warm_up.errors)},
        unanswered=said.unanswered,
        unsent=said.unsent,
        latency=said.latency,
        service_time=said.service_time,
        connect_time=said.connect_time,
        begun_us=said.begun_monotonic_us + round(warm_up.seconds * 1e6),
    )
