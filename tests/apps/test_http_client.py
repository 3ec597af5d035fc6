"""URLs of `neatctl fetch`: what is asked of whom, and what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.apps.http_client import BadUrl, Url


@pytest.mark.parametrize(
    ("text", "address", "port", "target", "host"),
    [
        ("http://10.77.0.1", "10.77.0.1", 80, "/", "10.77.0.1"),
        ("HTTP://10.77.0.1:/a?b=c#d", "10.77.0.1", 80, "/a?b=c", "10.77.0.1:"),
        ("http://10.77.0.1:65535?b", "10.77.0.1", 65535, "/?b", "10.77.0.1:65535"),
        ("http://[fd77::1]/", "fd77::1", 80, "/", "[fd77::1]"),
        ("http://[FD77:0:0::1]:8000/x%20@:y", "fd77::1", 8000, "/x%20@:y", "[FD77:0:0::1]:8000"),
    ],
)
def test_the_request_says_what_the_url_says(text: str, address: str, port: int, target: str, host: str) -> None:
    url = Url.parse(text)
    assert (url.address, url.port) == (address, port)
    assert url.request.startswith(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n".encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://10.77.0.1:0/", "a port is 1 to 65535, not 0"),
        ("http://10.77.0.1:65536/", "a port is 1 to 65535, not 65536"),
        ("http://[fd77::1]:0/", "a port is 1 to 65535, not 0"),
        (f"http://10.77.0.1:{'9' * 5000}/", "a port is 1 to 65535"),
        ("http://10.77.0.1:-1/", "give it as http://ADDRESS"),
        ("http://10.77.0.1:8_0/", "give it as http://ADDRESS"),
        ("http://[fe80::1%25eth0]/", "an address with a zone"),
        ("http://[fe80::1%eth0]/", "an address with a zone"),
        ("http://fd77::1/", "an IPv6 address stands in brackets"),
        ("http://[fd77::1/", "give it as http://ADDRESS"),
        ("http://fd77:1]/", "give it as http://ADDRESS"),
        ("http://[fd77::1]8000/", "give it as http://ADDRESS"),
        ("http://[10.77.0.1]/", "give it as http://ADDRESS"),
        ("http://[v1.x]/", "give it as http://ADDRESS"),
        ("http://name:word@10.77.0.1/", "a user name is not sent"),
        ("http://localhost/", "give it as http://ADDRESS"),
        ("http:///x", "give it as http://ADDRESS"),
        ("10.77.0.1/x", "give it as http://ADDRESS"),
        ("https://10.77.0.1/", "only http:// is fetched"),
        ("http://10.77.0.1/ x", "only http:// is fetched"),
        ("http://10.77.0.1/\r\nHost: x", "only http:// is fetched"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_what_can(text: str, said: str) -> None:
    with pytest.raises(BadUrl) as error:
        Url.parse(text)
    assert said in str(error.value)


@given(st.text("[]:%@/?#.0189afvx", max_size=20))
def test_whatever_is_written_is_a_url_or_refused(rest: str) -> None:
    try:
        url = Url.parse(f"http://{rest}")
    except BadUrl:
        return
    assert url.address
    assert 1 <= url.port <= 65535
