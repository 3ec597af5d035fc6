"""Children as the kernel has them: descriptors passed, ends seen, logs kept, and death with the parent."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neatctl.core.process.proc import process_facts, start_time, usage
from neatctl.core.process.spawn import ChildProcess

pytestmark = pytest.mark.system

RECEIVER = """
import os, socket
_, (fd,), _, _ = socket.recv_fds(socket.socket(fileno=0), 1, 1)
os.write(fd, b"over stdin")
"""


def python(code: str, log: Path) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", code], str(log))


def ended(child: ChildProcess) -> str:
    assert select.select([child.end_fd], [], [], 20)[0]
    return child.reap()


def test_a_descriptor_goes_over_stdin(tmp_path: Path) -> None:
    child = python(RECEIVER, tmp_path / "log")
    reader, writer = os.pipe()
    child.send_descriptor(writer)
    assert ended(child) == "exit 0"
    assert os.read(reader, 64) == b"over stdin"
    os.close(reader)
    os.close(writer)


def test_the_way_of_an_end_is_told_with_the_last_line_of_the_log(tmp_path: Path) -> None:
    failed = python("raise RuntimeError('no luck')", tmp_path / "a")
    assert ended(failed) == "exit 1: RuntimeError: no luck"
    killed = python("import time; time.sleep(60)", tmp_path / "b")
    killed.signal(signal.SIGKILL)
    assert ended(killed) == "SIGKILL"
    crashed = python("import os; os.kill(os.getpid(), 11)", tmp_path / "c")
    assert ended(crashed) == "SIGSEGV"


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    code = f"""
import sys
from neatctl.core.process.spawn import ChildProcess
child = ChildProcess([sys.executable, "-c", "import time; time.sleep(60)"], {str(tmp_path / "log")!r})
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        started = start_time(pid)
        assert started is not None
        parent.kill()
        parent.wait()
    end = time.monotonic() + 10
    while start_time(pid) == started:
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.01)


def test_facts_tell_a_stopped_process_from_a_busy_one(tmp_path: Path) -> None:
    child = python("while True: pass", tmp_path / "log")
    try:
        end = time.monotonic() + 20
        while (used := usage(child.pid)) is None or used[0] < 50_000:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert used[1] > 1 << 20
        facts = process_facts(child.pid)
        assert facts is not None
        assert facts.runnable
        child.signal(signal.SIGSTOP)
        while (facts := process_facts(child.pid)) is not None and facts.state != "T":
            assert time.monotonic() < end
        assert facts is not None
        assert not facts.runnable
    finally:
        child.signal(signal.SIGKILL)
        ended(child)
    assert process_facts(child.pid) is None
    assert start_time(child.pid) is None
