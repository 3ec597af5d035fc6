"""What a benchmark's report holds, as records: the schema of `neatctl bench --json` and of `report.json`.

docs/bench-schema.json is generated from these records (`make docs`). Times are in microseconds where a name ends in
`_us`, in seconds where it ends in `_s`; sizes are in octets. Opens nothing, measures nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from neatctl.testbed.bench.ratio import Ratio

SCHEMA = 1
"""Rises when a field changes its meaning or goes; new fields do not count."""


class Machine(msgspec.Struct, frozen=True):
    """What the figures hold for."""

    kernel: str
    architecture: str
    cpu: str
    cores: int
    """That this process may use."""
    memory_octets: int
    governor: str | None
    """Of the CPU's frequency; null where the kernel says none, as in most virtual machines."""
    python: str
    neatctl: str
    compiled: bool
    """Whether the packet path is compiled, or plain Python."""
    client: str
    """Name and version of the load client."""


class Workload(msgspec.Struct, frozen=True):
    """What the load client does, all of it: two runs of one workload differ by their seeds only."""

    path: str = "/20b"
    octets: int | None = 20
    """Of the file at `path`, checked in every answer; null: as long as the first answer."""
    connections: int = 64
    """Open at the same time, over all workers."""
    requests_per_connection: int = 0
    """0: until the server closes."""
    seconds: float = 3.0
    """Measured, after the warm-up."""
    warm_up_s: float = 1.0
    rate: float | None = None
    """Requests/s of the open loop, over all workers; null: each connection asks as soon as it was answered."""
    timeout_s: float = 5.0
    workers: int = 1
    """Load processes, which share connections and rate; where the target has as many web servers, each asks its own."""
    client: str = "own"
    """own, wrk or httperf."""
    preset: str | None = None


class Errors(msgspec.Struct, frozen=True):
    """Errors by class, httperf's and a few more. None of them is a request answered."""

    timeout: int = 0
    """No connection, or no whole answer, in time."""
    refused: int = 0
    reset: int = 0
    unreachable: int = 0
    closed: int = 0
    """Closed in order in the middle of an answer, or instead of one."""
    status: int = 0
    """Another status than 200."""
    content: int = 0
    """Wrong length or wrong octets."""
    ports: int = 0
    """The client had no free local port."""
    fd_limit: int = 0
    """The client had no more descriptors."""
    other: int = 0
    """What `error_reasons` says."""

    def total(self) -> int:
        return sum(msgspec.structs.astuple(self))


class Latency(msgspec.Struct, frozen=True):
    """Times in microseconds; null where the client does not say."""

    unit: str = "us"
    count: int = 0
    min: float | None = None
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    p99_99: float | None = None
    max: float | None = None
    hdr: str = ""
    """The whole histogram (HdrHistogram V2, compressed, base64); "" where the client keeps none."""


class Cpu(msgspec.Struct, frozen=True):
    """CPU time spent in `window_s` of the measured period, by component: `driver`, `replica 1`, `web`, `syscall`,
    `supervisor`, `standby`, `client`; `machine`: all cores, kernel and interrupts and everybody included; `others`:
    what of that is none of the former, so kernel threads and processes that are no part of the measurement."""

    window_s: float
    busy_us: dict[str, int]
    us_per_request: dict[str, float]
    """Empty when no request was answered."""


class ReplicaRun(msgspec.Struct, frozen=True):
    """One replica during one run, its warm-up included, by its counters before and after."""

    index: int
    generation_before: int
    """0: it was not there."""
    generation_after: int
    """Another one than before: it was restarted, and its counters began anew."""
    connections_accepted: int
    connections_lost: int
    """With incarnations that failed during the run."""
    packets_in: int
    packets_out: int
    losses: dict[str, int]
    """Counters that tell of loss (drops by reason, retransmissions, resets, full queues) where they rose:
    docs/counters.md."""


