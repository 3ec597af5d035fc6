"""A client whose session runs in a thread, as the server runs it in a process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from neatctl.testbed.bridge.bridge_server import serve_client
from neatctl.testbed.bridge.client_session import Session
from neatctl.testbed.bridge.one_thread import BridgeOptions
from tests.testbed.bridge.bridge_client import Caller


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Caller]:
    """A client that has not said HELLO."""
    ours, theirs = socket.socketpair()

    def live() -> None:
        with theirs:
            serve_client(theirs, Session(str(tmp_path), BridgeOptions()))

    thread = threading.Thread(target=live)
    thread.start()
    yield Caller(ours)
    ours.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def caller(stranger: Caller) -> Caller:
    """A client with a stack."""
    assert stranger.hello().error == 0
    return stranger
