"""The one face of a channel: a producer and a consumer of records, whatever carries them.

A record is some octets; its meaning belongs to the two ends. Every hop of a packet between two
processes is one producer and one consumer (paper section 3: message queues are all that is shared).
A consumer trusts nothing that it finds: what breaks the format raises PeerFault, which is the fault
of the process at the other end and is reported as such.
"""

from __future__ import annotations

from neatctl.core.native import Memory


class PeerFault(Exception):
    """The other end of a channel broke its rules; `reason` is one of `index`, `length`, `generation`, `record`.

    `channel` is the end that found it in its memory: who reads one channel may write another meanwhile, and must
    blame the right peer. None for a record that made no sense, or a channel that could not be opened.
    """

    def __init__(self, reason: str, detail: str = "", channel: Producer | Consumer | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.channel = channel


class Producer:
    """The sending end: reserve a place in `memory`, fill it, commit it; flush makes commits visible."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.full = 0
        """How often a reservation found no room."""

    def reserve(self, octets: int) -> int:
        """The offset in `memory` of room for a record of `octets`, or -1 when the channel is full (counted).

        PeerFault if the consumer broke the rules.
        """
        raise NotImplementedError

    def commit(self, octets: int) -> None:
        """End the reserved record; it may be shorter than what was reserved."""
        raise NotImplementedError

    def flush(self) -> None:
        """Hand over what was committed, and wake the consumer if it sleeps. Cheap when there is nothing.

        A channel over ZeroMQ that is full keeps its batch until the next flush: so flush in every turn.
        """
        raise NotImplementedError

    def want_room(self) -> None:
        """Ask for a doorbell when the consumer has made room; asked once for each time that `reserve` failed."""
        raise NotImplementedError

    def send(self, record: bytes) -> bool:
        """Reserve, put and commit one record; False when the channel is full. The caller flushes."""
        at = self.reserve(len(record))
        if at < 0:
            return False
        self.memory.put(at, record)
        self.commit(len(record))
        return True

    def close(self) -> None:
        """Let the channel go, and the other's doorbell with it."""
        raise NotImplementedError


class Consumer:
    """The receiving end: peek at the next record in `memory`, release it; flush gives its room back."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.at = 0
        """The offset in `memory` of the record that peek found."""

    def peek(self) -> int:
        """The length of the next record, which is at `self.at`, or -1 when there is none. PeerFault if it is bad."""
        raise NotImplementedError

    def release(self) -> None:
        """Be done with the record that peek found; without a peek before it, nothing."""
        raise NotImplementedError

    def flush(self) -> None:
        """Give the room of released records back, and wake the producer if it waits for room."""
        raise NotImplementedError

    def arm(self) -> bool:
        """Announce sleep, so that the next flush of the producer rings; False if a record came meanwhile. Flushes."""
        raise NotImplementedError

    def disarm(self) -> None:
        """Be awake again."""
        raise NotImplementedError

    def fileno(self) -> int:
        """A descriptor of the channel itself to wait on (`Loop.watch_consumer`), or -1 where the doorbell is rung."""
        return -1

    def receive(self) -> bytes | None:
        """Peek, copy and release one record; None when there is none."""
        octets = self.peek()
        if octets < 0:
            return None
        record = self.memory.bytes(self.at, octets)
        self.release()
        return record

    def close(self) -> None:
        """Let the channel go, and the other's doorbell with it."""
        raise NotImplementedError
