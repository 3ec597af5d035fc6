"""One replica with all it needs to serve a program, in one thread: what a call or packet causes has happened on return.

The replica, the SYSCALL server and the socket library are those of a testbed, over the same channels; instead of loops
of their own they are turned here, one after the other, until none has anything left to do. The NIC is a queue pair
that this module holds the other end of. Real time: now_us, read once for each turn.
"""

from __future__ import annotations

import os
from collections import deque

import msgspec

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.records import FRAME, FRAME_AT, KIND_AT
from neatctl.core.control.config import ReplicaConfig, SyscallConfig
from neatctl.core.control.messages import Attach, Message, Replica, Replicas
from neatctl.core.native import now_us
from neatctl.core.process import replica as replica_process
from neatctl.core.process.child import Child
from neatctl.core.process.loop import Loop, Work
from neatctl.core.sockets import Stack
from neatctl.core.syscall.process import SyscallProcess
from neatctl.testbed.bridge.raw_link import STACK_MAC, EthernetLink, RawLink

MAX_HELD_PACKETS = 16_384
"""Packets of the stack that nobody has read; more are lost, as from a full queue."""
_RING_OCTETS = 1 << 20
_GENERATION = 2
"""Not a first incarnation: nobody else can have its addresses, so nobody is asked whether he has."""
_TURNS = 100_000


class BridgeOptions(msgspec.Struct, frozen=True):
    """What a client may choose: the stack's address and how its link looks."""

    address: str = "10.77.0.2"
    prefix_length: int = 24
    gateway: str = ""
    mtu: int = 1500
    ethernet: bool = False
    receive_buffer_octets: int = 262144
    send_buffer_octets: int = 1048576
    address6: str = ""
    """"" for no IPv6."""
    prefix_length6: int = 64
    gateway6: str = ""


class _Lone(Child):
    """What a role sees of its process where there is neither a supervisor nor a loop of its own."""

    def __init__(self) -> None:
        self.faults: list[Message] = []
        self._loop = Loop(Work())
        self._watched = []

    def send(self, message: Message) -> None:
        self.faults.append(message)
        del self.faults[:-16]

    def close(self) -> None:
        self._loop.close()  # type: ignore[union-attr]


class _PumpedStack(Stack):
    """The socket library where sleep means: turn everything else."""

    machine: Machine

    def sleep(self, timeout_us: int, system: object = None) -> list[tuple[int, int]]:  # noqa: ARG002
        self.flush()
        self.machine.turn_others()
        self._hear_soon()
        self.service(now_us())
        return []


class Machine:
    """The bridged stack. `run` is an empty directory of its own, which its owner removes afterwards."""

    def __init__(self, run: str, options: BridgeOptions) -> None:
        self.options = options
        self.packets: deque[tuple[int, bytes]] = deque()
        """What the stack sent and nobody has read: when (us of the monotonic clock), and the packet."""
        self.lost = 0
        """Packets lost since the last one was read, because too many were held."""
        self._link = EthernetLink() if options.ethernet else RawLink()
        for folder in ("bells", "rings"):
            os.mkdir(f"{run}/{folder}")
        self._bells = [Doorbell(f"{run}/bells/{name}") for name in ("replica", "driver")]
        self._child = _Lone()
        config = SyscallConfig(_GENERATION, run, "inproc", "ring", options.address, address6=options.address6)
        self._syscall = SyscallProcess(config, self._child)
        self.replica = replica_process.Replica(self._replica_config(run), self._child)
        self._attach_nic(run)
        self._syscall.hear(Replicas([Replica(1, _GENERATION, True, self._bells[0].path)]))
        self.stack = _PumpedStack(run, "bridge", "inproc", "ring", 0)
        self.stack.machine = self
        self.stack.await_links(run, now_us() + 5_000_000)
        self.settle()
        self.packets.clear()

    def _replica_config(self, run: str) -> ReplicaConfig:
        options = self.options
        return ReplicaConfig(
            index=1,
            generation=_GENERATION,
            run_directory=run,
            transport="inproc",
            channel="ring",
            address=options.address,
            prefix_length=options.prefix_length,
            gateway=options.gateway,
            mac=STACK_MAC,
            isn_key=os.urandom(16),
            mtu=options.mtu,
            gso_octets=0,
            checksum_offload=False,
            receive_buffer_octets=options.receive_buffer_octets,
            receive_buffer_most_octets=0,
            send_buffer_most_octets=0,
            send_buffer_octets=options.send_buffer_octets,
            address6=options.address6,
            prefix_length6=options.prefix_length6,
            gateway6=options.gateway6,
        )

    def _attach_nic(self, run: str) -> None:
        to_replica, to_driver = f"{run}/rings/to-replica", f"{run}/rings/to-driver"
        for path in (to_replica, to_driver):
            endpoint.create("ring", path, _GENERATION, _RING_OCTETS)
        self._to_replica = endpoint.open_producer("ring", to_replica, _GENERATION, self._bells[0].path)
        self._to_driver = endpoint.open_consumer("ring", to_driver, _GENERATION, self._bells[0].path)
        self.replica.attach(Attach(0, _GENERATION, to_replica, to_driver, self._bells[1].path))

    # ---- packets ----
    def inject(self, packet: bytes) -> bool:
        """A packet arrives; False if it can be none, or the queue is full. `settle` lets the stack have it."""
        frame = self._link.arriving(packet)
        return frame is not None and self._put(frame)

    def _put(self, frame: bytes) -> bool:
        taken = self._to_replica.send(bytes(FRAME_AT) + frame)
        self._to_replica.flush()
        return taken

    def _take_sent(self, now: int) -> int:
        """Take what the stack sent; how many records."""
        taken = 0
        while (record := self._to_driver.receive()) is not None:
            taken += 1
            if len(record) < FRAME_AT or record[KIND_AT] != FRAME:
                continue
            packet, reply = self._link.leaving(record[FRAME_AT:])
            if reply is not None:
                self._put(reply)
            if packet is None:
                continue
            if len(self.packets) < MAX_HELD_PACKETS:
                self.packets.append((now, packet))
            else:
                self.lost += 1
        self._to_driver.flush()
        return taken

    # ---- turns ----
    def turn_others(self) -> int:
        """Turn all but the library once; how much was done."""
        now = now_us()
        done = self._syscall.turn(now)
        self.replica.hear_syscall()
        done += self.replica.turn(now)
        return done + self._take_sent(now)

    def settle(self) -> None:
        """Turn everything until nothing is left to do now."""
        stack = self.stack
        for _ in range(_TURNS):
            stack.flush()
            done = self.turn_others()
            done += stack.turn()
            if not done:
                return

    def deadline(self) -> int:
        """When `settle` must be called at the latest, in us of the monotonic clock; -1 for never."""
        return self.replica.deadline()

    def close(self) -> None:
        """Reset what is open, and let go of all channels."""
        self.stack.close()
        self.turn_others()
        self.replica.close(now_us())
        self._syscall.close()
        self._to_replica.close()
        self._to_driver.close()
        for bell in self._bells:
            bell.close()
        self._child.close()
