"""The whole server over kernel sockets on loopback, with Python's http.client and bare sockets as clients."""

from __future__ import annotations

import hashlib
import http.client
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from neatctl.apps.web.http import Options, Service
from neatctl.apps.web.server import Server
from neatctl.apps.web.site import Site
from tests.apps.web.exchange import small_site
from tests.apps.web.kernel_network import KernelNetwork

HUGE = 100_000_000


def huge_site() -> Site:
    site = small_site()
    site.add(b"/huge", b"\xa5\x5a\x01" * (HUGE // 3), "application/octet-stream", 0)
    return site


@pytest.fixture(scope="module")
def site() -> Site:
    return huge_site()


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    """A server in a thread of its own, drained at the end."""
    network = KernelNetwork()
    made = Server(network, Service(site, Options(max_requests=50)))
    stop = threading.Event()
    thread = threading.Thread(target=made.run, args=(lambda now: made.drain(now) if stop.is_set() else None,))
    thread.start()
    yield made
    stop.set()
    thread.join(15)
    assert not thread.is_alive()


def port_of(server: Server) -> int:
    network = server.network
    assert isinstance(network, KernelNetwork)
    return network.port


def test_http_client_gets_files_conditions_and_errors(server: Server) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port_of(server))
    client.request("GET", "/small")
    response = client.getresponse()
    assert (response.status, response.read()) == (200, b"twenty octets, NEaT\n")
    client.request("GET", "/small", headers={"If-None-Match": response.headers["ETag"]})
    response = client.getresponse()
    assert (response.status, response.read()) == (304, b"")
    client.request("HEAD", "/large")
    response = client.getresponse()
    assert (response.status, response.headers["Content-Length"], response.read()) == (200, "502000", b"")
    client.request("GET", "/no")
    response = client.getresponse()
    assert (response.status, response.read()) == (404, b"404 Not Found\n")
    client.request("POST", "/small", body=b"x" * 1000)
    response = client.getresponse()
    assert (response.status, response.read()) == (405, b"405 Method Not Allowed\n")
    client.request("GET", "/small")
    assert client.getresponse().read() == b"twenty octets, NEaT\n"
    client.close()
    assert server.accepted == 1


def test_a_hundred_megaoctets_take_no_memory(server: Server, site: Site) -> None:
    wanted = hashlib.sha256(site.entries[b"/huge"].content).hexdigest()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clients = [http.client.HTTPConnection("127.0.0.1", port_of(server)) for _ in range(3)]
    for client in clients:
        client.request("GET", "/huge")
    for client in clients:
        digest = hashlib.sha256()
        response = client.getresponse()
        while part := response.read(1 << 20):
            digest.update(part)
        assert digest.hexdigest() == wanted
        client.close()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "KiB"


def test_a_refusal_arrives_though_the_client_goes_on_sending(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", port_of(server))) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
        client.sendall(b"x" * 500_000)
        received = b""
        while part := client.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"413 Content Too Large\n")


def test_resets_in_the_middle_of_replies_disturb_nobody(server: Server) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port_of(server))) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            rude.sendall(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
            rude.recv(1000)
    client = http.client.HTTPConnection("127.0.0.1", port_of(server))
    for _ in range(120):
        client.request("GET", "/small")
        assert client.getresponse().read() == b"twenty octets, NEaT\n"
    client.close()
    assert server.lost >= 15
