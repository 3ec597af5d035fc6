"""One of our stacks and the Linux kernel at the two ends of a bad wire; run in a network namespace of its own.

The kernel's end is a tun device, ours the conformance bridge's machine; between them packets are lost, repeated, held
back, delayed, and get a bit turned anywhere. Reads a `Conversation` as JSON a line, answers with a `Seen` a line. Has
neither driver nor NIC: what a wire does to TCP, seeded, and without the rest of a testbed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from neatctl.testbed.bridge.one_thread import BridgeOptions, Machine

OURS, KERNELS = "10.77.0.2", "10.77.0.1"
PORT = 8080
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x1, 0x1000
_NAME = "neattun0"
_MTU = 1500
_DRAIN_S = 30.0
_IDLE_US = 20_000


class Wire(msgspec.Struct, frozen=True):
    """What happens to a packet: probabilities from 0 to 1, times in microseconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    delay_us: int = 0


class Conversation(msgspec.Struct, frozen=True):
    """One connection: what each end sends, then closes. The kernel connects unless `ours_connects`."""

    seed: int
    there: Wire
    back: Wire
    up: int
    """Octets from the kernel to us."""
    down: int
    ours_connects: bool = False
    piece: int = 20_000
    """The most octets of one recv or send."""
    limit_s: float = 60.0


class Seen(msgspec.Struct):
    """What came of it; errno values by name, "" for none."""

    up_equal: bool = False
    down_equal: bool = False
    our_error: str = ""
    kernel_error: str = ""
    left: int = 0
    """Connections of ours after all, but those in TIME-WAIT."""
    numbered: int = 0
    entries: int = 0
    """Of the table of flows, TIME-WAIT and all."""
    seconds: float = 0.0
    up_seconds: float = 0.0
    down_seconds: float = 0.0
    finished: bool = False
    counters: dict[str, int] = {}
    """Of the stack, since its start."""


class End:
    """A program at one end, on a socket of the library or of the kernel: sends, shuts, reads to the end, closes."""

    def __init__(self, sock: Any, data: bytes, piece: int, rng: random.Random) -> None:
        self.sock = sock
        self.got = bytearray()
        self.error = ""
        self.done = False
        self.ended_at = 0.0
        """When the other's end was read."""
        self._data = memoryview(data)
        self._sent = 0
        self._piece = piece
        self._rng = rng
        self._shut = False

    def run(self) -> bool:
        """Do what can be done without waiting; whether anything could."""
        if self.done:
            return False
        try:
            return self._run()
        except OSError as error:
            self.error = errno.errorcode.get(error.errno or 0, str(error))
            self._close()
            return True

    def _run(self) -> bool:
        busy = False
        if self._sent < len(self._data):
            with suppress(BlockingIOError):
                part = self._data[self._sent : self._sent + self._rng.randint(1, self._piece)]
                self._sent += self.sock.send(part)
                busy = True
        elif not self._shut:
            self.sock.shutdown(socket.SHUT_WR)
            self._shut = busy = True
        try:
            octets = self.sock.recv(self._rng.randint(1, self._piece))
        except BlockingIOError:
            return busy
        self.got += octets
        if not octets:
            self.ended_at = self.ended_at or time.monotonic()
            if self._shut:
                self._close()
        return True

    def _close(self) -> None:
        self.done = True
        self.sock.close()


