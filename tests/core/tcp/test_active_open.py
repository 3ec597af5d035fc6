"""CONNECT: what an application is told of a connection that it asks for, whatever becomes of it."""

from __future__ import annotations

from errno import EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOBUFS, ETIMEDOUT

import pytest

from neatctl.core.channel.face import PeerFault
from neatctl.core.channel.records import ABORT, ACCEPTED, CLOSE, CONNECT, OPENING, REFUSED, RESET
from neatctl.core.channel.socket_options import KEEP_COUNT, MAXSEG, RECEIVE_OCTETS
from neatctl.core.native import Memory
from tests.core.tcp.host import APP, CLIENT, MS, PORT, SERVER, Host, Peer, Segment, record

SECOND = 1000 * MS
REMOTE = 8000
NOBODY = bytes((10, 77, 0, 99))
ANY = bytes(4)


def ends(remote: bytes = CLIENT, local: bytes = ANY, local_port: int = 0) -> bytes:
    return REMOTE.to_bytes(2, "big") + local_port.to_bytes(2, "big") + remote + local


def option(number: int, value: int) -> bytes:
    return number.to_bytes(4, "big") + value.to_bytes(4, "big")


def ask(host: Host, payload: bytes, number: int = 1) -> list[tuple[int, int, int]]:
    """CONNECT; what is told at once, as kind, value, second."""
    host.say(CONNECT, number, 12, payload=payload)
    return [(told.kind, told.value, told.second) for told in host.told()]


def answered(host: Host, syn: Segment, flags: str, ack: int = 1) -> None:
    """The other end answers a SYN."""
    peer = Peer(host, port=REMOTE, our_isn=syn.seq, local_port=int.from_bytes(syn.octets[0:2], "big"))
    peer.send(flags, 0, ack, options=b"\x02\x04\x05\xb4")


def test_id_and_local_end_are_told_then_that_it_is_open_and_options_are_in_the_syn() -> None:
    host = Host()
    host.say(CONNECT, 7, 12, payload=ends() + option(MAXSEG, 1000) + option(RECEIVE_OCTETS, 4_000_000))
    [syn] = host.sent()
    assert (syn.flags, syn.options[2], syn.options[3]) == ("S", (1000).to_bytes(2, "big"), b"\x06")
    [told] = host.told()
    port = syn.octets[0:2]
    assert (told.kind, told.value, told.payload) == (OPENING, 7, REMOTE.to_bytes(2, "big") + port + CLIENT + SERVER)
    answered(host, syn, "SA")
    [opened] = host.told()
    assert (opened.kind, opened.id, opened.value, opened.second) == (
        ACCEPTED,
        told.id,
        0,
        host.config.send_buffer_octets,
    )
    assert opened.payload == told.payload


@pytest.mark.parametrize("local", [ANY, SERVER])
def test_must_44_ip_chooses_the_source_of_a_syn_that_names_none_and_must_43_one_may(local: bytes) -> None:
    host = Host()
    host.say(CONNECT, 1, 12, payload=ends(local=local, local_port=5000))
    [syn] = host.sent()
    assert syn.key == CLIENT + SERVER + REMOTE.to_bytes(2, "big") + (5000).to_bytes(2, "big")
    answered(host, syn, "SA")
    [ack] = host.sent()
    assert (ack.flags, ack.key) == ("A", syn.key)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (ends(bytes((192, 0, 2, 1))), ENETUNREACH),
        (ends(SERVER), ENETUNREACH),
        (ends(ANY), ENETUNREACH),
        (ends(bytes((224, 0, 0, 1))), ENETUNREACH),
        (ends(bytes((255, 255, 255, 255))), ENETUNREACH),
        (ends(local=CLIENT), EADDRNOTAVAIL),
        (ends(local_port=PORT), EADDRINUSE),
    ],
)
def test_must_46_what_cannot_be_opened_is_refused_with_an_errno(payload: bytes, error: int) -> None:
    host = Host()
    assert ask(host, payload, 3) == [(REFUSED, 3, error)]
    assert host.sent() == []
    assert host.tcp.connections == 0


def test_one_pair_of_endpoints_is_one_connection() -> None:
    host = Host()
    assert ask(host, ends(local_port=5000)) == [(OPENING, 1, 0)]
    assert ask(host, ends(local_port=5000), 2) == [(REFUSED, 2, EADDRINUSE)]
    assert ask(host, ends(local=SERVER, local_port=5001), 3) == [(OPENING, 3, 0)]


