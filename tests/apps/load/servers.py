"""Small servers on loopback for the load client, each connection in a thread, and the runs against them."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from neatctl.apps.load.options import Options
from neatctl.apps.load.run import Report, Session

BODY = b"twenty octets of it\n"
Serve = Callable[[socket.socket, int], None]


def answer(close: bool = False, status: str = "200 OK", body: bytes = BODY) -> bytes:
    last = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{last}\r\n".encode() + body


@contextmanager
def server(serve: Serve) -> Iterator[int]:
    """Serves each connection in a thread: `serve(connection, number)`; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:

        def accept() -> None:
            number = 0
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                number += 1
                threading.Thread(target=one, args=(connection, number), daemon=True).start()

        def one(connection: socket.socket, number: int) -> None:
            with connection:
                try:
                    serve(connection, number)
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def options(port: int, connections: int = 4, seconds: float = 0.3, **others: object) -> Options:
    made = Options(f"http://127.0.0.1:{port}/20b", "127.0.0.1", port, ("/20b",), connections, seconds=seconds)
    return replace(made, **others)  # type: ignore[arg-type]


def loaded(serve: Serve, connections: int = 4, seconds: float = 0.3, **others: object) -> Report:
    with server(serve) as port:
        return Session(options(port, connections, seconds, **others)).run()


def request(connection: socket.socket) -> bytes:
    """The next request, b"" for none."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        if not (more := connection.recv(4096)):
            return b""
        got += more
    return got


def serving(what: bytes = answer()) -> Serve:
    """Answers every request, and closes when asked to."""

    def serve(connection: socket.socket, _: int) -> None:
        while asked := request(connection):
            if b"Connection: close" in asked:
                connection.sendall(what.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                return
            connection.sendall(what)

    return serve


def reset(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def only(report: Report, kind: str) -> int:
    """The errors of one class, when there are no others."""
    assert report.errors_total == report.errors[kind] == sum(report.error_reasons.values()), report.error_reasons
    return report.errors_total
