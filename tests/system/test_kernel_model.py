"""Our stack and the Linux kernel over a bad wire: octets in order, exactly once; both ends close; nothing is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neatctl.testbed.soak.own_wire import Conversation, Seen, Wire, command

pytestmark = [pytest.mark.system, pytest.mark.tap]
MANY = int(os.environ.get("KERNEL_MODEL_EXAMPLES", "8"))

wires = st.builds(
    Wire,
    loss=st.sampled_from([0.0, 0.01, 0.05]),
    duplicate=st.sampled_from([0.0, 0.05]),
    corrupt=st.sampled_from([0.0, 0.02]),
    reorder=st.sampled_from([0.0, 0.1]),
    delay_us=st.sampled_from([0, 500, 5_000]),
)


class Kernel:
    """The process in its namespace."""

    def __init__(self) -> None:
        # The kernel may time out sooner than after 200 ms: losses would take minutes.
        self.process = subprocess.Popen([*command(), "10ms"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._line() == "ready\n"
        self.entries = 0

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def converse(self, conversation: Conversation) -> Seen:
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(conversation).decode() + "\n")
        self.process.stdin.flush()
        return msgspec.json.decode(self._line(), type=Seen)

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        assert code == 0


@pytest.fixture(scope="module")
def kernel(need: Callable[[str], str]) -> Iterator[Kernel]:
    need("ip")
    running = Kernel()
    yield running
    running.end()


@settings(
    max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    st.builds(
        Conversation,
        seed=st.integers(0, 1 << 30),
        there=wires,
        back=wires,
        up=st.integers(0, 60_000),
        down=st.integers(0, 60_000),
        ours_connects=st.just(False),
        piece=st.sampled_from([100, 20_000]),
    )
)
def test_octets_arrive_between_our_stack_and_the_kernel(kernel: Kernel, conversation: Conversation) -> None:
    seen = kernel.converse(conversation)
    assert seen.finished, seen
    assert (seen.up_equal, seen.down_equal) == (True, True), seen
    assert (seen.our_error, seen.kernel_error) == ("", ""), seen
    assert (seen.left, seen.numbered) == (0, 0), seen
    kernel.entries += 1
    assert seen.entries <= kernel.entries, "no more than each connection's TIME-WAIT"
