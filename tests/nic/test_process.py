"""The driver as the supervisor sees it: messages, heartbeats, faults; over real rings, doorbells and ZeroMQ.

The child runs in a thread, its device is one end of a socket pair that keeps frames apart as a TAP does.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
import zmq

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.face import Consumer, Producer
from neatctl.core.channel.records import FLOWS_TOLD, FRAME, FRAME_AT, KIND_AT
from neatctl.core.control.config import DriverConfig
from neatctl.core.control.messages import (
    Announce,
    Assign,
    Beat,
    Inject,
    Message,
    PeerFaulted,
    Queue,
    Queues,
    Stop,
    encode,
    from_child,
)
from neatctl.core.process.child import Child, InjectedFault
from tests.nic import frames as f
from tests.nic.rig import PLAIN
from tests.nic.switch import RSS_KEY

LIMIT_S = 5.0
M = TypeVar("M", bound=Message)


class ReplicaEnd:
    """A replica's side of its queue pair, with a doorbell to wait at."""

    def __init__(self, directory: Path, kind: str, number: int, generation: int, driver_bell: str) -> None:
        name = f"{number}.{generation}"
        self.bell = Doorbell(str(directory / "bells" / f"replica.{name}"))
        to_replica, to_driver = (str(directory / "rings" / f"{way}.{name}") for way in ("r", "d"))
        for path in (to_replica, to_driver):
            endpoint.create(kind, path, generation)
        self.queue = Queue(number, generation, "open", to_replica, to_driver, self.bell.path)
        self.received: Consumer = endpoint.open_consumer(kind, to_replica, generation, driver_bell)
        self.sending: Producer = endpoint.open_producer(kind, to_driver, generation, driver_bell)

    def say(self, kind: int, octets: bytes = b"") -> None:
        record = bytearray(FRAME_AT) + octets
        record[KIND_AT] = kind
        assert self.sending.send(bytes(record))
        self.sending.flush()

    def close(self) -> None:
        self.received.close()
        self.sending.close()
        self.bell.close()


class Supervisor:
    """The other end of a driver process."""

    def __init__(self, directory: Path, channel: str) -> None:
        for part in ("bells", "rings"):
            (directory / part).mkdir()
        self.directory = directory
        self.channel = channel
        self.router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.bind(f"ipc://{directory}/control")
        self.wire, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.wire.settimeout(LIMIT_S)
        ours, theirs = socket.socketpair()
        self.child = Child(str(directory), "ipc", 1, theirs)
        self.error: BaseException | None = None
        self.identity = b""
        self.heard: list[Message] = []
        self.replicas: list[ReplicaEnd] = []
        self.thread = threading.Thread(target=self._live)
        self.thread.start()
        self.hear(Announce)
        with ours, theirs, device:
            socket.send_fds(ours, [b"\0"], [device.fileno()])
            config = DriverConfig(0, 7, str(directory), "ipc", channel, f.NIC_MAC, RSS_KEY, spin_turns=2)
            self.tell(Assign("driver", 0, 7, msgspec.msgpack.encode(config)))
            self.ready = self.hear(Announce)

    def _live(self) -> None:
        try:
            assignment = self.child.stand_by()
            assert assignment is not None
            self.child.become(assignment)
        except InjectedFault as error:
            self.error = error
            self.child.close()

    def tell(self, message: Message) -> None:
        self.router.send_multipart([self.identity, encode(message)])

    def hear(self, kind: type[M], wanted: Callable[[M], bool] = lambda _: True) -> M:
        """The next message of a kind, and such that `wanted` holds."""
        ends = time.monotonic() + LIMIT_S
        while time.monotonic() < ends:
            if self.router.poll(100):
                self.identity, octets = self.router.recv_multipart()
                message = from_child.decode(octets)
                if isinstance(message, kind) and wanted(message):
                    return message
        raise TimeoutError(f"no {kind.__name__} came")

    def replica(self, number: int, generation: int = 1) -> ReplicaEnd:
        bell = str(self.directory / "bells" / "driver.0.7")
        made = ReplicaEnd(self.directory, self.channel, number, generation, bell)
        self.replicas.append(made)
        return made

    def end(self) -> None:
        if self.thread.is_alive():
            self.tell(Stop())
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive(), "the driver did not stop"
        for replica in self.replicas:
            replica.close()
        self.wire.close()
        self.router.close()


def until_frame(replica: ReplicaEnd) -> bytes:
    """The next frame to a replica."""
    ends = time.monotonic() + LIMIT_S
    while time.monotonic() < ends:
        if (record := replica.received.receive()) is not None:
            return record[FRAME_AT:]
        os.sched_yield()
    raise TimeoutError("no frame came")


@pytest.fixture(params=["ring", "zmq"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, request.param)
    yield made
    made.end()


def test_frames_flow_both_ways_and_beats_tell_of_them(supervisor: Supervisor) -> None:
    assert (supervisor.ready.component, supervisor.ready.generation) == ("driver", 7)
    replica = supervisor.replica(1)
    supervisor.tell(Queues([replica.queue]))
    replica.say(FLOWS_TOLD)
    for i in range(20):
        arriving = f.tcp(f.CLIENT, 4000 + i, f.SYN)
        supervisor.wire.send(PLAIN + arriving)
        assert until_frame(replica) == arriving
        leaving = f.tcp(f.CLIENT, 4000 + i, f.SYN | f.ACK, reply=True)
        replica.say(FRAME, leaving)
        assert supervisor.wire.recv(2000) == PLAIN + leaving
    beat = supervisor.hear(Beat, lambda beat: beat.counters["tx_frames"] == 20)
    assert (beat.counters["rx_frames"], beat.counters["to_replica_1"]) == (20, 20)
    assert (beat.gauges["flows"], beat.gauges["queues_open"]) == (20, 1)


def test_a_replica_is_replaced_while_another_one_goes_on(supervisor: Supervisor) -> None:
    first, second = supervisor.replica(1), supervisor.replica(2)
    supervisor.tell(Queues([first.queue, second.queue]))
    first.say(FLOWS_TOLD)
    second.say(FLOWS_TOLD)
    supervisor.hear(Beat, lambda beat: beat.gauges["queues_open"] == 2)
    reborn = supervisor.replica(1, 2)
    supervisor.tell(Queues([reborn.queue, second.queue]))
    reborn.say(FLOWS_TOLD)
    supervisor.hear(Beat, lambda beat: beat.gauges["queues_open"] == 2 and beat.counters["peer_faults"] == 0)
    supervisor.wire.send(PLAIN + f.arp(2, to=f.NIC_MAC))
    assert until_frame(reborn) == until_frame(second) == f.arp(2, to=f.NIC_MAC)


def test_a_bad_record_is_reported(supervisor: Supervisor) -> None:
    bad = supervisor.replica(1)
    supervisor.tell(Queues([bad.queue]))
    bad.say(99)
    assert supervisor.hear(PeerFaulted) == PeerFaulted("driver", 0, 7, "replica", 1, 1, "record")


def test_an_injected_exception_ends_the_process(supervisor: Supervisor) -> None:
    supervisor.tell(Inject("exception"))
    supervisor.thread.join(LIMIT_S)
    assert isinstance(supervisor.error, InjectedFault)
