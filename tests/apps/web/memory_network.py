"""A network of clients in memory: virtual time, readers as slow as a test wants them, resets at will."""

from __future__ import annotations

import errno
from typing import Any, cast

from neatctl.apps.web.network import FAILED, READABLE, WRITABLE, Network


class Peer:
    """One client: what it sent and was not read, what it got, and how much more it will take."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.unread: list[bytes] = []
        self.finished = False
        self.got = bytearray()
        self.room = room
        self.largest_send = 0
        self.fate = "open"
        """open, shut (the server's FIN came), closed (and the server is done with it), reset."""
        self.failed = False
        self.watched = 0
        self.token: Any = None

    def events(self) -> int:
        events = READABLE if self.unread or self.finished else 0
        events |= WRITABLE if self.room else 0
        events |= READABLE | WRITABLE | FAILED if self.failed else 0
        return events & (self.watched | FAILED) if self.watched else 0


class MemoryNetwork(Network):
    def __init__(self) -> None:
        self.waiting: list[Peer] = []
        self.peers: list[Peer] = []
        self.listening = True

    def connect(self, *octets: bytes, room: int = 1 << 40, fin: bool = False) -> Peer:
        peer = Peer(room)
        peer.unread += octets
        peer.finished = fin
        self.waiting.append(peer)
        return peer

    def accept(self) -> object | None:
        return self.waiting.pop(0) if self.waiting else None

    def receive(self, sock: object) -> bytes | None:
        peer = cast("Peer", sock)
        assert peer.fate in ("open", "shut")
        if peer.failed:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        if peer.unread:
            return peer.unread.pop(0)
        return b"" if peer.finished else None

    def send(self, sock: object, data: bytes, at: int, stop: int) -> int:
        peer = cast("Peer", sock)
        assert peer.fate == "open"
        assert 0 <= at < stop <= len(data)
        if peer.failed:
            raise BrokenPipeError(errno.EPIPE, "reset")
        octets = min(stop - at, peer.room)
        peer.got += data[at : at + octets]
        peer.room -= octets
        return octets

    def shut(self, sock: object) -> None:
        peer = cast("Peer", sock)
        assert peer.fate == "open"
        peer.fate = "shut"

    def close(self, sock: object) -> None:
        if sock is None:
            self.listening = False
        else:
            self._end(cast("Peer", sock), "closed")

    def abort(self, sock: object) -> None:
        self._end(cast("Peer", sock), "reset")

    def _end(self, peer: Peer, fate: str) -> None:
        assert peer.fate in ("open", "shut")
        peer.fate = fate
        peer.watched = 0
        if peer in self.peers:
            self.peers.remove(peer)

    def watch(self, sock: object, token: object, events: int, watched: int) -> None:
        if sock is None:
            return
        peer = cast("Peer", sock)
        assert peer.watched == watched
        peer.watched = events
        peer.token = token
        if not watched:
            self.peers.append(peer)

    def poll(self, timeout_us: int) -> list[tuple[Any, int]]:
        del timeout_us
        ready: list[tuple[Any, int]] = [(peer.token, peer.events()) for peer in self.peers if peer.events()]
        if self.waiting and self.listening:
            ready.append((None, READABLE))
        return ready
