"""UDP sockets of the library: what programs get and say, against replicas that a test plays by hand."""

from __future__ import annotations

import errno
import socket as kernel
import time
from collections.abc import Callable, Iterator

import pytest

from neatctl.core.channel.records import DATAGRAM, SEND_TO, UNDELIVERED
from neatctl.core.sockets import POLLERR, POLLIN, POLLOUT, DatagramSocket, Poll, Stack
from tests.core.sockets.desk import ADDRESS, CLIENT, Desk, HandReplica, record

PEER = ("10.77.0.1", 40000)
PORT = 5353
OURS = bytes((10, 77, 0, 2))


@pytest.fixture
def stack(two_replicas: Desk) -> Iterator[Stack]:
    with two_replicas.stack() as stack:
        yield stack


@pytest.fixture
def sock(stack: Stack) -> DatagramSocket:
    """Bound to PORT, and waiting for nothing."""
    sock = stack.datagram_socket()
    sock.bind(("", PORT))
    sock.setblocking(False)
    return sock


def ends(port: int = PEER[1], address: bytes = CLIENT, ours: bytes = OURS) -> bytes:
    return port.to_bytes(2, "big") + PORT.to_bytes(2, "big") + address + ours


def datagram(replica: HandReplica, octets: bytes, key: bytes = ends()) -> bytes:
    """The record of one that arrived for the socket that was bound last."""
    return record(DATAGRAM, replica.listener(), len(key), 0, key + octets)


def undelivered(replica: HandReplica, error: int, here: int = 0, key: bytes = ends()) -> bytes:
    return record(UNDELIVERED, replica.listener(), error, here, key)


def error_of(call: Callable[[], object]) -> int:
    with pytest.raises(OSError) as raised:  # noqa: PT011
        call()
    return raised.value.errno or 0


def test_a_bound_socket_is_in_every_replica_and_takes_datagrams_of_all(
    two_replicas: Desk, sock: DatagramSocket
) -> None:
    for place, replica in enumerate(two_replicas.replicas):
        (bound,) = replica.setup.subsockets
        assert (bound.port, bound.datagrams) == (PORT, True)
        replica.say(datagram(replica, b"%d" % place, ends(40000 + place)))
    got = {sock.recvfrom(100) for _ in range(2)}
    assert got == {(b"0", ("10.77.0.1", 40000)), (b"1", ("10.77.0.1", 40001))}
    assert error_of(lambda: sock.recvfrom(1)) == errno.EAGAIN
    assert sock.getsockname() == ("0.0.0.0", PORT)


def test_datagrams_keep_their_bounds(two_replicas: Desk, sock: DatagramSocket) -> None:
    replica = two_replicas.replicas[0]
    replica.say(*(datagram(replica, octets) for octets in (b"", b"abc", b"defgh", b"ij")))
    assert sock.recv(10) == b""
    assert sock.recv(2) == b"ab"
    room = bytearray(5)
    assert sock.recvfrom_into(room) == (5, PEER)
    assert bytes(room) == b"defgh"
    assert sock.recv_into(room, 1) == 1


def test_ipv6_peers_are_named_as_such(two_replicas: Desk, sock: DatagramSocket) -> None:
    replica = two_replicas.replicas[0]
    peer = kernel.inet_pton(kernel.AF_INET6, "fd77::1")
    replica.say(datagram(replica, b"six", ends(9, peer, bytes(16))))
    assert sock.recvfrom(10) == (b"six", ("fd77::1", 9))


def test_what_is_sent_to_one_peer_goes_by_one_replica_and_to_many_by_all(
    two_replicas: Desk, sock: DatagramSocket, stack: Stack
) -> None:
    for port in range(1, 33):
        for _ in range(2):
            assert sock.sendto(b"%d" % port, ("10.77.0.1", port)) == len(str(port))
    stack.flush()
    by: dict[int, int] = {}
    for place, replica in enumerate(two_replicas.replicas):
        said = replica.heard()
        assert said
        for each in said:
            port = int.from_bytes(each.payload[:2], "big")
            assert (each.kind, each.id, each.value) == (SEND_TO, replica.listener(), 12)
            assert each.payload[2:] == bytes(2) + CLIENT + bytes(4) + b"%d" % port
            assert by.setdefault(port, place) == place
    assert len(by) == 32


