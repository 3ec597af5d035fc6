"""Memory, the same in both of its twins: bounds, widths, orders, the checksum's sum, and descriptors."""

from __future__ import annotations

import importlib.util
import mmap
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core import native
from neatctl.core.native import Memory


def plain_twin() -> ModuleType:
    """native.py itself, whichever of the two the package runs."""
    source = Path(native.__file__).parent / "native.py"
    spec = importlib.util.spec_from_file_location("plain_native", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLAIN = plain_twin()
TWINS = pytest.mark.parametrize("made", [Memory, PLAIN.Memory], ids=["imported", "plain"])
SIZE = 48
places = st.integers(-9, SIZE + 9)
counts = st.integers(-2, SIZE + 9)
values = st.integers(-(1 << 33), 1 << 33) | st.sampled_from([0, 1, -1, 0xFF, 0xFFFF, 0xFFFFFFFF, 1 << 31])
words = st.integers(-(1 << 63), (1 << 63) - 1)
octets = st.binary(max_size=SIZE + 4)
calls = st.one_of(
    st.tuples(st.sampled_from(["get8", "get16", "get32", "get16h", "get32h"]), places),
    st.tuples(st.sampled_from(["put8", "put16", "put32", "put16h", "put32h"]), places, values),
    st.tuples(st.just("load64"), st.integers(-2, SIZE // 8 + 1).map(lambda word: 8 * word)),
    st.tuples(st.just("store64"), st.integers(-2, SIZE // 8 + 1).map(lambda word: 8 * word), words),
    st.tuples(st.just("put"), places, octets),
    st.tuples(st.just("put_part"), places, octets, st.integers(-2, SIZE), counts),
    st.tuples(st.just("put_part"), places, octets, st.sampled_from([(1 << 63) - 1, 1 << 62]), counts),
    st.tuples(st.just("fill"), places, counts, st.integers(-256, 512)),
    st.tuples(st.just("bytes"), places, counts),
    st.tuples(st.just("sum"), places, counts, st.integers(0, 0xFFFFFFFF)),
    st.tuples(st.just("copy"), places, places, counts),
    st.tuples(st.just("equal"), places, places, counts),
)


def outcome(memory: Any, call: tuple[Any, ...]) -> object:
    """What a call returns, or the error's class; writes return nothing in either twin."""
    name, *arguments = call
    if name in {"copy", "equal"}:
        arguments.insert(1, memory)
    try:
        result = getattr(memory, name)(*arguments)
    except IndexError:
        return IndexError
    return result if name.startswith(("get", "load", "bytes", "sum", "equal")) else None


@settings(deadline=None, max_examples=400)
@given(content=st.binary(min_size=SIZE, max_size=SIZE), plan=st.lists(calls, max_size=20), writable=st.booleans())
def test_both_twins_do_the_same(content: bytes, plan: list[tuple[Any, ...]], writable: bool) -> None:
    first: bytes | bytearray = bytearray(content) if writable else content
    second: bytes | bytearray = bytearray(content) if writable else bytes(content)
    imported, plain = Memory(first), PLAIN.Memory(second)
    for call in plan:
        assert outcome(imported, call) == outcome(plain, call), call
    assert first == second
    if not writable:
        assert first == content


@TWINS
def test_the_order_of_octets_is_the_networks_unless_the_name_says_host(made: Any) -> None:
    memory = made(bytearray(16))
    memory.put32(0, 0x01020304)
    memory.put16(4, 0x0506)
    memory.put8(6, 0x107)
    assert memory.bytes(0, 7) == bytes([1, 2, 3, 4, 5, 6, 7])
    assert memory.get32(0) == 0x01020304
    assert memory.get16(1) == 0x0203
    memory.put32h(8, 0xFFFFFFFE)
    assert memory.get32h(8) == 0xFFFFFFFE
    assert memory.get16h(8) == memory.get32h(8) & 0xFFFF


@TWINS
@given(content=st.binary(max_size=200) | st.integers(0, 300).map(lambda n: b"\xff" * n), start=st.integers(0, 0xFFFF))
def test_the_sum_is_that_of_rfc_1071(made: Any, content: bytes, start: int) -> None:
    expected = start
    for at in range(0, len(content), 2):
        expected += content[at] << 8 | (content[at + 1] if at + 1 < len(content) else 0)
    while expected >> 16:
        expected = (expected & 0xFFFF) + (expected >> 16)
    shifted = made(b"\x55" + content)
    assert shifted.sum(1, len(content), start) == expected


@TWINS
def test_nothing_can_be_reached_after_the_release(made: Callable[[Any], Memory]) -> None:
    buffer = mmap.mmap(-1, 4096)
    memory = made(buffer)
    memory.put8(0, 1)
    memory.release()
    memory.release()
    assert len(memory) == 0
    assert memory.bytes(0, 0) == b""
    for reach in (lambda: memory.get8(0), lambda: memory.put8(0, 1), lambda: memory.put(0, b"x")):
        with pytest.raises(IndexError):
            reach()
    buffer.close()


@TWINS
def test_copies_may_overlap(made: Any) -> None:
    memory = made(bytearray(b"abcdefgh"))
    memory.copy(2, memory, 0, 6)
    assert memory.bytes(0, 8) == b"ababcdef"
    memory.copy(0, memory, 1, 7)
    assert memory.bytes(0, 8) == b"babcdeff"


@TWINS
def test_descriptors_are_read_and_written_in_place(made: Any) -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK)
    try:
        memory = made(bytearray(b"....octets.."))
        assert memory.read_fd(reading, 0, 4) == -1
        assert memory.write_fd(writing, 4, 6) == 6
        assert memory.read_fd(reading, 0, 4) == 4
        assert memory.read_fd(reading, 6, 6) == 2
        assert memory.bytes(0, 12) == b"octeocts" + b"ts.."
        with pytest.raises(IndexError):
            memory.read_fd(reading, 8, 5)
        full = made(bytearray(1 << 17))
        assert 0 < full.write_fd(writing, 0, 1 << 17) < 1 << 17
        assert full.write_fd(writing, 0, 1) == -1
        os.close(writing)
        writing = -1
        while full.read_fd(reading, 0, 1 << 17):
            pass
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        memory.read_fd(reading, 0, 1)


@pytest.mark.parametrize("twin", [native, PLAIN], ids=["imported", "plain"])
def test_the_clock_goes_on(twin: Any) -> None:
    before = twin.now_us()
    twin.fence()
    twin.yield_cpu()
    assert twin.now_us() >= before


EPOLLS = pytest.mark.parametrize("made", [native.Epoll, PLAIN.Epoll], ids=["imported", "plain"])


@EPOLLS
@pytest.mark.parametrize("alone", [False, True])
def test_epoll_tells_what_is_ready_until_it_is_forgotten(made: Any, alone: bool) -> None:
    epoll = made(alone)
    first, second = os.pipe(), os.pipe()
    try:
        for reading, _ in (first, second):
            epoll.register(reading, select.EPOLLIN)
        assert epoll.wait(0) == 0
        os.write(second[1], b"!")
        assert epoll.wait(-1) == 1
        assert epoll.ready(0) == second[0]
        for i in (-1, 1):
            with pytest.raises(IndexError):
                epoll.ready(i)
        os.write(first[1], b"!")
        assert epoll.wait(1_000_000) == 2
        assert {epoll.ready(0), epoll.ready(1)} == {first[0], second[0]}
        epoll.unregister(second[0])
        assert epoll.wait(0) == 1
        assert epoll.ready(0) == first[0]
        with pytest.raises(OSError, match="exists"):
            epoll.register(first[0], select.EPOLLIN)
    finally:
        epoll.close()
        for fd in (*first, *second):
            os.close(fd)


@EPOLLS
@pytest.mark.parametrize("alone", [False, True])
def test_an_epoll_sleeps_no_longer_than_it_should(made: Any, alone: bool) -> None:
    epoll = made(alone)
    before = time.monotonic()
    assert epoll.wait(20_500) == 0
    assert 0.02 <= time.monotonic() - before < 5
    epoll.close()


@EPOLLS
def test_a_descriptor_beside_ends_a_sleep_and_is_not_among_those_found(made: Any) -> None:
    epoll = made(True)
    reading, writing = os.pipe()
    bell, ringer = os.pipe()
    epoll.register(bell, select.EPOLLIN)
    epoll.beside = reading
    try:
        assert epoll.wait(1_000) == 0
        os.write(writing, b"!")
        assert epoll.wait(-1) == 0  # It returned, though it might have slept for ever.
        os.write(ringer, b"!")
        assert epoll.wait(-1) == 1
        assert epoll.ready(0) == bell
    finally:
        epoll.close()
        for fd in (reading, writing, bell, ringer):
            os.close(fd)


@EPOLLS
@pytest.mark.parametrize("beside", [False, True])
def test_a_signal_ends_a_sleep_with_what_its_handler_raises(made: Any, beside: bool) -> None:
    class Told(Exception):
        pass

    def tell(*_: object) -> None:
        raise Told

    epoll = made(True)
    reading, writing = os.pipe()
    if beside:
        epoll.beside = reading
    before = signal.signal(signal.SIGALRM, tell)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Told):
            epoll.wait(10_000_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        epoll.close()
        os.close(reading)
        os.close(writing)


@EPOLLS
def test_other_threads_run_while_an_epoll_that_is_not_alone_sleeps(made: Any) -> None:
    epoll = made()
    reading, writing = os.pipe()
    epoll.register(reading, select.EPOLLIN)
    later = threading.Timer(0.05, lambda: os.write(writing, b"!"))
    later.start()
    try:
        assert epoll.wait(10_000_000) == 1
    finally:
        later.join()
        epoll.close()
        os.close(reading)
        os.close(writing)


STORES = """
import importlib.util, mmap, sys
spec = importlib.util.spec_from_file_location("stores", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with open(sys.argv[2], "r+b") as file:
    memory = module.Memory(mmap.mmap(file.fileno(), 64))
for _ in range(400_000):
    memory.store64(8, -1)
"""


def test_another_process_never_sees_half_of_a_store(tmp_path: Path) -> None:
    """An index that is zero for an instant would be the fault of a peer."""
    shared = tmp_path / "shared"
    shared.write_bytes(b"\xff" * 64)
    source = Path(native.__file__).parent / "native.py"
    with open(shared, "r+b") as file:
        memory = Memory(mmap.mmap(file.fileno(), 64))
    with subprocess.Popen([sys.executable, "-c", STORES, str(source), str(shared)]) as storing:
        seen: set[int] = set()
        while storing.poll() is None:
            seen.update(memory.load64(8) for _ in range(1000))
    assert storing.returncode == 0
    assert seen == {-1}
