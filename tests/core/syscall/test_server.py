"""The SYSCALL server by its messages, each test a transcript of who says what. Time is an argument."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from itertools import pairwise
from random import Random

import pytest

from neatctl.core.channel.socket_options import KEEP_COUNT, KEEPALIVE
from neatctl.core.control.messages import (
    Done,
    Goodbye,
    Hello,
    Link,
    Links,
    Listen,
    ListenersReady,
    Listening,
    Message,
    Refused,
    Replica,
    ReplicaHello,
    Replicas,
    Setup,
    SetupDone,
    Snapshot,
    Tune,
    Unlisten,
    Welcome,
)
from neatctl.core.syscall.server import REPEAT_US, SUPERVISOR, SyscallServer

ADDRESS = "10.77.0.2"
WEB, ECHO = b"app.100.web", b"app.200.echo"


def replica_identity(replica: int, generation: int = 1) -> bytes:
    return f"replica.{replica}.{generation}".encode()


class Desk:
    """A server, and everybody else by hand. Channels that exist are in `channels`."""

    def __init__(self, generation: int = 1, snapshot: bytes = b"") -> None:
        self.server = SyscallServer(generation, ADDRESS, "R", Random(1).randrange, snapshot)
        self.now = 1_000_000
        self.channels: set[str] = set()
        self.snapshot = b""
        self.serials: dict[bytes, int] = {}

    def take(self) -> list[tuple[bytes, Message]]:
        """What the server said; channels are made before messages go out."""
        self.channels |= {path for path, _, _ in self.server.channels_made}
        self.channels -= set(self.server.channels_gone)
        self.server.channels_made, self.server.channels_gone = [], []
        out = self.server.take()
        for identity, message in out:
            if isinstance(message, Snapshot):
                self.snapshot = message.state
            if isinstance(message, Setup):
                assert message.serial > self.serials.get(identity, 0) or message.serial == self.serials.get(identity)
                self.serials[identity] = message.serial
                for link in message.apps:
                    assert {link.to_app, link.to_replica} <= self.channels
            if isinstance(message, Links):
                for each in message.links:
                    assert {each.to_app, each.to_replica} <= self.channels
        return out

    def say(self, identity: bytes, message: Message) -> list[tuple[bytes, Message]]:
        self.server.receive(identity, message, self.now)
        return self.take()

    def after(self, us: int) -> list[tuple[bytes, Message]]:
        self.now += us
        if 0 <= self.server.deadline() <= self.now:
            self.server.expire(self.now)
        return self.take()

    def replicas(self, *living: tuple[int, int], accepting: bool = True) -> list[tuple[bytes, Message]]:
        """The supervisor's list of replicas (number, generation); those that are new say hello."""
        message = Replicas([Replica(r, g, accepting, f"R/replica.{r}.{g}") for r, g in living])
        self.server.replicas_changed(message, self.now)
        out = self.take()
        for r, g in living:
            if replica_identity(r, g) not in self.serials:
                out += self.say(replica_identity(r, g), ReplicaHello(r, g))
        return out

    def done(self, replica: int, generation: int = 1) -> list[tuple[bytes, Message]]:
        """The replica has its last Setup in force."""
        identity = replica_identity(replica, generation)
        return self.say(identity, SetupDone(replica, generation, self.serials[identity]))

    def hello(self, identity: bytes) -> list[tuple[bytes, Message]]:
        return self.say(identity, Hello(identity.decode(), int(identity.split(b".")[1]), f"bells/{identity.decode()}"))

    def listen(
        self, identity: bytes, port: int, request: int = 1, address: str = "", shared: bool = False
    ) -> list[tuple[bytes, Message]]:
        return self.say(identity, Listen(request, address, port, 16, shared))


def to(identity: bytes, out: Iterable[tuple[bytes, Message]]) -> list[Message]:
    return [message for who, message in out if who == identity]


def kinds(identity: bytes, out: Iterable[tuple[bytes, Message]]) -> list[type]:
    return [type(message) for message in to(identity, out)]


