"""One cell of the matrix: a stack and the kernel, an impairment between them, a transfer both ways, and the end of all.

A testbed, whose driver does it (`run_cell`), or one stack on a wire of our own (`run_on_wire`), or for comparison a
second kernel in the stack's place (`run_linux`). Every process and testbed that is begun here is ended here.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from neatctl.core.process.run_directory import RunDirectory
from neatctl.testbed import client
from neatctl.testbed.soak import linux_wire, own_wire
from neatctl.testbed.soak.cells import DIFFERS, FAILED, HELD, HUNG, SLOW, Cell, Outcome
from neatctl.testbed.soak.kernel_client import Said

PORT = 9000
_UP_S, _DOWN_S, _READY_S = 60.0, 60.0, 20.0
_BEAT_S = 0.25
"""Counters come with the beats of the processes."""
_NEATCTL = (sys.executable, "-m", "neatctl")
_TOLD = ("retransmi", "timeouts", "impair", "drop_checksum", "duplicat", "tail_probes", "window_probes")


class CellFailed(Exception):
    """What a command of the cell said as it failed."""


def _command(argv: Sequence[str], timeout_s: float) -> str:
    """Run a command of ours; CellFailed unless it exits with 0."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, told = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            # What it started ends with it.
            os.killpg(process.pid, signal.SIGKILL)
            raise CellFailed(f"{' '.join(argv[1:5])} takes more than {timeout_s:g} s") from None
    if process.returncode:
        last = [line for line in (out + told).splitlines() if line.strip()][-1:]
        raise CellFailed(f"{' '.join(argv[1:5])} exited with {process.returncode}: {' '.join(last)}")
    return out


def run_cell(cell: Cell, octets: int, bound_s: float, stall_s: float, seed: int, name: str) -> Outcome:
    """A testbed called `name`, and one transfer in it."""
    return run_in_turn([cell], octets, bound_s, stall_s, seed, name)[0]


def run_in_turn(
    cells: Sequence[Cell], octets: int, bound_s: float, stall_s: float, seed: int, name: str
) -> list[Outcome]:
    """A testbed called `name`, and in it a transfer for each cell, to which its link is switched. Counters are those of
    the testbed since its start."""
    outcomes: list[Outcome] = []
    try:
        impaired = ["--impair", cells[0].impair, "--seed", str(seed)]
        _command([*_NEATCTL, "up", "--name", name, "--replicas", "1", *impaired, "--detach"], _UP_S)
        with _service(name):
            for cell in cells:
                if outcomes:
                    client.ask(RunDirectory(name), "impair", frames=cell.impair, seed=seed)
                outcomes.append(_transfer(cell, octets, bound_s, stall_s, seed, name))
    except (CellFailed, client.NotRunning, client.Unresponsive) as error:
        outcomes += [Outcome(cell, FAILED, octets, detail=str(error)) for cell in cells[len(outcomes) :]]
    finally:
        subprocess.run(
            [*_NEATCTL, "down", "--name", name, "--force"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DOWN_S,
            check=False,
            start_new_session=True,
        )
    return outcomes


def run_on_wire(cell: Cell, octets: int, bound_s: float, _stall_s: float, seed: int, _name: str) -> Outcome:
    """The same without driver and testbed: the wire of `own_wire.py`, in a process of its own."""
    share = own_wire.Wire(
        cell.loss / 100, cell.duplicate / 100, cell.corrupt / 100, cell.reorder / 100, cell.delay_ms * 1000
    )
    asked = own_wire.Conversation(seed, share, share, octets, octets, piece=65536, limit_s=bound_s)
    try:
        done = subprocess.run(
            own_wire.command(),
            input=msgspec.json.encode(asked),
            capture_output=True,
            timeout=bound_s + _DOWN_S,
            check=False,
            start_new_session=True,
        )
        seen = msgspec.json.decode(done.stdout.partition(b"\n")[2], type=own_wire.Seen)
    except subprocess.TimeoutExpired:
        return Outcome(cell, HUNG, octets, bound_s, detail="the process of the wire does not end")
    except msgspec.DecodeError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return Outcome(cell, FAILED, octets, detail=" ".join(last))
    verdict, detail = HELD, ""
    if not seen.finished or seen.left or seen.numbered:
        verdict, detail = HUNG, f"no end after {seen.seconds:.0f} s; {seen.left} connections are left"
    elif seen.our_error or seen.kernel_error:
        verdict, detail = FAILED, f"ours: {seen.our_error or 'well'}, Linux: {seen.kernel_error or 'well'}"
    elif not (seen.up_equal and seen.down_equal):
        verdict, detail = DIFFERS, f"up {seen.up_equal}, down {seen.down_equal}"
    times = (seen.seconds, seen.up_seconds, seen.down_seconds)
    return Outcome(cell, verdict, octets, *times, detail, _telling(seen.counters))


@contextmanager
def _service(name: str) -> Iterator[None]:
    """The transfer service on this testbed."""
    argv = [sys.executable, "-m", "neatctl.apps.transfer", str(RunDirectory(name).path), "--port", str(PORT)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            _await_ready(server)
            yield
        finally:
            server.kill()


def _transfer(cell: Cell, octets: int, bound_s: float, stall_s: float, seed: int, name: str) -> Outcome:
    address = client.status(RunDirectory(name)).address.partition("/")[0]
    module = ["-m", "neatctl.testbed.soak.kernel_client", address, str(PORT), str(octets), str(seed)]
    argv = [*_NEATCTL, "exec", "--name", name, "--", sys.executable, *module, str(stall_s)]
    try:
        said = msgspec.json.decode(_command(argv, bound_s), type=Said)
    except CellFailed as error:
        verdict = SLOW if "takes more than" in str(error) else FAILED
        return Outcome(cell, verdict, octets, bound_s, detail=str(error), counters=_counters(name))
    return _judged(cell, octets, said, _counters(name))


def _await_ready(server: subprocess.Popen[bytes]) -> None:
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], _READY_S)
    if not ready or not os.read(server.stdout.fileno(), 64):
        raise CellFailed("the transfer service does not come up")


