"""The stack of one replica, sans-IO: records of a NIC queue and socket records in, the same out, time as an argument.

Made of IP input, IP output, TCP and UDP; what is here is their order. No clock, socket, file or randomness inside.
"""

from __future__ import annotations

from neatctl.core.channel.face import PeerFault, Producer
from neatctl.core.channel.records import FLOW, FLOWS_TOLD, FRAME, FRAME_AT, KIND_AT, SEND_TO, SOCKET_HEADER
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.input import IpInput
from neatctl.core.ip.output import IpOutput
from neatctl.core.native import Memory
from neatctl.core.tcp.layer import TcpLayer
from neatctl.core.udp.udp_layer import UdpLayer

_FRAME_AT = FRAME_AT
_KIND_AT = KIND_AT
_FRAME = FRAME
_SEND_TO, _SOCKET_HEADER = SEND_TO, SOCKET_HEADER
_NEIGHBOURS_US = 1_000_000


class Stack:
    """One replica's stack. Its NIC queue comes and goes; its TCP stays."""

    def __init__(self, config: ReplicaConfig) -> None:
        self.counters = IpCounters()
        self.output = IpOutput(config, self.counters)
        self.tcp = TcpLayer(config, self.output)
        self.udp = UdpLayer(config, self.output)
        self._input = IpInput(config, self.output, self.tcp, self.udp, self.counters)
        self._neighbours_us = 0
        self._first = config.generation == 1
        """Nobody of this boot used our addresses before."""

    def attach_nic(self, net: Producer) -> None:
        """Use this NIC queue: tell the driver which flows live here (they keep their replica), and say so."""
        self.output.attach(net)
        for key in self.tcp.flows():
            self._tell(net, FLOW, key)
        self._tell(net, FLOWS_TOLD, b"")
        self.output.neighbours.attached(self._first)
        if self.output.discovery is not None:
            self.output.discovery.attached(self._first)
        self._first = False
        self.output.send_neighbour_records()

    def _tell(self, net: Producer, kind: int, key: bytes) -> None:
        if not net.send(bytes((0, 0, 0, 0, kind)) + bytes(_FRAME_AT - _KIND_AT - 1) + key):
            self.counters.drop_queue_full += 1

    def receive(self, memory: Memory, at: int, octets: int, now: int) -> None:
        """A record of the NIC queue."""
        if octets < _FRAME_AT or memory.get8(at + _KIND_AT) != _FRAME:
            self.counters.drop_record += 1
            raise PeerFault("record", f"{octets} octets that are no frame")
        self._input.receive(memory, at, octets, now)

    def command(self, app: int, memory: Memory, at: int, octets: int, now: int) -> None:
        """A socket record of an attached application. PeerFault("record") if it is malformed."""
        if octets >= _SOCKET_HEADER and memory.get8(at) == _SEND_TO:
            self.udp.command(app, memory, at, octets, now)
        else:
            self.tcp.command(app, memory, at, octets, now)

    def transmit(self, now: int) -> int:
        """Send what is due after a burst; how many segments."""
        sent = self.tcp.transmit(now)
        self.output.send_neighbour_records()
        return sent

    def deadline(self) -> int:
        """When `expire` must be called."""
        due = self.tcp.deadline()
        if due < 0 or due > self._neighbours_us:
            return self._neighbours_us
        return due

    def expire(self, now: int) -> None:
        """Time has come."""
        self.tcp.expire(now)
        if now >= self._neighbours_us:
            self.output.neighbours.expire(now)
            if self.output.discovery is not None:
                self.output.discovery.expire(now)
            self._input.expire(now)
            self._neighbours_us = now + _NEIGHBOURS_US
