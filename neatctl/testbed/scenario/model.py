"""A scenario as records: a testbed, steps at given times, and what must hold afterwards. The file format is these.

Times are seconds from when the testbed serves. Every step may have a name, by which expectations speak of it. Knows
nothing of files or of running; `reading.py` makes these records, with errors that name a line.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = 1
AnyReplica = int | Literal["any"]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Bed(Table, frozen=True, kw_only=True):
    """The testbed that is brought up, with the settings of `neatctl up`."""

    replicas: int = 4
    channel: str = "ring"
    transport: str = "ipc"
    placement: str = "none"
    impair: str = ""
    """What the driver does to frames from the start, for example `loss=5%`."""
    files: dict[str, int] = {}
    """Files of random octets that the web server serves, by name with their size; without any, the built-in site."""


class Step(Table, frozen=True, kw_only=True):
    """Something at a time."""

    at: float = 0.0
    """Seconds from the start."""
    name: str = ""


class Phase(Step, frozen=True, kw_only=True):
    """Nothing is done: a while of which expectations speak, such as the one before a fault."""

    seconds: float


class Action(Step, frozen=True, kw_only=True):
    """Something that is done."""

    jitter_s: float = 0.0
    """It is done up to so much earlier or later, as the seed decides."""


class Load(Action, frozen=True, kw_only=True):
    """Persistent or short connections that ask for one path."""

    path: str = "/20b"
    connections: int = 32
    requests_per_connection: int = 0
    """0: until the server closes."""
    seconds: float = 2.0
    rate: float = 0.0
    """Requests/s of all connections; 0: each asks as soon as it was answered."""


class Fetch(Action, frozen=True, kw_only=True):
    """Downloads whose octets are compared with the file that is served."""

    path: str
    """Of one of the testbed's `files`."""
    times: int = 1
    parallel: int = 1
    timeout_s: float = 30.0


class Command(Action, frozen=True, kw_only=True):
    """Any command in the clients' namespace; `{address}` in it becomes the appliance's."""

    argv: list[str]
    timeout_s: float = 30.0


class Fault(Action, frozen=True, kw_only=True):
    """A component made to fail (`neatctl inject-fault`)."""

    component: str
    replica: AnyReplica = 0
    """Which replica, for tcp and ip; "any" for one that the seed chooses, the same in the whole scenario."""
    kind: str = "kill"


class Recover(Action, frozen=True, kw_only=True):
    """A component restarted on purpose (`neatctl recover`)."""

    component: str
    replica: AnyReplica = 0
    """Which replica, for tcp and ip; "any" for the one that the seed chooses."""


class Impair(Action, frozen=True, kw_only=True):
    """What the driver does to frames from now on (`neatctl impair`)."""

    frames: str
    """For example `loss=5%`; "" for nothing any more."""


class Scale(Action, frozen=True, kw_only=True):
    """Another number of replicas from now on (`neatctl scale`)."""

    replicas: int


class SynBurst(Action, frozen=True, kw_only=True):
    """SYNs from addresses that nobody has, onto the clients' end of the link."""

    count: int = 10_000
    seconds: float = 1.0
    port: int = 80


class Replay(Action, frozen=True, kw_only=True):
    """A capture through the smart NIC alone, or into the running testbed (`neatctl replay`, `--live`, `--stateful`)."""

    file: str
    """Beside the scenario."""
    mode: Literal["offline", "live", "stateful"] = "offline"
    replicas: int = 4
    """Offline: of the smart NIC."""
    appliance: str = ""
    """Offline: the address in the capture that is the NIC's."""
    speed: str = "1"
    """Otherwise: a factor, or `max`."""
    server: str = ""
    """Otherwise: the address in the capture that becomes the appliance's; "": a guess."""
    timeout_s: float = 30.0


