"""Holds many connections to a port at once, from several client addresses, and asks each for an echo.

    neatctl exec -- python bench/many_connections.py 10.77.0.2 7 --source 10.77.0.1 --source 10.77.0.11

Needs a server that sends back what it gets (`python -m neatctl.apps.echo`). Prints one line of JSON: how many were
opened, how many answered right, how long it took, and what came to an end. Connects at most `--pending` at a time.
Where a process may not open so many files, several with an address each do it together.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import select
import socket
import sys
import time

_FIRST_PORT = 2000
_PORTS = 62000
_EVENTS = 4096


class Crowd:
    """The connections: `idle` is how many are open, `wrong` how many failed or answered wrongly."""

    def __init__(self, server: tuple[str, int], sources: list[str], pending: int) -> None:
        self.server = server
        self.sources = sources
        self.pending = pending
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.errors: dict[str, int] = {}

    def open(self, count: int) -> int:
        """Open so many; how many are open then."""
        begun = 0
        waiting = 0
        ready = 0
        while begun < count or waiting:
            while begun < count and waiting < self.pending:
                sock = socket.socket()
                sock.setblocking(False)
                source = self.sources[begun % len(self.sources)]
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((source, _FIRST_PORT + begun // len(self.sources) % _PORTS))
                with contextlib.suppress(BlockingIOError):
                    sock.connect(self.server)
                self.sockets[sock.fileno()] = sock
                self.poll.register(sock, select.EPOLLOUT)
                begun += 1
                waiting += 1
            for fd, _ in self.poll.poll(5, _EVENTS):
                waiting -= 1
                error = self.sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    self._drop(fd, f"connect {error}")
                else:
                    ready += 1
                    self.poll.modify(fd, select.EPOLLIN)
        return ready

    def ask(self, octets: int) -> int:
        """Send each a message of its own and read it back; how many answered right."""
        right = 0
        fds = list(self.sockets)
        for at in range(0, len(fds), self.pending):
            wanted = {}
            for fd in fds[at : at + self.pending]:
                wanted[fd] = (b"%d " % fd).ljust(octets, b".")
                self.sockets[fd].send(wanted[fd])
            limit = time.monotonic() + 30
            while wanted and time.monotonic() < limit:
                for fd, _ in self.poll.poll(1, _EVENTS):
                    try:
                        got = self.sockets[fd].recv(octets + 1)
                    except OSError as error:
                        self._drop(fd, f"recv {error.errno}")
                        wanted.pop(fd, None)
                        continue
                    if got == wanted.pop(fd, None):
                        right += 1
                    else:
                        self._drop(fd, "wrong answer")
            for _ in wanted:
                self.errors["no answer"] = self.errors.get("no answer", 0) + 1
        return right

    def _drop(self, fd: int, why: str) -> None:
        self.errors[why] = self.errors.get(why, 0) + 1
        self.poll.unregister(fd)
        self.sockets.pop(fd).close()


def main() -> int:
    """Run; 0 if all were opened and answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--source", action="append", required=True, help="a client address; several times for several")
    parser.add_argument("--pending", type=int, default=500)
    parser.add_argument("--hold", type=float, default=0.0, help="seconds between both rounds of echoes")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd((options.server, options.port), options.source, options.pending)
    begin = time.monotonic()
    opened = crowd.open(options.connections)
    opened_s = time.monotonic() - begin
    first = crowd.ask(64)
    first_s = time.monotonic() - begin - opened_s
    print(f"{opened} open, {first} answered", file=sys.stderr, flush=True)
    time.sleep(options.hold)
    begin = time.monotonic()
    second = crowd.ask(64)
    report = {
        "opened": opened, "opened_s": round(opened_s, 1), "first": first, "first_s": round(first_s, 1),
        "second": second, "second_s": round(time.monotonic() - begin, 1), "errors": crowd.errors,
    }  # fmt: skip
    print(json.dumps(report))
    return 0 if opened == first == second == options.connections else 1


if __name__ == "__main__":
    sys.exit(main())