def ready_desk(replicas: int = 2) -> Desk:
    """Replicas that have their Setup, and one application."""
    desk = Desk()
    desk.replicas(*((r, 1) for r in range(1, replicas + 1)))
    desk.hello(WEB)
    for r in range(1, replicas + 1):
        desk.done(r)
    return desk


def last_setup(out: Iterable[tuple[bytes, Message]], replica: int, generation: int = 1) -> Setup:
    setups = [message for message in to(replica_identity(replica, generation), out) if isinstance(message, Setup)]
    return setups[-1]


def test_an_application_is_welcomed_and_gets_a_link_to_every_replica() -> None:
    desk = Desk()
    desk.replicas((1, 1), (2, 1))
    out = desk.hello(WEB)
    welcome, links = to(WEB, out)
    assert isinstance(welcome, Welcome)
    assert isinstance(links, Links)
    assert [(link.replica, link.generation) for link in links.links] == [(1, 1), (2, 1)]
    assert [link.doorbell for link in links.links] == ["R/replica.1.1", "R/replica.2.1"]
    seen_by_replica = last_setup(out, 2).apps[0]
    assert (seen_by_replica.to_app, seen_by_replica.to_replica) == (links.links[1].to_app, links.links[1].to_replica)


def test_listening_is_answered_only_when_every_living_replica_has_the_subsocket() -> None:
    desk = ready_desk()
    out = desk.listen(WEB, 80)
    assert to(WEB, out) == []
    assert [(s.port, s.address, s.backlog) for s in last_setup(out, 1).subsockets] == [(80, "", 16)]
    assert to(WEB, desk.done(1)) == []
    (answer,) = to(WEB, desk.done(2))
    assert isinstance(answer, Listening)
    assert (answer.request, answer.port) == (1, 80)


def test_a_replica_that_dies_does_not_hold_listen_up() -> None:
    desk = ready_desk()
    desk.listen(WEB, 80)
    desk.done(1)
    assert Listening in kinds(WEB, desk.replicas((1, 1)))


def test_an_old_setup_done_does_not_count() -> None:
    desk = ready_desk(1)
    before = desk.serials[replica_identity(1)]
    desk.listen(WEB, 80)
    assert to(WEB, desk.say(replica_identity(1), SetupDone(1, 1, before))) == []
    assert to(WEB, desk.say(replica_identity(1), SetupDone(1, 1, 1 << 50))) == []
    assert kinds(WEB, desk.done(1)) == [Listening]


def test_a_port_in_use_is_refused_with_who_holds_it_and_free_again_when_its_holder_ends() -> None:
    desk = ready_desk(1)
    desk.listen(WEB, 80)
    desk.done(1)
    desk.hello(ECHO)
    (refused,) = to(ECHO, desk.listen(ECHO, 80))
    assert isinstance(refused, Refused)
    assert refused.errno == errno.EADDRINUSE
    assert "100" in refused.message
    desk.server.ended(WEB, desk.now)
    desk.take()
    desk.listen(ECHO, 80, request=2)
    assert kinds(ECHO, desk.done(1)) == [Listening]


@pytest.mark.parametrize(
    ("address", "port", "error"),
    [
        ("10.77.0.3", 80, errno.EADDRNOTAVAIL),
        ("127.0.0.1", 80, errno.EADDRNOTAVAIL),
        ("ten", 80, errno.EINVAL),
        ("", 65536, errno.EINVAL),
        ("", -1, errno.EINVAL),
    ],
)
def test_addresses_and_ports_that_cannot_be(address: str, port: int, error: int) -> None:
    desk = ready_desk(1)
    (refused,) = to(WEB, desk.listen(WEB, port, address=address))
    assert isinstance(refused, Refused)
    assert refused.errno == error


def test_port_0_gives_a_free_port_above_49152_and_never_the_same_twice() -> None:
    desk = ready_desk(1)
    ports = set()
    for request in range(1, 6):
        desk.listen(WEB, 0, request=request)
        (answer,) = to(WEB, desk.done(1))
        assert isinstance(answer, Listening)
        ports.add(answer.port)
    assert len(ports) == 5
    assert all(49152 <= port <= 65535 for port in ports)


