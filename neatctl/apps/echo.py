"""An echo server (RFC 862): the first file to read for whoever writes a program for the stack.

    python -m neatctl.apps.echo /run/neatctl/default --port 7

One thread serves all connections, and datagrams beside them: it waits with `Poll` for what is ready and never for one
socket. The same few calls as with Python's `socket` and `select` modules.
"""

from __future__ import annotations

import argparse

from neatctl.core.sockets import POLLIN, POLLOUT, DatagramSocket, Poll, Socket, Stack

CHUNK_OCTETS = 65536
BURST = 64


def serve(stack: Stack, port: int) -> None:
    """Give every octet and datagram that arrives on this port back to its sender, for ever."""
    listener = stack.socket()
    listener.bind(("", port))
    listener.listen()
    listener.setblocking(False)
    poll = Poll(stack)
    poll.register(listener, POLLIN)
    datagrams = stack.datagram_socket()
    datagrams.bind(("", port))
    datagrams.setblocking(False)
    poll.register(datagrams, POLLIN)
    unsent: dict[Socket, bytes] = {}
    while True:
        for sock, _ in poll.poll():
            if sock is listener:
                connection, _ = listener.accept()
                connection.setblocking(False)
                poll.register(connection, POLLIN)
            elif sock is datagrams:
                return_datagrams(datagrams)
            elif isinstance(sock, Socket):
                echo(sock, poll, unsent)


def return_datagrams(datagrams: DatagramSocket) -> None:
    """Send back what has arrived; what cannot be sent now is lost, as datagrams may be."""
    for _ in range(BURST):
        try:
            octets, sender = datagrams.recvfrom(65535)
            datagrams.sendto(octets, sender)
        except OSError:  # nothing more has arrived, there is no room, or the way back is closed
            return


def echo(connection: Socket, poll: Poll, unsent: dict[Socket, bytes]) -> None:
    """Move octets of one connection on; what cannot be sent yet is kept, and nothing more is read until it is."""
    try:
        waiting = unsent.pop(connection, None)
        octets = connection.recv(CHUNK_OCTETS) if waiting is None else waiting
        if not octets:  # the peer has said all it wanted to say
            connection.close()
            return
        try:
            sent = connection.send(octets)
        except BlockingIOError:
            sent = 0
        if sent < len(octets):
            unsent[connection] = octets[sent:]
        poll.modify(connection, POLLOUT if sent < len(octets) else POLLIN)
    except ConnectionError:  # reset by the peer, or its replica died
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Echo server on a running neatctl stack")
    parser.add_argument("run_directory", help="as `neatctl status --json` gives it, for example /run/neatctl/default")
    parser.add_argument("--port", type=int, default=7)
    arguments = parser.parse_args()
    with Stack.connect_to(arguments.run_directory, "echo") as stack:
        serve(stack, arguments.port)


if __name__ == "__main__":
    main()
