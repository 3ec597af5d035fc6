"""The driver process: takes the NIC's descriptor and the supervisor's messages, and lets the loop turn the driver.

The one module of the NIC that opens channels and talks to the supervisor (ARCHITECTURE.md, Processes). A fault of a
replica's queue is told to the supervisor; a fault of our own ends the process, which is started again.
"""

from __future__ import annotations

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.endpoint import open_consumer, open_producer
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.channel.ring import RingProducer, map_ring_file
from neatctl.core.control.config import DriverConfig
from neatctl.core.control.messages import (
    Impair,
    Inject,
    Message,
    Mirror,
    MirrorEnded,
    Mirrors,
    PeerFaulted,
    Queue,
    Queues,
)
from neatctl.core.process.child import Child, InjectedFault
from neatctl.nic.counters import Counters
from neatctl.nic.devices.face import Device
from neatctl.nic.devices.tap import Tap
from neatctl.nic.driver import Driver
from neatctl.nic.driver_events import Events
from neatctl.nic.impair import Impairment
from neatctl.nic.rss import Rss
from neatctl.nic.steering import Steering
from neatctl.nic.tracking import Tracking


class DriverProcess(Events):
    """A driver and what connects it to the world."""

    def __init__(self, config: DriverConfig, child: Child, device: Device) -> None:
        self._config = config
        self._child = child
        self._kind = "zmq-inproc" if config.channel == "zmq" and config.transport == "inproc" else config.channel
        steering = Steering(Rss(config.rss_key), Tracking(config.flows, config.time_wait_us), Counters(), config.mac)
        impairment = Impairment(config.impair, config.seed)
        # An earlier driver may have left it otherwise.
        device.set_segmentation(not impairment.active)
        self.driver = Driver(device, steering, self._open_pair, impairment, config.index, self, _open_mirror)

    def hear(self, message: Message) -> None:
        """A message of the supervisor; Stop is the child's business."""
        if isinstance(message, Queues):
            self.driver.set_queues(message.queues)
        elif isinstance(message, Mirrors):
            self.driver.set_mirrors(message.mirrors)
        elif isinstance(message, Impair):
            self.driver.impair(Impairment(message.frames, message.seed))
        elif isinstance(message, Inject):
            self.driver.inject = message.kind

    def _open_pair(self, queue: Queue) -> tuple[Producer, Consumer]:
        producer = open_producer(self._kind, queue.to_replica, queue.generation, queue.doorbell)
        try:
            consumer = open_consumer(self._kind, queue.to_driver, queue.generation, queue.doorbell)
        except (OSError, PeerFault):
            producer.close()
            raise
        return producer, consumer

    def faulted(self, replica: int, generation: int, reason: str) -> None:
        config = self._config
        self._child.send(PeerFaulted("driver", config.index, config.generation, "replica", replica, generation, reason))

    def reading(self) -> None:
        # Not before: a device that is not read stays readable, and nobody could sleep.
        self._child.loop.watch_asleep(self.driver.device.fileno())

    def opened(self, consumer: Consumer) -> None:
        self._child.loop.watch_consumer(consumer)

    def closing(self, consumer: Consumer) -> None:
        self._child.loop.forget_consumer(consumer)

    def mirror_ended(self, path: str, reason: str) -> None:
        self._child.send(MirrorEnded(path, reason))

    def fail(self, kind: str) -> None:
        raise InjectedFault(kind)


def _open_mirror(mirror: Mirror) -> RingProducer:
    # Its reader looks by itself: there is nobody to ring.
    return RingProducer(map_ring_file(mirror.path), mirror.generation, Ringer(""))


def start(config: DriverConfig, child: Child) -> None:
    """Be the driver of one NIC until told to stop."""
    device = Tap(child.receive_descriptor())
    process = DriverProcess(config, child, device)
    driver = process.driver
    child.on_message = process.hear
    child.counters = driver.read_counters
    child.gauges = driver.read_gauges
    child.announce("driver", config.index, config.generation)
    try:
        child.run(driver, config.spin_turns)
    finally:
        driver.close()
