"""Channels by kind: creating, opening and removing, and what a caller is told when it cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from neatctl.core.channel import endpoint
from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.face import PeerFault


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", ["ring", "zmq"])
def test_a_link_is_made_once_and_removed_twice(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "link")
    endpoint.create(kind, path, 1)
    consumer = endpoint.open_consumer(kind, path, 1, "")
    with pytest.raises(FileExistsError):
        endpoint.create(kind, path, 2)
    endpoint.remove(kind, path)
    endpoint.remove(kind, path)
    assert not os.path.exists(path)
    consumer.close()
    endpoint.create(kind, path, 2)
    endpoint.remove(kind, path)


def test_ends_that_are_open_outlive_the_removal(tmp_path: Path) -> None:
    path = str(tmp_path / "link")
    endpoint.create("ring", path, 1)
    consumer = endpoint.open_consumer("ring", path, 1, "")
    producer = endpoint.open_producer("ring", path, 1, "")
    endpoint.remove("ring", path)
    assert producer.send(b"still")
    producer.flush()
    assert consumer.receive() == b"still"
    producer.close()
    consumer.close()


def test_a_second_zmq_consumer_does_not_steal_the_path(tmp_path: Path) -> None:
    path = str(tmp_path / "link")
    consumer = endpoint.open_consumer("zmq", path, 1, "")
    with pytest.raises(FileExistsError):
        endpoint.open_consumer("zmq", path, 1, "")
    consumer.close()


def test_a_path_too_long_for_a_socket_says_so(tmp_path: Path) -> None:
    fits = f"{tmp_path}/".ljust(endpoint.IPC_PATH_OCTETS, "x")
    endpoint.create("zmq", fits, 1)
    endpoint.open_consumer("zmq", fits, 1, "").close()
    for refused in (
        lambda: endpoint.create("zmq", fits + "x", 1),
        lambda: endpoint.open_producer("zmq", fits + "x", 1, ""),
        lambda: endpoint.open_consumer("zmq", fits + "x", 1, ""),
    ):
        with pytest.raises(OSError, match="shorter run directory") as caught:
            refused()
        assert caught.value.errno == errno.ENAMETOOLONG


def test_an_unknown_kind_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    path = str(tmp_path / "link")
    for refused in (
        lambda: endpoint.create("tcp", path, 1),
        lambda: endpoint.open_producer("tcp", path, 1, ""),
        lambda: endpoint.open_consumer("tcp", path, 1, ""),
    ):
        with pytest.raises(ValueError, match="ring, zmq"):
            refused()
    assert not os.listdir(tmp_path)


def test_a_link_or_doorbell_that_is_gone_is_told_and_leaks_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "link")
    bell = Doorbell(str(tmp_path / "bell"))
    before = open_descriptors()
    for opened in (endpoint.open_producer, endpoint.open_consumer):
        with pytest.raises(FileNotFoundError):
            opened("ring", path, 1, bell.path)
    endpoint.create("ring", path, 1)
    for opened in (endpoint.open_producer, endpoint.open_consumer):
        with pytest.raises(FileNotFoundError):
            opened("ring", path, 1, str(tmp_path / "nobody"))
        with pytest.raises(PeerFault, match="generation"):
            opened("ring", path, 2, bell.path)
    assert open_descriptors() == before
    bell.close()
