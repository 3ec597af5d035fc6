"""One SYSCALL server with two replicas for all tests of this folder; each test is an application of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.sockets.desk import Desk, Program, desk_of


@pytest.fixture(scope="package")
def two_replicas() -> Iterator[Desk]:
    with desk_of(2) as desk:
        yield desk


@pytest.fixture
def program(two_replicas: Desk) -> Iterator[Program]:
    """An application that listens on port 80 of two replicas."""
    with two_replicas.stack() as stack:
        yield Program(two_replicas, stack)
