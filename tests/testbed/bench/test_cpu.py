"""CPU time between two times, of components, from samples."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from neatctl.testbed.bench import cpu
from neatctl.testbed.bench.cpu import Samples, note_of_others
from neatctl.testbed.bench.results import Cpu


def samples(times_us: list[int], **busy_us: list[int]) -> Samples:
    made = Samples({})
    made.times_us = times_us
    made.busy_us = dict(busy_us)
    return made


def test_what_was_spent_is_read_between_the_samples() -> None:
    made = samples([0, 1_000_000, 2_000_000], driver=[0, 100_000, 500_000], machine=[0, 1_000_000, 2_000_000])
    seen = made.between(500_000, 1_500_000, 1000.0)
    assert seen.busy_us == {"driver": 250_000, "machine": 1_000_000, "others": 750_000}
    assert seen.us_per_request == {"driver": 250.0, "machine": 1000.0, "others": 750.0}
    assert seen.window_s == 1.0


def test_times_outside_the_samples_are_cut_off() -> None:
    made = samples([1_000_000, 2_000_000], machine=[0, 1_000_000])
    seen = made.between(0, 9_000_000, 0.0)
    assert (seen.window_s, seen.busy_us["machine"]) == (1.0, 1_000_000)
    assert seen.us_per_request == {}, "nothing was answered, so nothing cost anything"
    assert samples([5], machine=[7]).between(0, 10, 1.0).busy_us["machine"] == 0


def test_a_process_that_ends_keeps_what_it_had_spent() -> None:
    # A program that has used some CPU and waits to be let go.
    program = "sum(range(3_000_000)); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        made = Samples({"it": [process.pid], "us": [os.getpid()]})
        made.take()
        assert process.stdout is not None
        process.stdout.readline()
        made.take()
        assert made.busy_us["it"][1] > 0
        process.communicate(b"\n")
    time.sleep(0.001)
    made.take()
    assert made.busy_us["it"][2] >= made.busy_us["it"][1]
    assert cpu.process_cpu_ns(process.pid) is None
    assert made.busy_us["machine"][2] >= made.busy_us["machine"][0]


@pytest.mark.parametrize(("others_us", "said"), [(100_000, ""), (900_000, "45% to 45% of the machine's CPU time")])
def test_a_machine_that_works_for_others_is_noted(others_us: int, said: str) -> None:
    seen = Cpu(1.0, {"machine": 1_000_000, "others": others_us}, {})
    assert note_of_others([seen], 2).startswith(said)
    assert bool(note_of_others([seen], 2)) == bool(said)