def test_udp_and_tcp_have_ports_of_their_own_and_the_next_server_knows_which() -> None:
    desk = ready_desk(1)
    desk.listen(WEB, 53)
    desk.say(WEB, Listen(2, "", 53, 1, datagrams=True))
    assert kinds(WEB, desk.done(1)) == [Listening, Listening]
    desk = Desk(2, desk.snapshot)
    desk.replicas((1, 1))
    desk.hello(ECHO)
    for request, datagrams in ((1, False), (2, True)):
        assert kinds(ECHO, desk.say(ECHO, Listen(request, "", 53, 1, datagrams=datagrams))) == [Refused]
    desk.say(ECHO, Listen(3, "", 54, 1, datagrams=True))
    setup = Setup(0, [], [])
    for message in to(replica_identity(1), desk.after(REPEAT_US)):
        assert isinstance(message, Setup)
        setup = message
    assert {(each.port, each.datagrams) for each in setup.subsockets} == {(53, False), (53, True), (54, True)}


def test_the_port_of_a_udp_socket_that_asks_for_any_cannot_be_guessed() -> None:
    desk = ready_desk(1)
    ports = []
    for request in range(1, 9):
        desk.say(WEB, Listen(request, "", 0, 1, datagrams=True))
        (answer,) = to(WEB, desk.done(1))
        assert isinstance(answer, Listening)
        ports.append(answer.port)
    assert len(set(ports)) == 8
    assert all(49152 <= port <= 65535 for port in ports)
    assert any(abs(after - before) > 1 for before, after in pairwise(ports))


def test_a_repeated_request_is_answered_again_and_not_done_twice() -> None:
    desk = ready_desk(1)
    desk.listen(WEB, 80)
    assert to(WEB, desk.listen(WEB, 80)) == []  # not in force yet
    (first,) = to(WEB, desk.done(1))
    assert to(WEB, desk.listen(WEB, 80)) == [first]
    (refused,) = to(WEB, desk.listen(WEB, 80, request=2))
    assert isinstance(first, Listening)
    assert kinds(WEB, desk.say(WEB, Unlisten(3, first.listener))) == [Done]
    assert kinds(WEB, desk.say(WEB, Unlisten(3, first.listener))) == [Done]
    assert to(WEB, desk.listen(WEB, 80, request=2)) == [refused]


def test_unlisten_removes_the_subsocket_everywhere_and_only_for_its_owner() -> None:
    desk = ready_desk(2)
    desk.hello(ECHO)
    desk.listen(WEB, 80)
    desk.done(1)
    (answer,) = to(WEB, desk.done(2))
    assert isinstance(answer, Listening)
    desk.say(ECHO, Unlisten(1, answer.listener))
    assert desk.server.listeners
    out = desk.say(WEB, Unlisten(2, answer.listener))
    assert last_setup(out, 1).subsockets == []
    assert last_setup(out, 2).subsockets == []


def test_a_reborn_replica_gets_everything_and_its_queue_may_open_then() -> None:
    desk = ready_desk(2)
    desk.listen(WEB, 80)
    desk.done(1)
    desk.done(2)
    old = set(desk.channels)
    out = desk.replicas((1, 1), (2, 2))
    setup = last_setup(out, 2, 2)
    assert [s.port for s in setup.subsockets] == [80]
    (links,) = to(WEB, out)
    assert isinstance(links, Links)
    assert [(link.replica, link.generation) for link in links.links] == [(1, 1), (2, 2)]
    assert to(SUPERVISOR, desk.done(2, 2)) == [ListenersReady(2, 2)]
    assert len(desk.channels) == len(old)
    assert len(old - desk.channels) == 2, "the dead incarnation's channels are removed"


def test_a_replica_may_say_hello_before_the_supervisor_names_it() -> None:
    desk = Desk()
    desk.say(replica_identity(3), ReplicaHello(3, 1))
    desk.server.replicas_changed(Replicas([Replica(3, 1, True, "bell")]), desk.now)
    assert last_setup(desk.take(), 3).subsockets == []
    assert ListenersReady(3, 1) in to(SUPERVISOR, desk.done(3))