def test_a_bound_address_is_said_with_each_datagram(two_replicas: Desk, stack: Stack) -> None:
    sock = stack.datagram_socket()
    sock.bind((ADDRESS, PORT))
    sock.sendto(b"x", PEER)
    (said,) = [each for replica in two_replicas.replicas for each in replica.heard()]
    assert said.payload == PEER[1].to_bytes(2, "big") + bytes(2) + CLIENT + OURS + b"x"
    assert error_of(lambda: sock.sendto(b"x", ("fd77::1", 9))) == errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    ("address", "octets", "error"),
    [
        (PEER, 65508, errno.EMSGSIZE),
        (("fd77::1", 9), 65528, errno.EMSGSIZE),
        (("10.77.0.1", 0), 1, errno.EINVAL),
        (("10.77.0.1", 65536), 1, errno.EINVAL),
        (("nowhere", 9), 1, kernel.EAI_NONAME),
    ],
)
def test_what_cannot_be_sent(sock: DatagramSocket, address: tuple[str, int], octets: int, error: int) -> None:
    assert error_of(lambda: sock.sendto(bytes(octets), address)) == error


def test_the_largest_datagrams_fit(two_replicas: Desk, sock: DatagramSocket, stack: Stack) -> None:
    for address, octets in ((PEER, 65507), (("fd77::1", 9), 65527)):
        assert sock.sendto(bytes(octets), address) == octets
        stack.flush()
        (said,) = [each for replica in two_replicas.replicas for each in replica.heard()]
        assert len(said.payload) == said.value + octets


def test_a_full_ring_is_eagain_or_waited_for(two_replicas: Desk, sock: DatagramSocket) -> None:
    sent = 0
    while sent < 100:
        try:
            sock.sendto(bytes(60_000), PEER)
        except BlockingIOError:
            break
        sent += 1
    assert 2 <= sent < 20
    sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        sock.sendto(bytes(60_000), PEER)
    said = [each for replica in two_replicas.replicas for each in replica.heard()]
    assert len(said) == sent
    assert sock.sendto(bytes(60_000), PEER) == 60_000


def test_a_connected_socket_hears_its_peer_alone(two_replicas: Desk, sock: DatagramSocket, stack: Stack) -> None:
    assert error_of(lambda: sock.send(b"x")) == errno.EDESTADDRREQ
    assert error_of(sock.getpeername) == errno.ENOTCONN
    sock.connect(PEER)
    assert sock.getpeername() == PEER
    assert sock.send(b"question") == 8
    stack.flush()
    replica = two_replicas.replicas[0]
    replica.say(datagram(replica, b"forged", ends(PEER[1] + 1)))
    replica.say(datagram(replica, b"forged", ends(PEER[1], bytes((10, 77, 0, 3)))))
    replica.say(undelivered(replica, errno.ECONNREFUSED, key=ends(9)), datagram(replica, b"answer"))
    assert sock.recv(10) == b"answer"
    assert sock.mailbox is not None
    assert sock.mailbox.dropped == 2


def test_a_refusal_is_reported_once_by_the_next_call(two_replicas: Desk, sock: DatagramSocket, stack: Stack) -> None:
    replica = two_replicas.replicas[0]
    replica.say(undelivered(replica, errno.ECONNREFUSED))
    assert error_of(lambda: sock.recv(1)) == errno.EAGAIN, "who is not connected is not told"
    sock.connect(PEER)
    with Poll(stack) as poll:
        poll.register(sock, POLLIN | POLLOUT)
        assert poll.poll(0) == [(sock, POLLOUT)]
        replica.say(undelivered(replica, errno.ECONNREFUSED))
        assert poll.poll(1) == [(sock, POLLIN | POLLOUT | POLLERR)]
    assert error_of(lambda: sock.send(b"x")) == errno.ECONNREFUSED
    assert sock.send(b"x") == 1
    replica.say(undelivered(replica, errno.ECONNREFUSED))
    stack.turn()
    assert sock.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) == errno.ECONNREFUSED
    assert sock.getsockopt(kernel.SOL_SOCKET, kernel.SO_ERROR) == 0


def test_what_the_stack_itself_could_not_send_everybody_is_told(two_replicas: Desk, sock: DatagramSocket) -> None:
    replica = two_replicas.replicas[0]
    replica.say(undelivered(replica, errno.ENETUNREACH, 1))
    assert error_of(lambda: sock.recv(1)) == errno.ENETUNREACH


