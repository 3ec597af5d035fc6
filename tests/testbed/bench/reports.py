"""Reports made by hand: runs with the figures that a test is about, and the usual ones for the rest."""

from __future__ import annotations

from collections.abc import Sequence

from neatctl.testbed.bench.outcome import result_of
from neatctl.testbed.bench.results import (
    KIND,
    SCHEMA,
    Cpu,
    Errors,
    Latency,
    Machine,
    ReplicaRun,
    Report,
    Result,
    Run,
    TargetFacts,
    Workload,
)

NO_ERRORS = Errors()
USUAL = Workload()
MACHINE = Machine("6.1", "x86_64", "some CPU", 2, 1 << 30, None, "3.11.7", "0.1.0", True, "neatctl.apps.load 0.1.0")


def run(requests_per_s: float = 1000.0, errors: Errors = NO_ERRORS, cpu_us: float = 20.0, repetition: int = 1) -> Run:
    return Run(
        repetition=repetition,
        seed=repetition,
        begun_unix_s=1_700_000_000.0 + repetition,
        seconds=1.0,
        requests=int(requests_per_s),
        requests_per_s=requests_per_s,
        octets_in=5000,
        octets_per_s=5000.0,
        connections_wanted=64,
        connections_achieved=64,
        connections_opened=70,
        errors=errors,
        errors_total=errors.total(),
        error_reasons={"status 503": errors.status} if errors.status else {},
        unanswered=3,
        unsent=0,
        latency=Latency(count=1000, min=10, mean=100, p50=90, p90=150, p99=300, p99_9=500, p99_99=800, max=900),
        service_time=None,
        connect_time=None,
        cpu=Cpu(1.0, {"driver": 5000, "others": 15000, "machine": 20000}, {"driver": 5.0, "machine": cpu_us}),
        replicas=[ReplicaRun(1, 1, 1, 70, 0, 2000, 1900, {"tcp_retransmits": 2})],
        driver_losses={"queue_full": 1},
    )


def result(rates: Sequence[float], name: str = "neatctl", workload: Workload = USUAL) -> Result:
    runs = [run(rate, repetition=number) for number, rate in enumerate(rates, 1)]
    return result_of(TargetFacts(name, "http://10.77.0.2", 2, "ring", "ipc", True), workload, runs)


def report(*results: Result, machine: Machine = MACHINE) -> Report:
    errors = sum(each.errors_total for each in results)
    return Report(
        SCHEMA, KIND, "2026-11-23T12:00:00+00:00", 10.0, 1, len(results[0].runs), machine, list(results), errors,
        [], not errors,
    )  # fmt: skip