def test_setup_is_repeated_until_the_replica_says_done() -> None:
    desk = ready_desk(1)
    desk.listen(WEB, 80)
    assert desk.after(REPEAT_US - 1) == []
    assert kinds(replica_identity(1), desk.after(1)) == [Setup]
    assert kinds(replica_identity(1), desk.after(REPEAT_US)) == [Setup]
    desk.done(1)
    assert desk.server.deadline() == -1


def test_draining_is_told_to_applications_by_their_links() -> None:
    desk = ready_desk(1)
    (links,) = to(WEB, desk.replicas((1, 1), accepting=False))
    assert isinstance(links, Links)
    assert [link.accepting for link in links.links] == [False]


@pytest.mark.parametrize("how", ["goodbye", "killed"])
def test_an_application_that_ends_takes_its_listeners_and_channels_along(how: str) -> None:
    desk = ready_desk(2)
    desk.listen(WEB, 80)
    if how == "goodbye":
        out = desk.say(WEB, Goodbye())
    else:
        desk.server.ended(WEB, desk.now)
        out = desk.take()
    for replica in (1, 2):
        assert last_setup(out, replica).apps == []
        assert last_setup(out, replica).subsockets == []
    assert desk.channels == set()
    assert desk.server.pids() == {}


def test_the_snapshot_leaves_before_anything_that_it_is_to_remember() -> None:
    """Killed between two messages, a server must not have told what its heir does not know."""
    desk = Desk()
    desk.replicas((1, 1))
    for out in (desk.hello(WEB), desk.listen(WEB, 80), desk.replicas((1, 2))):
        assert isinstance(out[0][1], Snapshot)


def test_a_new_server_goes_on_where_the_last_one_was_killed() -> None:
    desk = ready_desk(2)
    desk.listen(WEB, 80)
    desk.done(1)
    (answer,) = to(WEB, desk.done(2))
    links_before = desk.hello(WEB)
    desk.listen(WEB, 81, request=2)  # the server dies before it can be answered
    heir = Desk(2, desk.snapshot)
    heir.serials = dict(desk.serials)
    out = heir.after(0)
    assert [m for m in to(WEB, out) if isinstance(m, Links)] == [
        m for m in to(WEB, links_before) if isinstance(m, Links)
    ]
    assert heir.channels == desk.channels
    assert [s.port for s in last_setup(out, 1).subsockets] == [80, 81]
    # Both sides repeat what was not answered, and nothing is done twice.
    assert to(WEB, heir.listen(WEB, 81, request=2)) == []
    heir.done(1)
    answers = to(WEB, heir.done(2))
    assert sorted(m.port for m in answers if isinstance(m, Listening)) == [80, 81]
    assert answer in answers
    (refused,) = to(WEB, heir.listen(WEB, 80, request=3))
    assert isinstance(refused, Refused)


def test_a_replica_that_died_with_the_server_is_noticed_by_the_new_one() -> None:
    desk = ready_desk(2)
    heir = Desk(2, desk.snapshot)
    heir.after(0)
    links = [m for m in to(WEB, heir.replicas((1, 1))) if isinstance(m, Links)]
    assert [link.replica for link in links[-1].links] == [1]


@pytest.mark.parametrize("snapshot", [b"", b"\xc1rubbish", b"\x95\x63\x90\x90\x90\x00"])
def test_a_lost_snapshot_makes_the_application_say_hello_again_under_a_new_number(snapshot: bytes) -> None:
    desk = ready_desk(1)
    (before,) = [m for m in to(WEB, desk.hello(WEB)) if isinstance(m, Welcome)]
    heir = Desk(2, snapshot)
    assert to(WEB, heir.listen(WEB, 80)) == [Welcome(0, 2)]
    (after,) = [m for m in to(WEB, heir.hello(WEB)) if isinstance(m, Welcome)]
    assert after.app > before.app


def test_what_did_not_reach_an_application_is_told_again() -> None:
    desk = ready_desk(1)
    desk.replicas((1, 1), (2, 1))
    desk.done(1)
    desk.done(2)
    desk.server.undelivered(WEB, desk.now)
    assert kinds(WEB, desk.after(REPEAT_US)) == [Welcome, Links]
    desk.server.connected(WEB, desk.now)
    assert kinds(WEB, desk.take()) == [Welcome, Links]


