"""The load client against a small kernel-socket server: what it counts, and what it does not take for an error."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neatctl.apps.load.plain import Load

BODY = b"twenty octets of it\n"


def answer(close: bool = False, status: str = "200 OK", body: bytes = BODY) -> bytes:
    last = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{last}\r\n".encode() + body


@contextmanager
def server(serve: Callable[[socket.socket, int], None]) -> Iterator[tuple[str, int]]:
    """Serves each connection in a thread: `serve(connection, number)`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

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
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def loaded(serve: Callable[[socket.socket, int], None], connections: int = 4, seconds: float = 0.3) -> Load:
    with server(serve) as address:
        load = Load(address, "/20b", connections)
        load.run(seconds)
    return load


def keep_answering(connection: socket.socket, what: bytes) -> None:
    while connection.recv(4096):
        connection.sendall(what)


def test_right_answers_are_counted_and_nothing_breaks() -> None:
    load = loaded(lambda connection, _: keep_answering(connection, answer()))
    assert load.requests > 20
    assert sum(load.errors.values()) == 0
    assert load.opened == 4
    assert load.report()["unbroken_connections"] == 4


def test_a_rate_is_not_exceeded() -> None:
    with server(lambda connection, _: keep_answering(connection, answer())) as address:
        load = Load(address, "/20b", 4, rate=100)
        load.run(0.5)
    assert 10 < load.requests <= 54
    assert sum(load.errors.values()) == 0


def test_an_orderly_close_by_the_server_is_no_error() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        connection.recv(4096)
        connection.sendall(answer(close=True))

    load = loaded(serve)
    assert load.opened > 8
    assert sum(load.errors.values()) == 0


def test_an_answer_in_pieces_is_one_answer() -> None:
    def serve(connection: socket.socket, _: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(4096):
            whole = answer()
            for at in range(0, len(whole), 7):
                connection.sendall(whole[at : at + 7])

    load = loaded(serve, 1)
    assert load.requests > 2
    assert sum(load.errors.values()) == 0


def test_a_reset_breaks_one_connection_and_it_comes_back() -> None:
    def serve(connection: socket.socket, number: int) -> None:
        connection.recv(4096)
        connection.sendall(answer())
        if number == 1:
            connection.recv(4096)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        keep_answering(connection, answer())

    load = loaded(serve)
    report = load.report()
    assert load.errors["reset"] == 1
    assert (report["broken_connections"], report["unbroken_connections"]) == (1, 3)
    assert load.opened == 5


def test_wrong_answers_are_errors() -> None:
    load = loaded(lambda connection, _: keep_answering(connection, answer(status="503 Service Unavailable")), 1)
    assert load.errors["status"] > 0
    assert load.requests == 0

    def changing(connection: socket.socket, _: int) -> None:
        for body in (BODY, BODY.upper()):
            connection.recv(4096)
            connection.sendall(answer(body=body))
        connection.recv(4096)

    assert loaded(changing, 1).errors["content"] > 0


def test_a_refusal_is_counted_and_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    load = Load(address, "/", 2)
    load.run(0.2)
    assert load.errors["refused"] > 4
    assert load.report()["broken_connections"] == 0, "it never was one"