def _judged(cell: Cell, octets: int, said: Said, counters: dict[str, int]) -> Outcome:
    verdict, detail = HELD, ""
    if said.error:
        verdict = HUNG if said.error == "hung" else FAILED
        detail = f"{said.error}; {said.taken} octets had arrived"
    elif not (said.up_equal and said.down_equal):
        verdict = DIFFERS
        ways = [way for way, equal in (("up", said.up_equal), ("down", said.down_equal)) if not equal]
        detail = f"{' and '.join(ways)}: other octets than were sent; {said.taken} arrived"
    counters = counters | {"kernel_retransmitted": said.kernel_retransmitted}
    return Outcome(cell, verdict, octets, said.seconds, said.up_seconds, said.down_seconds, detail, counters)


def _counters(name: str) -> dict[str, int]:
    """What tells of losses and their repair, of all processes; empty if the testbed does not answer."""
    time.sleep(_BEAT_S)
    try:
        status = client.status(RunDirectory(name))
    except (client.NotRunning, client.Unresponsive):
        return {}
    found: dict[str, int] = {}
    for row in status.processes:
        for counter, value in _telling(row.counters).items():
            found[counter] = found.get(counter, 0) + value
    return found


def run_linux(cell: Cell, octets: int, bound_s: float, stall_s: float, seed: int, _name: str) -> Outcome:
    """The same between two Linux kernels, over the driver's bad link."""
    try:
        said = msgspec.json.decode(_command(linux_wire.command(cell.impair, octets, seed, stall_s), bound_s), type=Said)
    except CellFailed as error:
        return Outcome(cell, SLOW if "takes more than" in str(error) else FAILED, octets, bound_s, detail=str(error))
    return _judged(cell, octets, said, {})


def _telling(counters: dict[str, int]) -> dict[str, int]:
    """Those of losses and their repair."""
    return {name: value for name, value in counters.items() if value and any(part in name for part in _TOLD)}