def test_an_application_cannot_pass_for_a_replica() -> None:
    desk = ready_desk(1)
    desk.listen(WEB, 80)
    assert to(WEB, desk.say(WEB, ReplicaHello(1, 1))) == []
    assert desk.server.ignored == 1
    assert kinds(replica_identity(1), desk.after(REPEAT_US)) == [Setup]


def test_an_application_of_another_version_is_told_so() -> None:
    desk = Desk()
    (refused,) = to(WEB, desk.say(WEB, Hello("web", 1, "bell", 99)))
    assert isinstance(refused, Refused)
    assert refused.errno == errno.EPROTONOSUPPORT


def test_no_room_for_channels_sends_that_application_away_and_no_other() -> None:
    desk = ready_desk(1)
    desk.hello(ECHO)
    desk.server.no_channel(ECHO, errno.ENOSPC, "No space left on device", desk.now)
    (refused,) = to(ECHO, desk.take())
    assert isinstance(refused, Refused)
    assert refused.errno == errno.ENOSPC
    assert list(desk.server.apps) == [WEB]


def test_links_name_the_draining_flag_and_stay_the_same_over_a_repeated_hello() -> None:
    desk = ready_desk(1)
    first, second = to(WEB, desk.hello(WEB)), to(WEB, desk.hello(WEB))
    assert first == second
    assert isinstance(first[1], Links)
    assert isinstance(first[1].links[0], Link)


def test_options_of_a_listening_socket_go_to_every_replica_and_outlive_the_server() -> None:
    desk = ready_desk(1)
    options = {KEEPALIVE: 1, KEEP_COUNT: 3}
    out = desk.say(WEB, Listen(1, "", 80, 16, False, options))
    [subsocket] = last_setup(out, 1).subsockets
    assert subsocket.options == options
    [listening] = to(WEB, desk.done(1))
    assert isinstance(listening, Listening)
    out = desk.say(WEB, Tune(2, listening.listener, {KEEPALIVE: 0}))
    assert kinds(WEB, out) == [Done]
    [subsocket] = last_setup(out, 1).subsockets
    assert (subsocket.listener, subsocket.options) == (listening.listener, {KEEPALIVE: 0})
    reborn = Desk(2, desk.snapshot)
    reborn.take()
    out = reborn.replicas((1, 2))
    assert [subsocket.options for subsocket in last_setup(out, 1, 2).subsockets] == [{KEEPALIVE: 0}]


def test_bad_options_are_refused_and_a_foreign_listener_cannot_be_tuned() -> None:
    desk = ready_desk(1)
    desk.hello(ECHO)
    for request, options in ((10, {99: 1}), (11, {KEEP_COUNT: 0})):
        [refused] = to(WEB, desk.say(WEB, Listen(request, "", 80, 16, False, options)))
        assert isinstance(refused, Refused)
        assert refused.errno == errno.EINVAL
    desk.listen(WEB, 80, request=500)
    [listening] = to(WEB, desk.done(1))
    assert isinstance(listening, Listening)
    [refused] = to(ECHO, desk.say(ECHO, Tune(1, listening.listener, {})))
    assert isinstance(refused, Refused)
    assert refused.errno == errno.EBADF
    [refused] = to(WEB, desk.say(WEB, Tune(501, listening.listener, {KEEP_COUNT: 0})))
    assert isinstance(refused, Refused)
    assert refused.errno == errno.EINVAL


def test_a_shared_port_is_remembered_as_such_by_the_next_server() -> None:
    desk = ready_desk(1)
    desk.listen(WEB, 80, shared=True)
    desk = Desk(2, desk.snapshot)
    desk.replicas((1, 1))
    desk.hello(ECHO)
    assert kinds(ECHO, desk.listen(ECHO, 80, 1)) == [Refused]
    desk.listen(ECHO, 80, 2, shared=True)
    assert kinds(ECHO, desk.done(1)) == [Listening]


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", ADDRESS])
def test_a_listener_has_the_family_that_it_asked_for(address: str) -> None:
    desk = ready_desk(1)
    out = desk.listen(WEB, 80, address=address)
    (subsocket,) = last_setup(out, 1).subsockets
    assert subsocket.address == address
