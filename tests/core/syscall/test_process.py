"""The SYSCALL server as a process: real ZeroMQ, real pidfds, a real replica, applications that are killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.syscall.processes import Supervisor, running_testbed

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with running_testbed() as running:
        yield running


def files_of(supervisor: Supervisor, folder: str) -> list[str]:
    return [name for name in os.listdir(Path(supervisor.run) / folder) if name.startswith("app.")]


def test_a_killed_application_leaves_nothing_behind(supervisor: Supervisor) -> None:
    first, second = supervisor.application(), supervisor.application()
    assert first.listen(80) == 80
    assert second.listen(80) == -errno.EADDRINUSE
    supervisor.hear_gauge("replica", "listeners", 1)
    first.kill()
    # Whoever asks first finds the port free: the server looks who lives before it refuses.
    assert second.listen(80) == 80
    assert len(files_of(supervisor, "bells")) == 1
    assert len(files_of(supervisor, "rings")) == 2
    second.kill()
    supervisor.hear_gauge("replica", "listeners", 0)
    supervisor.hear_gauge("syscall", "applications", 0)
    assert files_of(supervisor, "rings") == files_of(supervisor, "bells") == []


def test_an_application_that_leaves_in_order_is_forgotten_at_once(supervisor: Supervisor) -> None:
    app = supervisor.application()
    assert app.listen(0) >= 49152
    app.end()
    supervisor.hear_gauge("syscall", "applications", 0)
    assert files_of(supervisor, "rings") == []


def test_the_death_of_the_server_is_not_noticed(supervisor: Supervisor) -> None:
    app = supervisor.application()
    assert app.listen(81) == 81
    supervisor.hear_until("a snapshot", lambda: b"test" in supervisor.snapshot)
    supervisor.kill("syscall.0")
    app.ask(82)  # nobody answers, for now
    supervisor.start_syscall()
    assert app.answer() == "82"
    assert app.listen(81) == -errno.EADDRINUSE
    supervisor.kill("replica.1")
    supervisor.start_replica(1)  # the reborn replica has both
    supervisor.hear_gauge("replica", "listeners", 2)
    app.kill()
    supervisor.hear_gauge("syscall", "applications", 0)


def test_an_application_that_dies_with_the_server_is_buried_by_the_next_one(supervisor: Supervisor) -> None:
    app = supervisor.application()
    assert app.listen(83) == 83
    supervisor.hear_until("a snapshot", lambda: b"test" in supervisor.snapshot)
    supervisor.kill("syscall.0")
    app.kill()
    supervisor.start_syscall()
    other = supervisor.application()
    assert other.listen(83) == 83
    other.end()


def test_a_server_without_memory_learns_everything_from_its_applications(supervisor: Supervisor) -> None:
    app = supervisor.application()
    assert app.listen(84) == 84
    supervisor.kill("syscall.0")
    supervisor.snapshot = b""
    supervisor.start_syscall()
    # The program's next call is what makes it hear of this; what it had comes first.
    assert app.listen(84) == -errno.EADDRINUSE
    supervisor.hear_gauge("replica", "listeners", 1)
    app.end()
