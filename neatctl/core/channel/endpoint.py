"""Makes, opens and removes channels by kind: the one place that knows which kinds there are.

Whoever brokers a link creates it and removes it; the two ends open it, and the consumer's end before or after the
producer's. Kinds: `ring` (shared memory, the path is a file's), `zmq` (ZeroMQ over ipc, the path is a socket's) and
`zmq-inproc` (ZeroMQ within one process, the path is a name). `doorbell_path` is the other end's doorbell, or "".
"""

from __future__ import annotations

import contextlib
import errno
import os

from neatctl.core.channel.batch import BatchConsumer, BatchProducer
from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.face import Consumer, PeerFault, Producer
from neatctl.core.channel.ring import DEFAULT_CAPACITY, RingConsumer, RingProducer, create_ring_file, map_ring_file

KINDS = ("ring", "zmq", "zmq-inproc")
IPC_PATH_OCTETS = 107
"""The longest path of a Unix socket on Linux (unix(7)), less its final zero."""


def create(kind: str, path: str, generation: int, capacity: int = DEFAULT_CAPACITY) -> None:
    """Make a new link, to be opened by its two ends. `capacity` (octets, a power of two) is a ring's.

    FileExistsError if there is one already; OSError with ENAMETOOLONG or ENOSPC says what to do.
    """
    if kind == "ring":
        create_ring_file(path, capacity, generation)
    elif _address(kind, path).startswith("ipc") and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def remove(kind: str, path: str) -> None:
    """Remove what a link leaves in the file system, if it is there. Ends that have it open keep what they have."""
    if kind == "zmq-inproc":
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def open_producer(kind: str, path: str, generation: int, doorbell_path: str) -> Producer:
    """Open the sending end. FileNotFoundError if the ring or the consumer's doorbell is gone; PeerFault if the link is
    of another generation or no ring."""
    if kind != "ring":
        return BatchProducer(_address(kind, path), generation)
    ringer = Ringer(doorbell_path)
    try:
        return RingProducer(map_ring_file(path), generation, ringer)
    except (OSError, PeerFault):
        ringer.close()
        raise


def open_consumer(kind: str, path: str, generation: int, doorbell_path: str) -> Consumer:
    """Open the receiving end; errors as `open_producer`, and FileExistsError if a ZeroMQ consumer has been there."""
    ringer = Ringer(doorbell_path)
    try:
        if kind == "ring":
            return RingConsumer(map_ring_file(path), generation, ringer)
        address = _address(kind, path)
        if kind == "zmq" and os.path.lexists(path):
            # libzmq would take the path over without a word, and leave its owner deaf.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return BatchConsumer(address, generation, ringer)
    except (OSError, PeerFault, ValueError):
        ringer.close()
        raise


def _address(kind: str, path: str) -> str:
    """ZeroMQ's name for a path."""
    if kind == "zmq-inproc":
        return f"inproc://{path}"
    if kind != "zmq":
        raise ValueError(f"a channel is one of {', '.join(KINDS)}, not {kind}")
    octets = len(os.fsencode(path))
    if octets > IPC_PATH_OCTETS:
        raise OSError(
            errno.ENAMETOOLONG,
            f"{octets} octets are too long for a Unix socket (at most {IPC_PATH_OCTETS}); use a shorter run directory",
            path,
        )
    return f"ipc://{path}"
