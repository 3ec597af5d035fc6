"""The Toeplitz hash by the published verification suite, and the spread of the redirection table."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.rss import Rss

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
# Microsoft, "Verifying the RSS hash calculation"; Intel 82599 datasheet 7.1.2.8.3. The queues are those of a
# redirection table filled round-robin over 16 and 4 queues, numbered from 0.
VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178, 8, 0),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA, 10, 2),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A, 10, 2),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F, 15, 3),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2, 2, 2),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D, 13, 1),
    ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF, 15, 3),
    ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985, 0x02D1FEEF, 15, 3),
]


@pytest.mark.parametrize(("source", "sport", "destination", "dport", "addresses", "ports", "of_16", "of_4"), VECTORS)
def test_verification_suite(
    source: str, sport: int, destination: str, dport: int, addresses: int, ports: int, of_16: int, of_4: int
) -> None:
    rss = Rss(KEY)
    key = ip_address(source).packed + ip_address(destination).packed
    memory = Memory(b"???" + key + sport.to_bytes(2, "big") + dport.to_bytes(2, "big"))
    assert rss.hash(memory, 3, len(key)) == addresses
    assert rss.hash(memory, 3, len(key) + 4) == ports
    rss.spread(list(range(1, 17)))
    assert rss.replica(ports) == of_16 + 1
    rss.spread([1, 2, 3, 4])
    assert rss.replica(ports) == of_4 + 1


def toeplitz(key: bytes, data: bytes) -> int:
    """The definition, bit by bit."""
    value = 0
    bits = int.from_bytes(key, "big")
    for i in range(8 * len(data)):
        if data[i // 8] >> (7 - i % 8) & 1:
            value ^= bits >> (8 * len(key) - 32 - i) & 0xFFFFFFFF
    return value


@settings(deadline=None)
@given(st.binary(min_size=40, max_size=40), st.sampled_from([8, 12, 32, 36]), st.binary(min_size=36, max_size=36))
def test_any_key_hashes_as_defined(key: bytes, octets: int, data: bytes) -> None:
    assert Rss(key).hash(Memory(data), 0, octets) == toeplitz(key, data[:octets])


@pytest.mark.parametrize("replicas", [[1], [2, 7], [1, 2, 3], list(range(1, 129))])
def test_the_table_is_shared_evenly(replicas: list[int]) -> None:
    rss = Rss(KEY)
    rss.spread(replicas)
    shares = Counter(rss.table())
    assert sorted(shares) == replicas
    assert max(shares.values()) - min(shares.values()) <= 1


def test_without_replicas_there_is_none_to_be_had() -> None:
    rss = Rss(KEY)
    rss.spread([1])
    rss.spread([])
    assert rss.replica(0x51CCC178) == 0


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="40 octets"):
        Rss(bytes(39))
