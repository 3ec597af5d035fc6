"""`neatctl conformance serve` as its clients see it: stacks of their own, one after the other and side by side."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from neatctl.testbed.bridge.requests import Op
from tests.system.testbed import NEATCTL, run
from tests.testbed.bridge.bridge_client import Caller, RawPeer

pytestmark = pytest.mark.system


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The socket of a bridge that runs, and that leaves nothing behind."""
    path = tmp_path / "bridge"
    argv = [*NEATCTL, "conformance", "serve", "--socket", str(path), "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert '"schema":1' in server.stdout.readline()
        yield path
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
    assert not path.exists()


def connected(path: Path) -> Caller:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    caller = Caller(sock)
    assert caller.hello().error == 0
    return caller


def test_clients_have_stacks_of_their_own_and_leave_nothing(path: Path) -> None:
    first, second = connected(path), connected(path)
    for caller in (first, second):
        fd = caller.listening()
        peer = RawPeer(caller)
        peer.shake_hands()
        assert caller.value(Op.ACCEPT, "!ii", fd, 0) == fd + 1
        peer.send("PA", 1, 1, b"hello")
        assert caller.call(Op.RECV, "!iIi", fd + 1, 10, 0).body == b"hello"
    first.ask(Op.RECV, struct.pack("!iIi", 4, 10, 0))
    first.sock.close()
    second.sock.sendall(b"\xff" * 20)
    answer = second.answer(0)
    assert answer is not None
    with pytest.raises(ConnectionResetError):
        second.answer(1)
    third = connected(path)
    assert third.listening() == 3
    assert third.packet(10_000) is None
    third.sock.close()
    second.sock.close()


def test_a_socket_that_is_served_or_no_socket_is_not_taken_over(path: Path, tmp_path: Path) -> None:
    served = run([*NEATCTL, "conformance", "serve", "--socket", str(path)], check=False)
    assert (served.returncode, served.stderr) == (1, f"neatctl: {path} is served already\n")
    file = tmp_path / "file"
    file.write_text("precious")
    other = run([*NEATCTL, "conformance", "serve", "--socket", str(file)], check=False)
    assert (other.returncode, other.stderr) == (1, f"neatctl: {file} exists, and is no socket\n")
    wrong = run([*NEATCTL, "conformance", "serve", "--socket", str(file), "--mtu", "3"], check=False)
    assert (wrong.returncode, wrong.stderr) == (2, "neatctl: mtu is 68 to 65535, not '3'\n")
    assert file.read_text() == "precious"
