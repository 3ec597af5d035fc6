"""A service for tests of bulk transfer: takes octets and gives octets at the same time, and says what it took.

    python -m neatctl.apps.transfer /run/neatctl/default --port 9000

A client says how many octets it sends, how many it wants and a seed (8 octets each), then sends. It gets octets that
the seed determines (`content`), then the SHA-256 of what it sent, then the end. One thread serves all connections.
"""

from __future__ import annotations

import argparse
import hashlib

from neatctl.core.sockets import POLLIN, POLLOUT, Poll, Socket, Stack

HEADER_OCTETS = 24
PIECE_OCTETS = 65536
DIGEST_OCTETS = 32
MOST_OCTETS = 1 << 40


def content(seed: int, piece: int) -> bytes:
    """The octets of one piece of a stream: the same for the same seed, and unlike those of any other."""
    return hashlib.shake_128(seed.to_bytes(8, "big") + piece.to_bytes(8, "big")).digest(PIECE_OCTETS)


class Sending:
    """`octets` of the stream of a seed, then `last`, in parts as a socket takes them."""

    def __init__(self, seed: int, octets: int) -> None:
        self._seed = seed
        self._left = octets
        self._piece = 0
        self.part = b""
        """What is to be sent now; b"" at the end."""
        self._last = b""
        self._advance()

    def _advance(self) -> None:
        self.part = content(self._seed, self._piece)[: self._left]
        self._left -= len(self.part)
        self._piece += 1
        if not self.part:
            self.part, self._last = self._last, b""

    def sent(self, octets: int) -> None:
        """So many octets of `part` were taken."""
        self.part = self.part[octets:]
        if not self.part:
            self._advance()

    def finish(self, last: bytes) -> None:
        """Send this at the end."""
        self._last = last
        if not self.part:
            self._advance()


class Exchange:
    """One connection: what it has taken, and what it still gives."""

    def __init__(self, sock: Socket) -> None:
        self.sock = sock
        self.sending: Sending | None = None
        self.done = False
        """Everything was taken, and is answered with its digest."""
        self._header = b""
        self._hash = hashlib.sha256()
        self._expected = 0

    def take(self, octets: bytes) -> bool:
        """Octets of the client; False if they make no sense."""
        if self.sending is None:
            self._header += octets
            if len(self._header) < HEADER_OCTETS:
                return True
            head, octets = self._header[:HEADER_OCTETS], self._header[HEADER_OCTETS:]
            self._expected, wanted, seed = (int.from_bytes(head[at : at + 8], "big") for at in (0, 8, 16))
            if max(self._expected, wanted) > MOST_OCTETS:
                return False
            self.sending = Sending(seed, wanted)
        self._hash.update(octets)
        self._expected -= len(octets)
        if self._expected == 0 and not self.done:
            self.done = True
            self.sending.finish(self._hash.digest())
        return self._expected >= 0

    def give(self) -> bool:
        """Send what there is room for; False when everything has been sent."""
        sending = self.sending
        if sending is None:
            return True
        while sending.part:
            try:
                sending.sent(self.sock.send(sending.part))
            except BlockingIOError:
                return True
        return not self.done

    def wants(self) -> int:
        """The events to wait for."""
        return POLLIN | (POLLOUT if self.sending is not None and self.sending.part else 0)


def serve(stack: Stack, port: int) -> None:
    """Serve for ever."""
    listener = stack.socket()
    listener.bind(("", port))
    listener.listen()
    listener.setblocking(False)
    poll = Poll(stack)
    poll.register(listener, POLLIN)
    exchanges: dict[Socket, Exchange] = {}
    print("ready", flush=True)
    while True:
        for sock, events in poll.poll():
            if sock is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                exchanges[connection] = Exchange(connection)
                poll.register(connection, POLLIN)
            elif isinstance(sock, Socket) and not turn(exchanges[sock], events, poll):
                del exchanges[sock]
                sock.close()


def turn(exchange: Exchange, events: int, poll: Poll) -> bool:
    """Take and give what can be; False when the connection is over."""
    try:
        if events & POLLIN and not exchange.done:
            octets = exchange.sock.recv(4 * PIECE_OCTETS)
            if not octets or not exchange.take(octets):
                return False
        if not exchange.give():
            return False
    except OSError:  # reset by the peer, or its replica died
        return False
    poll.modify(exchange.sock, exchange.wants() if not exchange.done else POLLOUT)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Bulk transfer both ways on a running neatctl stack")
    parser.add_argument("run_directory", help="as `neatctl status --json` gives it, for example /run/neatctl/default")
    parser.add_argument("--port", type=int, default=9000)
    arguments = parser.parse_args()
    with Stack.connect_to(arguments.run_directory, "transfer") as stack:
        serve(stack, arguments.port)


if __name__ == "__main__":
    main()
