"""Records in batches over ZeroMQ PUSH and PULL: the channel where rings are off.

One message is what one flush hands over: the records of a ring (one word of length and generation, the octets,
padding to 8) one behind the other, at most BATCH_OCTETS and one record more. Nothing is sent per record. The
consumer binds, the producer connects. Memory is bounded by ZeroMQ's high-water marks; past them the batch fills up,
then `reserve` finds the channel full. Knows nothing of what records mean or how paths are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import zmq

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.native import Memory

BATCH_OCTETS = 65536
"""A batch of this size takes no further record."""
MAX_RECORD = 65600
"""The most octets in one record: a super-frame with its descriptor, or 64 KiB of a socket with their header."""
HIGH_WATER = 64
"""Messages that each end holds at most."""
MESSAGE_OCTETS = BATCH_OCTETS + 8 + MAX_RECORD

_BATCH_OCTETS = BATCH_OCTETS
_MAX_RECORD = MAX_RECORD
_MESSAGE_OCTETS = MESSAGE_OCTETS
_HEADER = 8
_LENGTH_MASK = 0xFFFFFFFF
_GENERATION_MASK = 0x7FFFFFFF
# ZeroMQ tells a sender of room only each half of the mark, so a ring of the doorbell each half is enough.
_ROOM_EVERY = HIGH_WATER // 2
_RECONNECT_MS = 10
_EVENTS = int(zmq.EVENTS)
_POLLIN = int(zmq.POLLIN)
_POLLOUT = int(zmq.POLLOUT)
_NOBLOCK = int(zmq.NOBLOCK)


class BatchProducer(Producer):
    """The sending end. `endpoint` is ipc:// or inproc://; the consumer may bind it later."""

    def __init__(self, endpoint: str, generation: int) -> None:
        batch = bytearray(MESSAGE_OCTETS)
        super().__init__(Memory(batch))
        self._batch = memoryview(batch)
        self._stamp = (generation & _GENERATION_MASK) << 32
        self._used = 0
        self._reserved = -1
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUSH)
        self._look = cast("Callable[[int], int]", self._socket.get)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        self._socket.connect(endpoint)

    def reserve(self, octets: int) -> int:
        if octets < 0 or octets > _MAX_RECORD:
            raise ValueError(f"a batch takes no record of {octets} octets")
        if self._used >= _BATCH_OCTETS:
            self.flush()
            if self._used:
                self.full += 1
                return -1
        self._reserved = octets
        return self._used + _HEADER

    def commit(self, octets: int) -> None:
        if octets < 0 or octets > self._reserved:
            raise ValueError(f"{octets} octets committed where {self._reserved} were reserved")
        self.memory.store64(self._used, self._stamp | octets)
        self._used += (octets + _HEADER + 7) & ~7
        self._reserved = -1

    def flush(self) -> None:
        if not self._used:
            return
        try:
            # Copied: a send without copy over inproc can deadlock with the collector of the other thread.
            self._socket.send(self._batch[: self._used], _NOBLOCK)
        except zmq.Again:
            # A send without waiting looks for room once a millisecond only; the events are looked up always.
            if not self._look(_EVENTS) & _POLLOUT:
                return
            self._socket.send(self._batch[: self._used], _NOBLOCK)
        self._used = 0

    def want_room(self) -> None:
        """Nothing to do: the consumer rings whenever it has made room for half of the high-water mark."""

    def close(self) -> None:
        self._socket.close(0)
        self._batch.release()
        self.memory.release()


class BatchConsumer(Consumer):
    """The receiving end; wait for its `fileno()` as well as for the doorbell."""

    def __init__(self, endpoint: str, generation: int, producer: Ringer) -> None:
        self._message = bytearray(MESSAGE_OCTETS)
        super().__init__(Memory(self._message))
        self._generation = generation & _GENERATION_MASK
        self._producer = producer
        self._place = 0
        self._end = 0
        self._need = 0
        self._messages = 0
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
        self._look = cast("Callable[[int], int]", self._socket.get)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_OCTETS)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._socket.close(0)
            raise OSError(error.errno, error.strerror, endpoint) from error

    def peek(self) -> int:
        if self._place == self._end and not self._next_message():
            return -1
        word = self.memory.load64(self._place)
        if word >> 32 != self._generation:
            raise PeerFault("generation", f"a record of generation {word >> 32}, not {self._generation}", self)
        length = word & _LENGTH_MASK
        need = (length + _HEADER + 7) & ~7
        if need > self._end - self._place:
            raise PeerFault("length", f"a record of {length} octets in {self._end - self._place}", self)
        self._need = need
        self.at = self._place + _HEADER
        return length

    def _next_message(self) -> bool:
        """Take the next message, if there is one."""
        if not self._look(_EVENTS) & _POLLIN:
            return False
        octets = self._socket.recv_into(self._message, flags=_NOBLOCK)
        self._place = 0
        self._end = 0
        self._messages += 1
        if self._messages >= _ROOM_EVERY:
            self._messages = 0
            self._producer.ring()
        if octets == 0 or octets > _MESSAGE_OCTETS or octets & 7:
            raise PeerFault("length", f"a message of {octets} octets", self)
        self._end = octets
        return True

    def release(self) -> None:
        self._place += self._need
        self._need = 0

    def flush(self) -> None:
        """Nothing to do: a message's room is ZeroMQ's as soon as it was taken."""

    def arm(self) -> bool:
        # The descriptor tells edges only: this look is what makes the next message an edge.
        return self._place == self._end and not self._look(_EVENTS) & _POLLIN

    def disarm(self) -> None:
        """Nothing to do."""

    def fileno(self) -> int:
        return int(self._socket.fileno())

    def close(self) -> None:
        self._socket.close(0)
        self.memory.release()
        self._producer.close()
