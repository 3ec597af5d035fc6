"""The two queues between a driver and one incarnation of a replica, and what the driver knows of its end of them.

Knows no frames and does not open channels.
"""

from __future__ import annotations

from neatctl.core.channel.face import Consumer, Producer
from neatctl.nic.steering import CLOSED


class QueuePair:
    """A queue pair; closed until its replica told its flows, and for ever when it broke the rules."""

    def __init__(self, replica: int, generation: int, producer: Producer, consumer: Consumer) -> None:
        self.replica = replica
        self.generation = generation
        self.producer = producer
        self.consumer = consumer
        self.wanted = CLOSED
        """The state that the supervisor asked for."""
        self.told = False
        """The replica said FLOWS_TOLD."""
        self.faulted = False
        self.retrying = False
        """The record at the head was decided upon before, but the device had no room for it."""
        self.frames_to = 0
        self.frames_from = 0

    def state(self) -> int:
        """The state that is in force."""
        return self.wanted if self.told and not self.faulted else CLOSED

    def frames(self) -> dict[str, int]:
        """Frames each way, under the names of their counters."""
        return {f"to_replica_{self.replica}": self.frames_to, f"from_replica_{self.replica}": self.frames_from}

    def close(self) -> None:
        self.producer.close()
        self.consumer.close()