class Run(msgspec.Struct, frozen=True):
    """One repetition."""

    repetition: int
    """From 1."""
    seed: int
    begun_unix_s: float
    seconds: float
    """Measured, without the warm-up."""
    requests: int
    """Right answers in the measured period."""
    requests_per_s: float
    octets_in: int | None
    """Heads and contents."""
    octets_per_s: float | None
    connections_wanted: int
    """To be open at one time; with httperf: to be opened in all."""
    connections_achieved: int | None
    """Most that were open at one time; null where the client does not say."""
    connections_opened: int | None
    errors: Errors
    """In the measured period and the warm-up: a failure of either is one."""
    errors_total: int
    error_reasons: dict[str, int]
    unanswered: int | None
    """Sent, and answered only after the end: neither right nor wrong."""
    unsent: int | None
    """Due by the rate, and not sent when the time was over."""
    latency: Latency
    """Open loop: from when a request was due (corrected for coordinated omission)."""
    service_time: Latency | None
    """Open loop: from when a request was sent."""
    connect_time: Latency | None
    cpu: Cpu | None
    replicas: list[ReplicaRun]
    """Empty where the target has none."""
    driver_losses: dict[str, int]
    """Counters of the driver that tell of loss, where they rose."""
    notes: list[str] = []
    """What a reader of these figures must know, such as a process that was restarted meanwhile."""


class TargetFacts(msgspec.Struct, frozen=True):
    """What was loaded."""

    name: str
    """neatctl, or what else it is."""
    url: str
    replicas: int | None = None
    channel: str | None = None
    transport: str | None = None
    compiled: bool | None = None
    version: str = ""
    """Of a program that is not neatctl."""
    web_servers: int | None = None
    """Processes that serve, each on a port of its own."""
    beside_replicas: int | None = None
    """Of the testbed that it took turns with."""


class Spread(msgspec.Struct, frozen=True):
    """Of one figure over the repetitions."""

    median: float
    min: float
    max: float


class Result(msgspec.Struct, frozen=True):
    """All repetitions of one workload on one target."""

    target: TargetFacts
    workload: Workload
    runs: list[Run]
    requests_per_s: Spread
    cpu_us_per_request: dict[str, Spread]
    latency: Latency
    """Of all repetitions together."""
    errors: Errors
    errors_total: int


class Against(msgspec.Struct, frozen=True):
    """Ours against another target, of runs that took turns; ratios are ours over the other's."""

    result: int
    """Ours, by its place in `results`, from 0."""
    base: int
    """The other's."""
    name: str
    """linux (lighttpd on the Linux stack) or limit (the ceiling, which is no stack)."""
    requests_per_s: Ratio
    requests_per_s_each: list[float]
    """The ratio of each repetition."""
    cpu_us_per_request: Ratio | None
    """Of the whole machine, the load client too."""
    p99_us: Ratio | None


class Report(msgspec.Struct, frozen=True):
    """`neatctl bench --json`: one object."""

    schema: int
    kind: str
    """"neatctl bench"."""
    begun: str
    """ISO 8601, UTC."""
    seconds: float
    """Of the whole session."""
    seed: int
    repetitions: int
    machine: Machine
    results: list[Result]
    errors_total: int
    notes: list[str]
    """What a reader of all the figures must know, such as a machine that worked for others meanwhile."""
    held: bool
    """No error, and requests were answered in every run: the exit code is 0."""
    versus: list[Against] = []


KIND = "neatctl bench"


class BadReport(ValueError):
    """A file that is no report; the message says which and why."""


def decode(text: bytes, where: str) -> Report:
    """The report in a file; BadReport for what is none, or one of a schema that is not ours."""
    try:
        head = msgspec.json.decode(text, type=dict[str, Any])
        if head.get("kind") != KIND:
            raise BadReport(f"{where}: not a report of `neatctl bench`")
        if head.get("schema") != SCHEMA:
            raise BadReport(f"{where}: a report of schema {head.get('schema')}; this neatctl reads schema {SCHEMA}")
        return msgspec.json.decode(text, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadReport(f"{where}: not a report of `neatctl bench`: {error}") from None


def encode(report: Report) -> bytes:
    """JSON for a file or standard output, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a report."""
    made = msgspec.json.schema(Report)
    title = f"Report of neatctl bench, schema {SCHEMA}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **made}
