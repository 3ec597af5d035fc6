"""Socket options as a program sets and reads them: Linux's values and errors, what is told, what is inherited."""

from __future__ import annotations

import errno
import socket as kernel
import struct
import threading
import time

import pytest

from neatctl.core.channel import socket_options as o
from neatctl.core.channel.records import ABORT, CLOSE, CONSUMED, DATA, INFO, OPTION, QUERY, SHUT, TAKEN, URGENT
from neatctl.core.channel.tcp_info import TcpInfo
from neatctl.core.sockets import POLLIN, POLLPRI, Poll
from tests.core.sockets.desk import Desk, HandReplica, Program, record

SOCKET, TCP = kernel.SOL_SOCKET, kernel.IPPROTO_TCP
INTEGERS = [
    # option, what is set, what is read then, our option, our value
    (SOCKET, kernel.SO_KEEPALIVE, 5, 1, o.KEEPALIVE, 1),
    (SOCKET, kernel.SO_RCVBUF, 50_000, 100_000, o.RECEIVE_OCTETS, 50_000),
    (SOCKET, kernel.SO_RCVBUF, 1, 2 * 2304, o.RECEIVE_OCTETS, 2304),
    (SOCKET, kernel.SO_SNDBUF, 100_000, 200_000, o.SEND_OCTETS, 100_000),
    (SOCKET, kernel.SO_SNDBUF, -1, 16 << 20, o.SEND_OCTETS, 8 << 20),
    (TCP, kernel.TCP_NODELAY, 7, 1, o.NODELAY, 1),
    (TCP, kernel.TCP_CORK, 1, 1, o.CORK, 1),
    (TCP, kernel.TCP_QUICKACK, 1, 1, o.QUICKACK, 1),
    (TCP, kernel.TCP_KEEPIDLE, 30, 30, o.KEEP_IDLE_S, 30),
    (TCP, kernel.TCP_KEEPINTVL, 5, 5, o.KEEP_INTERVAL_S, 5),
    (TCP, kernel.TCP_KEEPCNT, 127, 127, o.KEEP_COUNT, 127),
    (TCP, kernel.TCP_USER_TIMEOUT, 9000, 9000, o.USER_TIMEOUT_MS, 9000),
    (TCP, kernel.TCP_DEFER_ACCEPT, -4, 0, o.DEFER_ACCEPT_S, 0),
]
REFUSED = [
    (TCP, kernel.TCP_KEEPIDLE, 0),
    (TCP, kernel.TCP_KEEPIDLE, 32768),
    (TCP, kernel.TCP_KEEPINTVL, -1),
    (TCP, kernel.TCP_KEEPCNT, 128),
    (TCP, kernel.TCP_MAXSEG, 87),
    (TCP, kernel.TCP_MAXSEG, 32768),
    (TCP, kernel.TCP_USER_TIMEOUT, -1),
    (TCP, kernel.TCP_NODELAY, b"\x01"),
    (SOCKET, kernel.SO_LINGER, 1),
    (TCP, kernel.TCP_CONGESTION, b""),
]


class Answering:
    """A replica's hand that answers each QUERY with the next of these states."""

    def __init__(self, replica: HandReplica, *infos: TcpInfo) -> None:
        self.replica = replica
        self.infos = list(infos)
        self.said: list[int] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        limit = time.monotonic() + 5
        while self.infos and time.monotonic() < limit:
            for said in self.replica.heard():
                self.said.append(said.kind)
                if said.kind == QUERY:
                    self.replica.say(record(INFO, said.id, said.value, payload=self.infos.pop(0).octets()))
            time.sleep(0.0005)

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._thread.join()


@pytest.mark.parametrize(("level", "name", "value", "read", "option", "ours"), INTEGERS)
def test_an_option_reaches_the_replica_and_is_read_as_linux_has_it(
    program: Program, level: int, name: int, value: int, read: int, option: int, ours: int
) -> None:
    sock, id = program.connection()
    program.replica.heard()
    sock.setsockopt(level, name, value)
    program.stack.flush()
    assert [(said.kind, said.id, said.value, said.second) for said in program.replica.heard()] == [
        (OPTION, id, option, ours)
    ]
    assert sock.getsockopt(level, name) == read
    assert sock.getsockopt(level, name, 4) == struct.pack("i", read)


@pytest.mark.parametrize(("level", "name", "value"), REFUSED)
def test_a_bad_value_is_einval_and_changes_nothing(program: Program, level: int, name: int, value: int | bytes) -> None:
    sock = program.stack.socket()
    with pytest.raises(OSError, match=r".") as caught:
        sock.setsockopt(level, name, value)
    assert caught.value.errno == errno.EINVAL
    assert not sock.options


@pytest.mark.parametrize("name", [kernel.SO_ERROR, kernel.SO_TYPE, kernel.SO_ACCEPTCONN, kernel.SO_PROTOCOL, 9999])
def test_what_cannot_be_set_is_enoprotoopt(program: Program, name: int) -> None:
    with pytest.raises(OSError, match="not supported") as caught:
        program.server.setsockopt(SOCKET, name, 1)
    assert caught.value.errno == errno.ENOPROTOOPT