def test_a_replica_that_is_full_says_so_and_chosen_ports_differ() -> None:
    host = Host(max_connections=20)
    for number in range(20):
        assert ask(host, ends(), number) == [(OPENING, number, 0)]
    assert ask(host, ends(), 20) == [(REFUSED, 20, ENOBUFS)]
    ports = {key[10:12] for key in host.tcp.flows()}
    assert len(ports) == 20
    assert {int.from_bytes(port, "big") % 64 for port in ports} == {1}
    later = Host(generation=2)
    ask(later, ends())
    assert later.tcp.flows()[0][10:12] not in ports


@pytest.mark.parametrize(("remote", "error", "seconds"), [(CLIENT, ETIMEDOUT, 300), (NOBODY, EHOSTUNREACH, 10)])
def test_nobody_answers(remote: bytes, error: int, seconds: int) -> None:
    host = Host()
    assert ask(host, ends(remote)) == [(OPENING, 1, 0)]
    told = []
    for _ in range(seconds):
        host.pass_time(SECOND)
        if remote == NOBODY:  # The other one is there, as far as ARP knows, and silent.
            host.output.neighbours.expire(host.now)
        told += [(each.kind, each.value) for each in host.told()]
    assert told == [(RESET, error)]
    assert host.tcp.connections == 0


def test_a_reset_refuses() -> None:
    host = Host()
    host.say(CONNECT, 1, 12, payload=ends())
    [syn] = host.sent()
    answered(host, syn, "RA")
    assert [(told.kind, told.value) for told in host.told()] == [(OPENING, 1), (RESET, ECONNREFUSED)]


@pytest.mark.parametrize("kind", [CLOSE, ABORT])
def test_the_application_changes_its_mind(kind: int) -> None:
    host = Host()
    host.say(CONNECT, 1, 12, payload=ends())
    [syn] = host.sent()
    [told] = host.told()
    host.say(kind, told.id)
    assert host.tcp.connections == 0
    answered(host, syn, "SA")
    assert [segment.flags for segment in host.sent()] == ["R"]
    assert host.told() == []


def test_a_full_channel_is_told_later_and_in_order() -> None:
    host = Host(app_octets=4096)
    for number in range(400):
        host.say(CONNECT, number, 12, payload=ends() if number % 2 else ends(SERVER))
    syns = host.sent()
    for syn in syns:
        answered(host, syn, "SA" if len(syns) % 2 else "RA")
    seen: dict[int, list[int]] = {}
    refused = []
    while told := host.told():
        for each in told:
            if each.kind == REFUSED:
                refused.append(each.value)
            else:
                seen.setdefault(each.id, []).append(each.kind)
    assert sorted(refused) == list(range(0, 400, 2))
    assert len(seen) == 200
    assert {tuple(kinds) for kinds in seen.values()} == {(OPENING, RESET)}


def test_an_application_that_reads_no_answers_does_not_make_the_replica_grow() -> None:
    host = Host(app_octets=4096)

    def ask_on() -> None:
        for number in range(3000):
            host.say(CONNECT, number, 12, payload=ends(SERVER))

    with pytest.raises(PeerFault, match="nobody reads"):
        ask_on()


@pytest.mark.parametrize(
    "octets",
    [
        record(CONNECT, 1, 12),
        record(CONNECT, 1, 0, payload=ends()),
        record(CONNECT, 1, 11, payload=ends()[:-1]),
        record(CONNECT, 1, 36, payload=ends()),
        record(CONNECT, 1, 12, payload=ends() + b"half"),
        record(CONNECT, 1, 12, payload=ends() + option(99, 1)),
        record(CONNECT, 1, 12, payload=ends() + option(KEEP_COUNT, 0)),
        record(CONNECT, 1, 12, payload=ends() + option(MAXSEG, 1000) * 30),
        record(CONNECT, 1, 12, payload=ends(), flags=1),
    ],
)
def test_malformed_connects_are_the_applications_fault(octets: bytes) -> None:
    host = Host()
    with pytest.raises(PeerFault) as caught:
        host.tcp.command(APP, Memory(octets), 0, len(octets), host.now)
    assert caught.value.reason == "record"
    assert host.tcp.connections == 0