class World:
    """The machine, the device, and the wire between them."""

    def __init__(self, machine: Machine, tun: int) -> None:
        self.machine = machine
        self.tun = tun
        self.rng = random.Random(0)
        self._there = self._back = Wire()
        self._flying: list[tuple[int, int, bool, bytes]] = []
        self._carried = 0
        self._port = 20_000

    def converse(self, conversation: Conversation) -> Seen:
        """Run one connection to its end."""
        self.rng = random.Random(conversation.seed)
        self._there, self._back = conversation.there, conversation.back
        up, down = (self.rng.randbytes(octets) for octets in (conversation.up, conversation.down))
        seen = Seen()
        begun = time.monotonic()
        limit = begun + conversation.limit_s
        ours, kernels = self._ends(conversation, up, down, limit)
        carried = False
        while not (ours.done and kernels.done) and time.monotonic() < limit:
            moved = ours.run()
            moved = kernels.run() or moved
            carried = self.turn(0 if moved or carried else _IDLE_US)
        seen.finished = ours.done and kernels.done
        seen.seconds = time.monotonic() - begun
        seen.up_seconds, seen.down_seconds = (max(end.ended_at - begun, 0.0) for end in (ours, kernels))
        seen.up_equal, seen.down_equal = _same(ours.got, up), _same(kernels.got, down)
        seen.our_error, seen.kernel_error = ours.error, kernels.error
        self._drain()
        seen.counters = {name: value for name, value in self.machine.replica.counters().items() if value}
        tables = self.machine.replica.stack.tcp.tables
        seen.left, seen.numbered, seen.entries = tables.live, len(tables.numbered()), len(tables.flows)
        return seen

    def _ends(self, conversation: Conversation, up: bytes, down: bytes, limit: float) -> tuple[End, End]:
        """Both ends, connected."""
        self._port += 1
        kernel = socket.socket()
        kernel.setblocking(False)
        mine: Any = self.machine.stack.socket()
        mine.setblocking(False)
        if conversation.ours_connects:
            listening = kernel
            listening.bind((KERNELS, self._port))
            listening.listen()
            with suppress(BlockingIOError):
                mine.connect((KERNELS, self._port))
            with listening:
                kernel = self._until(listening.accept, limit)[0]
        else:
            mine.bind(("", self._port))
            mine.listen()
            with suppress(BlockingIOError):
                kernel.connect((OURS, self._port))
            accepted = self._until(mine.accept, limit)[0]
            mine.close()
            mine = accepted
        kernel.setblocking(False)
        mine.setblocking(False)
        piece = conversation.piece
        return End(mine, down, piece, self.rng), End(kernel, up, piece, self.rng)

    def _until(self, call: Any, limit: float) -> Any:
        """What a call that does not wait returns as soon as it does."""
        while True:
            try:
                return call()
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise TimeoutError("no connection") from None
                self.turn(500)

    def turn(self, wait_us: int) -> bool:
        """Carry packets, and let the stack work; sleep at most so long before. Whether any packet moved."""
        carried = self._carried
        delivered = False
        now = time.monotonic_ns() // 1000
        if wait_us:
            due = [self._flying[0][0] - now] if self._flying else []
            due += [self.machine.deadline() - now]
            select.select([self.tun], [], [], max(min([wait_us, *due]), 0) / 1e6)
            now = time.monotonic_ns() // 1000
        for packet in self._from_kernel():
            self._fly(packet, True, self._there, now)
        while self._flying and self._flying[0][0] <= now:
            _, _, to_us, packet = heapq.heappop(self._flying)
            delivered = True
            if to_us:
                self.machine.inject(packet)
            else:
                self._to_kernel(packet)
        self.machine.settle()
        while self.machine.packets:
            _, packet = self.machine.packets.popleft()
            self._fly(packet, False, self._back, now)
        return delivered or self._carried != carried

    def _from_kernel(self) -> Iterator[bytes]:
        while True:
            try:
                yield os.read(self.tun, 65536)
            except BlockingIOError:
                return

    def _to_kernel(self, packet: bytes) -> None:
        try:
            os.write(self.tun, packet)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a damaged version field is no packet
                raise

    def _fly(self, packet: bytes, to_us: bool, wire: Wire, now: int) -> None:
        rng = self.rng
        for _ in range(2 if rng.random() < wire.duplicate else 1):
            if rng.random() < wire.loss:
                continue
            octets = packet
            if rng.random() < wire.corrupt:
                turned = bytearray(packet)
                turned[rng.randrange(len(packet))] ^= 1 << rng.randrange(8)
                octets = bytes(turned)
            at = now + wire.delay_us + (rng.randint(200, 3_000) if rng.random() < wire.reorder else 0)
            self._carried += 1
            heapq.heappush(self._flying, (at, self._carried, to_us, octets))

    def _drain(self) -> None:
        """A calm wire until both ends have forgotten the connection, but for TIME-WAIT."""
        self._there = self._back = Wire()
        limit = time.monotonic() + _DRAIN_S
        while self.machine.replica.stack.tcp.connections and time.monotonic() < limit:
            self.turn(2_000)


def _same(got: bytearray, sent: bytes) -> bool:
    return hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()


@contextmanager
def opened(rto_min: str) -> Iterator[World]:
    """A world in this network namespace. `rto_min`: of the kernel, as ip-route(8) has it; "" for its default."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", _NAME.encode(), _IFF_TUN | _IFF_NO_PI))
    for command in (
        f"addr add {KERNELS}/24 dev {_NAME}",
        f"link set {_NAME} up mtu {_MTU}",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    if rto_min:
        route = f"route replace 10.77.0.0/24 dev {_NAME} src {KERNELS} rto_min {rto_min}"
        subprocess.run(["ip", *route.split()], check=True)
    with tempfile.TemporaryDirectory() as run:
        machine = Machine(run, BridgeOptions())
        try:
            yield World(machine, tun)
        finally:
            machine.close()
            os.close(tun)


def command() -> list[str]:
    """The command line of a process with a namespace and a world of its own."""
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    return [*unshare, sys.executable, "-m", "neatctl.testbed.soak.own_wire"]


def main() -> None:
    with opened(sys.argv[1] if len(sys.argv) > 1 else "") as world:
        print("ready", flush=True)
        for line in sys.stdin:
            seen = world.converse(msgspec.json.decode(line, type=Conversation))
            print(msgspec.json.encode(seen).decode(), flush=True)


if __name__ == "__main__":
    main()