def test_what_can_only_be_read(program: Program) -> None:
    sock, _ = program.connection()
    assert [sock.getsockopt(SOCKET, name) for name in (kernel.SO_TYPE, kernel.SO_PROTOCOL, kernel.SO_DOMAIN)] == [
        kernel.SOCK_STREAM,
        kernel.IPPROTO_TCP,
        kernel.AF_INET,
    ]
    assert (sock.getsockopt(SOCKET, kernel.SO_ACCEPTCONN), sock.getsockopt(SOCKET, kernel.SO_ERROR)) == (0, 0)
    assert program.server.getsockopt(SOCKET, kernel.SO_ACCEPTCONN) == 1


def test_congestion_is_chosen_by_name(program: Program) -> None:
    sock = program.stack.socket()
    for number, name in enumerate(o.CONGESTIONS):
        sock.setsockopt(TCP, kernel.TCP_CONGESTION, name.encode())
        assert sock.options[o.CONGESTION] == number
        assert sock.getsockopt(TCP, kernel.TCP_CONGESTION, 16) == name.encode().ljust(16, b"\0")
    with pytest.raises(OSError, match="there is no 'vegas'") as caught:
        sock.setsockopt(TCP, kernel.TCP_CONGESTION, b"vegas")
    assert caught.value.errno == errno.ENOENT


def test_a_listening_socket_tells_every_replica_and_its_connections_inherit(two_replicas: Desk) -> None:
    with two_replicas.stack() as stack:
        server = stack.socket()
        server.setsockopt(TCP, kernel.TCP_USER_TIMEOUT, 7000)
        server.setsockopt(SOCKET, kernel.SO_LINGER, struct.pack("ii", 1, 0))
        server.bind(("", 8080))
        server.listen()
        replica = two_replicas.replicas[0]
        assert replica.setup.subsockets[-1].options == {o.USER_TIMEOUT_MS: 7000}
        server.setsockopt(SOCKET, kernel.SO_RCVBUF, 8192)
        limit = time.monotonic() + 5
        while o.RECEIVE_OCTETS not in replica.setup.subsockets[-1].options and time.monotonic() < limit:
            stack.sleep(10_000)
        assert replica.setup.subsockets[-1].options == {o.USER_TIMEOUT_MS: 7000, o.RECEIVE_OCTETS: 8192}
        replica.accepted(50)
        heir, _ = server.accept()
        assert heir.getsockopt(TCP, kernel.TCP_USER_TIMEOUT) == 7000
        replica.data(50, bytes(3000))
        heir.recv(3000)
        stack.flush()
        heir.close()
        stack.flush()
        assert [said.kind for said in replica.heard()] == [TAKEN, CONSUMED, ABORT]


def test_tcp_info_is_a_round_trip_to_the_replica(program: Program) -> None:
    sock, _ = program.connection()
    known = TcpInfo(state=1, snd_mss=1448, rtt=250, snd_cwnd=10, bytes_received=1 << 40)
    with Answering(program.replica, known, known, known):
        assert sock.tcp_info() == known
        octets = sock.getsockopt(TCP, kernel.TCP_INFO, 104)
        assert octets == known.octets()[:104]
        assert sock.getsockopt(TCP, kernel.TCP_MAXSEG) == 1448


def test_tcp_info_without_a_connection(program: Program) -> None:
    assert (program.server.tcp_info().state, program.stack.socket().tcp_info().state) == (10, 7)


def test_linger_of_zero_resets(program: Program) -> None:
    sock, _ = program.connection()
    sock.setsockopt(SOCKET, kernel.SO_LINGER, struct.pack("ii", 1, 0))
    assert sock.getsockopt(SOCKET, kernel.SO_LINGER, 8) == struct.pack("ii", 1, 0)
    program.replica.heard()
    sock.close()
    program.stack.flush()
    assert [said.kind for said in program.replica.heard()] == [ABORT]


def test_linger_waits_until_all_is_acknowledged(program: Program) -> None:
    sock, _ = program.connection()
    sock.setsockopt(SOCKET, kernel.SO_LINGER, struct.pack("ii", 1, 5))
    program.stack.flush()
    program.replica.heard()
    with Answering(program.replica, TcpInfo(state=4), TcpInfo(state=4), TcpInfo(state=5)) as answering:
        sock.close()
    program.stack.flush()
    assert answering.said == [SHUT, QUERY, QUERY, QUERY]
    assert [said.kind for said in program.replica.heard()] == [CLOSE]


def test_must_33_urgent_octets_are_polled_for_until_they_are_read(program: Program) -> None:
    sock, id = program.connection()
    poll = Poll(program.stack)
    poll.register(sock, POLLPRI)
    program.replica.say(record(DATA, id, payload=b"ab"), record(URGENT, id, 2), record(DATA, id, payload=b"cde"))
    assert [events for _, events in poll.poll(1000)] == [POLLPRI]
    assert sock.flow is not None
    assert sock.flow.urgent == 4
    assert (sock.recv(2), sock.recv(1)) == (b"ab", b"c")
    assert [events for _, events in poll.poll(0)] == [POLLPRI]
    assert sock.recv(1) == b"d"
    assert poll.poll(0) == []
    poll.modify(sock, POLLIN | POLLPRI)
    assert [events for _, events in poll.poll(0)] == [POLLIN]
    poll.close()
