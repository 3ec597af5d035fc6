"""One run of the load client: warm-up, measured period, orderly end, and the report of it.

The shape of the report is told by the package's docstring.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
import time

import msgspec

from neatctl.apps.load.engine import Engine
from neatctl.apps.load.histogram import Summary, summary_of
from neatctl.apps.load.kernel import COMPILED, Target, exact_timers, now_us
from neatctl.apps.load.options import Options, parse
from neatctl.apps.load.outcome import Broken

SCHEMA = 2
SLOT_US = 100_000
"""Of the curve of requests; as often signals are looked at."""
PROGRESS_US = 1_000_000
LEAVING_US = 1_000_000
"""So much time have connections to end in order, after the measured period."""


class WarmUp(msgspec.Struct):
    """What is not counted."""

    seconds: float
    requests: int
    errors: dict[str, int]


class Report(msgspec.Struct):
    """What the load client prints; the package's docstring explains every field."""

    schema: int
    url: str
    seed: int
    compiled: bool
    connections_wanted: int
    connections_achieved: int
    connections_opened: int
    requests_per_connection: int
    rate_wanted: float | None
    begun_monotonic_us: int
    seconds: float
    requests: int
    requests_per_s: float
    octets_in: int
    errors: dict[str, int]
    errors_total: int
    error_reasons: dict[str, int]
    warm_up: WarmUp
    closed_by_server: int
    unanswered: int
    unsent: int
    latency: Summary
    service_time: Summary | None
    connect_time: Summary
    cpu_us: int
    broken_connections: int
    unbroken_connections: int
    broken: list[Broken]
    broken_left_out: int
    requests_per_100_ms: list[int]
    stopped_by: str | None = None


class Unresolvable(Exception):
    """A host without an IPv4 address; the message says which."""


def address_of(host: str) -> str:
    """The IPv4 address of a host."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        raise Unresolvable(f"{host} has no IPv4 address: {error}") from error


class Session:
    """One run. `stop` ends it early, from a signal handler for example."""

    def __init__(self, options: Options) -> None:
        self._options = options
        target = Target(address_of(options.host), options.port)
        self._begin_us = now_us()
        self.engine = Engine(target, options, self._begin_us)
        self._stopped_by: str | None = None
        self._per_slot: list[int] = []
        self._measured_us = self._begin_us
        """Since when is measured."""
        self._measured_cpu_us = _cpu_us()
        self._warm_up = WarmUp(0.0, 0, dict(self.engine.outcome.errors))
        self._told_us = self._begin_us
        self._told_requests = 0
        self._told_errors = 0

    def stop(self, name: str) -> None:
        """End as soon as may be, and say why in the report."""
        self._stopped_by = name

    def run(self) -> Report:
        """Load, count, close."""
        options = self._options
        if options.warm_up_s:
            self._until(self._begin_us + int(options.warm_up_s * 1_000_000), measured=False)
            if self._stopped_by is None:
                self._measure()
        self._until(self._measured_us + int(options.seconds * 1_000_000), measured=True)
        report = self._report()
        self._leave(report)
        self.engine.close()
        return report

    def _leave(self, report: Report) -> None:
        """Let the connections end. A request of the measured period is waited for until its time-out, an error then."""
        engine, options = self.engine, self._options
        engine.leave()
        before = engine.outcome.errors["timeout"]
        until_us = now_us() + LEAVING_US
        if report.unanswered and self._stopped_by is None:
            until_us = max(until_us, now_us() + int(options.timeout_s * 1_000_000) + LEAVING_US)
        while engine.busy() and now_us() < until_us:
            engine.run(until_us)
        timed_out = min(engine.outcome.errors["timeout"] - before, report.unanswered)
        if timed_out:
            report.errors["timeout"] += timed_out
            report.errors_total += timed_out
            report.unanswered -= timed_out
            report.error_reasons["timeout: answer, after the end"] = timed_out

    def _until(self, until_us: int, measured: bool) -> None:
        """Load until then, slot by slot."""
        while self._stopped_by is None and (now := now_us()) < until_us:
            slot_us = self._begin_us + (len(self._per_slot) + 1) * SLOT_US
            if now >= slot_us:
                self._per_slot.append(self.engine.all_requests - sum(self._per_slot))
                continue
            if self._options.progress and now >= self._told_us + PROGRESS_US:
                self._tell(measured)
            self.engine.run(min(slot_us, until_us))

    def _measure(self) -> None:
        """The warm-up is over."""
        engine = self.engine
        now = now_us()
        errors = dict(engine.outcome.errors)
        self._warm_up = WarmUp((now - self._begin_us) / 1_000_000, engine.requests, errors)
        engine.measure()
        self._measured_us = now
        self._measured_cpu_us = _cpu_us()

    def _tell(self, measured: bool) -> None:
        """A line of progress."""
        engine = self.engine
        self._told_us += PROGRESS_US
        line = {
            "at_s": round((self._told_us - self._begin_us) / 1_000_000, 3),
            "measured": measured,
            "requests": engine.all_requests - self._told_requests,
            "errors_total": engine.outcome.total - self._told_errors,
            "open": engine.open,
        }
        self._told_requests, self._told_errors = engine.all_requests, engine.outcome.total
        print(msgspec.json.encode(line).decode(), file=sys.stderr, flush=True)

    def _report(self) -> Report:
        options, engine, outcome = self._options, self.engine, self.engine.outcome
        now = now_us()
        seconds = (now - self._measured_us) / 1_000_000
        self._per_slot.append(engine.all_requests - sum(self._per_slot))
        return Report(
            schema=SCHEMA,
            url=options.url,
            seed=options.seed,
            compiled=COMPILED,
            connections_wanted=options.connections,
            connections_achieved=engine.most_open,
            connections_opened=engine.opened,
            requests_per_connection=options.requests_per_connection,
            rate_wanted=options.rate or None,
            begun_monotonic_us=self._begin_us,
            seconds=seconds,
            requests=engine.requests,
            requests_per_s=round(engine.requests / seconds, 1) if seconds else 0.0,
            octets_in=engine.octets_in,
            errors=dict(outcome.errors),
            errors_total=sum(outcome.errors.values()),
            error_reasons=dict(outcome.reasons.most_common()),
            warm_up=self._warm_up,
            closed_by_server=engine.closed_by_server,
            unanswered=engine.asked,
            unsent=engine.unsent(now),
            latency=summary_of(engine.latency),
            service_time=summary_of(engine.service_time) if options.rate else None,
            connect_time=summary_of(engine.connect_time),
            cpu_us=_cpu_us() - self._measured_cpu_us,
            broken_connections=outcome.broken_connections,
            unbroken_connections=options.connections - outcome.broken_connections,
            broken=list(outcome.broken),
            broken_left_out=outcome.broken_left_out,
            requests_per_100_ms=list(self._per_slot),
            stopped_by=self._stopped_by,
        )


def _cpu_us() -> int:
    return time.process_time_ns() // 1000


def _allow_descriptors(wanted: int) -> None:
    """Raise the limit of open descriptors as far as this process may; what is still lacking is counted as fd_limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))


def main() -> int:
    """The command."""
    options = parse()
    _allow_descriptors(options.connections + 64)
    exact_timers()
    try:
        session = Session(options)
    except Unresolvable as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    stopped = 0

    def stop(number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = number
        session.stop(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    report = session.run()
    print(msgspec.json.encode(report).decode(), flush=True)
    if stopped:
        return 128 + stopped
    wrong = [report.errors, report.warm_up.errors]
    return int(not report.requests or any(errors["status"] or errors["content"] for errors in wrong))