class Expect(Table, frozen=True, kw_only=True):
    """What must hold: a measure, what it is taken of, and its bounds."""

    measure: str
    """One of MEASURES."""
    of: str = ""
    """The name of the step that it is taken of."""
    during: str = ""
    """The name of the phase in which; without it, as long as the step lasts."""
    baseline: str = ""
    """The name of the load that a ratio is relative to; without it, the same load in another phase."""
    baseline_during: str = ""
    """The phase of the baseline."""
    component: str = ""
    replica: AnyReplica | None = None
    other_than: AnyReplica | None = None
    """All replicas but this."""
    counter: str = ""
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None


class Scenario(Table, frozen=True, kw_only=True):
    """One file."""

    schema: Literal[1]
    title: str
    seed: int = 1
    limit_s: float = 60.0
    """The longest that it may take, from the testbed's start on."""
    settle_s: float = 0.3
    """How long after the last step the testbed is left alone before it is looked at."""
    testbed: Bed = Bed()
    phase: list[Phase] = []
    load: list[Load] = []
    fetch: list[Fetch] = []
    command: list[Command] = []
    fault: list[Fault] = []
    recover: list[Recover] = []
    impair: list[Impair] = []
    scale: list[Scale] = []
    syn_burst: list[SynBurst] = []
    replay: list[Replay] = []
    expect: list[Expect]


STEPS: dict[str, type[Step]] = {
    "phase": Phase,
    "load": Load,
    "fetch": Fetch,
    "command": Command,
    "fault": Fault,
    "recover": Recover,
    "impair": Impair,
    "scale": Scale,
    "syn_burst": SynBurst,
    "replay": Replay,
}
"""The steps by the name of their table."""


class Measure(msgspec.Struct, frozen=True):
    """A measure: what a person reads about it, of which steps it is taken, what else it needs, and what it may have."""

    meaning: str
    of: tuple[type[Step], ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


_REPLICAS = ("replica", "other_than")

MEASURES: dict[str, Measure] = {
    "requests": Measure("Correct answers that a load got.", (Load,), takes=("during",)),
    "requests_failed": Measure("Errors of a load, of all classes.", (Load,)),
    "connections_broken": Measure("Connections of a load that broke.", (Load,)),
    "connections_broken_elsewhere": Measure(
        "Connections of a load that broke, less those that died with replicas.", (Load,)
    ),
    "connections_closed": Measure("Connections of a load that the server closed in order.", (Load,)),
    "rate": Measure("Requests/s of a load.", (Load,), takes=("during",)),
    "rate_ratio": Measure(
        "Requests/s of a load relative to another one's, or to its own in another phase.",
        (Load,),
        takes=("during", "baseline", "baseline_during"),
    ),
    "p99_us": Measure("Microseconds within which 99 % of a load's answers came.", (Load,)),
    "fetches_equal": Measure("The share of downloads that were equal to the file, 0 to 1.", (Fetch,)),
    "exit_code": Measure(
        "What a command or a replay exited with; a stateful one with 0 if all octets were equal.", (Command, Replay)
    ),
    "frames_dropped": Measure("Frames of a replayed capture that the NIC dropped.", (Replay,)),
    "flows": Measure("Flows of a replayed capture.", (Replay,)),
    "frames_sent": Measure("Frames of a capture that a live replay sent.", (Replay,)),
    "frames_answered": Measure("Frames that the stack sent during a live replay, to whomever.", (Replay,)),
    "replay_spread_p": Measure("The p value of a chi-square test of the flows over the queues.", (Replay,)),
    "connections_lost": Measure("Connections that died with replicas.", takes=_REPLICAS),
    "recovery_ms": Measure("The longest time from a failure to serving.", needs=("component",), takes=_REPLICAS),
    "restarts": Measure("How often components were restarted.", takes=("component", *_REPLICAS)),
    "replicas_serving": Measure("Replicas that serve at the end."),
    "replicas_collected": Measure("Replicas that left after draining."),
    "connections_at_end": Measure("Connections at the end.", takes=_REPLICAS),
    "spread_p": Measure("The p value of a chi-square test of the connections over the replicas."),
    "counter": Measure("How far a counter rose.", needs=("component", "counter"), takes=_REPLICAS),
}
