"""The event loop over clients in memory, in virtual time: back-pressure, ends of all kinds, deadlines, drain."""

from __future__ import annotations

import pytest

from neatctl.apps.web.http import Options, Service
from neatctl.apps.web.server import Server
from neatctl.apps.web.site import Site
from tests.apps.web.exchange import SECONDS, responses, small_site
from tests.apps.web.memory_network import MemoryNetwork, Peer

SMALL = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
SECOND_US = 1_000_000


class Run:
    """A server, its clients and the time."""

    def __init__(self, site: Site | None = None, **options: int) -> None:
        self.now = 0
        self.network = MemoryNetwork()
        self.service = Service(site or small_site(), Options(**options))
        self.server = Server(self.network, self.service, lambda: SECONDS + self.now / 1e6)

    def turns(self, count: int = 1) -> None:
        for _ in range(count):
            self.server.turn(self.network.poll(0), self.now)

    def until(self, second: float) -> None:
        while self.now < second * SECOND_US:
            self.now += SECOND_US // 2
            self.turns()


def test_a_request_is_answered_in_the_turn_in_which_its_connection_is_accepted() -> None:
    run = Run()
    first, second = run.network.connect(CLOSE), run.network.connect(SMALL)
    run.turns()
    assert responses(bytes(first.got))[0].status == 200
    assert responses(bytes(second.got))[0].status == 200
    assert (first.fate, second.fate) == ("closed", "open")
    assert len(run.server.clients) == 1
    second.unread.append(SMALL)
    run.turns()
    assert len(responses(bytes(second.got))) == 2


@pytest.mark.parametrize("step", [1, 999, 70000])
def test_a_slow_reader_gets_all_and_stops_nobody(step: int) -> None:
    run = Run()
    slow = run.network.connect(LARGE, SMALL, room=0)
    other = run.network.connect(SMALL)
    run.turns(3)
    assert bytes(slow.got) == b""
    assert len(slow.unread) == 1, "nothing more is read before the reply was taken"
    assert len(other.got) > 0
    while slow.fate == "open" and len(slow.got) < 502000 and (step > 1 or len(slow.got) < 2000):
        slow.room += step
        run.turns()
    slow.room = 1 << 40
    run.turns(3)
    large, small = responses(bytes(slow.got))
    assert large.body == bytes(range(251)) * 2000
    assert small.body == b"twenty octets, NEaT\n"


def test_the_clients_fin_ends_the_connection_after_the_reply() -> None:
    run = Run()
    peers = [
        run.network.connect(SMALL, fin=True),
        run.network.connect(fin=True),
        run.network.connect(b"GET /sm", fin=True),
        run.network.connect(LARGE, fin=True, room=1000),
    ]
    run.turns(5)
    assert [peer.fate for peer in peers] == ["closed", "closed", "closed", "open"]
    peers[3].room = 1 << 40
    run.turns(3)
    assert peers[3].fate == "closed"
    assert len(responses(bytes(peers[3].got))[0].body) == 502000
    assert not run.server.clients


def test_a_reset_ends_one_connection_and_no_other() -> None:
    run = Run()
    peers = [run.network.connect(SMALL), run.network.connect(LARGE, room=10), run.network.connect(SMALL)]
    early = run.network.connect(SMALL)
    early.failed = True
    run.turns()
    assert early.fate == "reset"
    peers[0].failed = peers[1].failed = True
    peers[2].unread.append(SMALL)
    run.turns()
    assert [peer.fate for peer in peers] == ["reset", "reset", "open"]
    assert len(responses(bytes(peers[2].got))) == 2
    assert run.server.counters()["lost"] == 3


def test_a_refusal_lingers_until_the_client_ends_or_two_seconds() -> None:
    run = Run()
    patient, gone = run.network.connect(b"BAD\r\n\r\n"), run.network.connect(b"BAD\r\n\r\n")
    run.turns()
    for peer in (patient, gone):
        assert responses(bytes(peer.got))[0].status == 400
        assert peer.fate == "shut"
        peer.unread += [b"more" * 1000] * 3
    gone.finished = True
    run.turns(5)
    assert not patient.unread
    assert (patient.fate, gone.fate) == ("shut", "closed")
    run.until(3)
    assert patient.fate == "closed"


def test_deadlines() -> None:
    run = Run()
    run.turns()
    silent, begun = run.network.connect(), run.network.connect(b"GET")
    idle, still = run.network.connect(SMALL), run.network.connect(LARGE, room=5)
    run.turns()
    run.until(19)
    assert [peer.fate for peer in (silent, begun, idle, still)] == ["open"] * 4
    run.until(21)
    assert [peer.fate for peer in (silent, begun, idle, still)] == ["closed", "shut", "open", "open"]
    assert responses(bytes(begun.got))[0].status == 408
    run.until(58)
    assert [peer.fate for peer in (begun, idle, still)] == ["closed", "open", "open"]
    run.until(62)
    assert [peer.fate for peer in (idle, still)] == ["closed", "reset"]
    assert not run.server.clients
    assert run.service.timeouts == 2


def test_a_client_that_asks_now_and_then_is_kept() -> None:
    run = Run()
    peer = run.network.connect(SMALL)
    for minute in range(1, 10):
        run.until(minute * 50)
        peer.unread.append(SMALL)
    run.turns()
    assert (len(responses(bytes(peer.got))), peer.fate) == (10, "open")


def test_a_request_that_comes_with_the_deadline_is_answered() -> None:
    run = Run()
    peer = run.network.connect(SMALL)
    run.turns()
    run.now = 100 * SECOND_US
    peer.unread.append(SMALL)
    run.turns()
    assert (len(responses(bytes(peer.got))), peer.fate) == (2, "open")


def test_the_date_is_that_of_the_reply() -> None:
    run = Run()
    peer = run.network.connect(SMALL)
    run.turns()
    run.until(5)
    peer.unread.append(SMALL)
    run.turns()
    dates = [response.fields["Date"] for response in responses(bytes(peer.got))]
    assert dates == ["Fri, 15 Jan 2027 08:00:00 GMT", "Fri, 15 Jan 2027 08:00:05 GMT"]


def test_drained_in_order() -> None:
    run = Run()
    idle, busy, stuck = (
        run.network.connect(SMALL),
        run.network.connect(LARGE, room=10),
        run.network.connect(LARGE, room=10),
    )
    run.turns()
    run.server.drain(run.now)
    assert not run.network.listening
    assert idle.fate == "closed"
    assert not run.server.done()
    busy.unread.append(SMALL)
    busy.room = 1 << 40
    run.turns(3)
    large, small = responses(bytes(busy.got))
    assert (len(large.body), small.fields["Connection"]) == (502000, "close")
    run.until(9)
    assert stuck.fate == "open"
    run.until(12)
    assert stuck.fate == "reset"
    assert run.server.done()


def test_many_connections_at_once() -> None:
    run = Run()
    peers: list[Peer] = [run.network.connect(CLOSE) for _ in range(1000)]
    run.turns(20)
    assert all(peer.fate == "closed" and b"twenty" in peer.got for peer in peers)
    assert run.server.counters()["connections"] == 1000
    assert run.server.counters()["tx_octets"] == sum(len(peer.got) for peer in peers)