def test_what_is_not_taken_is_dropped_beyond_the_receive_buffer(two_replicas: Desk, sock: DatagramSocket) -> None:
    sock.setsockopt(kernel.SOL_SOCKET, kernel.SO_RCVBUF, 4000)
    replica = two_replicas.replicas[0]
    for place in range(9):
        replica.say(datagram(replica, bytes((place,)) * 1000))
    got = []
    while True:
        try:
            got.append(sock.recv(2000))
        except BlockingIOError:
            break
    assert got == [bytes((place,)) * 1000 for place in range(3)]
    assert sock.mailbox is not None
    assert sock.mailbox.dropped == 6


def test_polls_wait_for_datagrams(two_replicas: Desk, sock: DatagramSocket, stack: Stack) -> None:
    with Poll(stack) as poll:
        poll.register(sock, POLLIN)
        assert poll.poll(0) == []
        replica = two_replicas.replicas[1]
        replica.say(datagram(replica, b"x"))
        assert poll.poll(1) == [(sock, POLLIN)]
        assert sock.recv(1) == b"x"
        assert poll.poll(0) == []
        sock.close()
        assert poll.poll(0) == []


def test_a_socket_that_is_not_bound_gets_a_port_with_its_first_call(two_replicas: Desk, stack: Stack) -> None:
    ports = set()
    for _ in range(4):
        sock = stack.datagram_socket()
        sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        ports.add(sock.getsockname()[1])
    assert len(ports) == 4
    assert min(ports) >= 49152


def test_binding_has_its_errors(two_replicas: Desk, sock: DatagramSocket, stack: Stack) -> None:
    other = stack.datagram_socket()
    assert error_of(lambda: other.bind(("", PORT))) == errno.EADDRINUSE
    assert error_of(lambda: other.bind(("10.77.0.9", PORT))) == errno.EADDRNOTAVAIL
    assert error_of(lambda: sock.bind(("", PORT + 1))) == errno.EINVAL
    with pytest.raises(OverflowError):
        other.bind(("", 65536))
    tcp = stack.socket()
    tcp.bind(("", PORT))
    tcp.listen()
    sock.close()
    sock.close()
    other.bind(("", PORT))
    assert [bound.datagrams for bound in two_replicas.replicas[0].setup.subsockets].count(True) == 1


def test_a_closed_socket_does_nothing_and_late_datagrams_find_nobody(
    two_replicas: Desk, sock: DatagramSocket, stack: Stack
) -> None:
    replica = two_replicas.replicas[0]
    late = datagram(replica, b"late")
    sock.close()
    replica.say(late)
    assert stack.turn() == 1
    for call in (lambda: sock.recv(1), lambda: sock.sendto(b"x", PEER), lambda: sock.bind(("", 1)), sock.getsockname):
        assert error_of(call) == errno.EBADF
    assert sock.fileno() == -1


@pytest.mark.parametrize(
    "bad",
    [
        lambda replica: record(DATAGRAM, replica.listener(), 11, 0, bytes(11)),
        lambda replica: record(DATAGRAM, replica.listener(), 36, 0, bytes(35)),
        lambda replica: record(UNDELIVERED, replica.listener(), 1, 0, bytes(13)),
        lambda replica: record(UNDELIVERED + 1, replica.listener(), 12, 0, bytes(12)),
    ],
)
def test_a_replica_that_says_what_cannot_be_is_given_up(bad: Callable[[HandReplica], bytes]) -> None:
    from tests.core.sockets.desk import desk_of

    with desk_of(1) as desk, desk.stack() as stack:
        sock = stack.datagram_socket()
        sock.bind(("", PORT))
        desk.replicas[0].say(bad(desk.replicas[0]))
        stack.turn()
        assert stack.faults == 1


def test_a_server_that_lost_its_memory_is_told_of_the_socket_again(
    two_replicas: Desk, sock: DatagramSocket, stack: Stack
) -> None:
    replica = two_replicas.replicas[0]
    mailbox = sock.mailbox
    assert mailbox is not None
    before = mailbox.ident
    stack._close_at_server(before)  # As if it had never heard of it.
    until(stack, lambda: not replica.setup.subsockets)
    stack._listen_again()
    until(stack, lambda: mailbox.ident != before)
    assert replica.listener() == mailbox.ident
    replica.say(datagram(replica, b"after"))
    assert sock.recv(10) == b"after"


def until(stack: Stack, condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        stack.sleep(10_000)
