"""Requirements of RFC 9293 that no script shows: what every segment has, whose address it bears, who knows an ISN."""

from __future__ import annotations

import pytest

from neatctl.core.native import Memory
from tests.core.tcp.host import APP, CLIENT, MAC, PORT, SERVER, Host, Peer, Segment

OFFERS = (b"\x01", b"\x02\x04\x05\xb4", b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x08\x0a" + bytes(8))
SINGLE = {0, 1}


def segments_of_a_life(offer: bytes) -> list[Segment]:
    """All that is sent from SYN-ACK to RST: handshake, octets, SACK, FIN, challenge."""
    host = Host(gso_octets=0)
    peer = Peer(host, timestamps=len(offer) > 4)
    peer.timestamps = False
    peer.send("S", 0, options=offer)
    sent = host.sent()
    peer.our_isn = sent[0].seq
    peer.acknowledge()
    peer.write(bytes(range(251)) * 20)
    sent += host.sent()
    peer.send("A", 11, 1, b"x" * 10)
    peer.send("A", 1, 1)
    sent += host.sent()
    peer.close()
    sent += host.sent()
    peer.send("R", 50)
    sent += host.pass_time(1_000_000)
    peer.send("A", 1, 5021, b"y" * 10)
    return sent + host.sent()


@pytest.mark.parametrize("offer", OFFERS)
def test_must_2_every_segment_has_its_checksum(offer: bytes) -> None:
    sent = segments_of_a_life(offer)
    assert len(sent) >= 6
    for segment in sent:
        tcp = segment.octets
        pseudo = SERVER + CLIENT
        assert Memory(tcp).sum(0, len(tcp), Memory(pseudo).sum(0, 8, 6 + len(tcp))) == 0xFFFF
        assert tcp[16:18] != bytes(2)


@pytest.mark.parametrize("offer", OFFERS)
def test_must_68_must_69_options_have_lengths_and_headers_end_on_32_bits(offer: bytes) -> None:
    for segment in segments_of_a_life(offer):
        header = (segment.octets[12] >> 4) * 4
        options = segment.octets[20:header]
        at = 0
        while at < len(options) and options[at] != 0:
            if options[at] == 1:
                at += 1
                continue
            assert 2 <= options[at + 1] <= len(options) - at
            at += options[at + 1]
        assert options[at:] == bytes(len(options) - at)


@pytest.mark.parametrize("offer", OFFERS)
def test_must_65_only_a_syn_has_the_mss_option_and_may_3_every_syn_has(offer: bytes) -> None:
    for segment in segments_of_a_life(offer):
        assert (2 in segment.options) == ("S" in segment.flags)


def isn(key: int = 0, port: int = 40000, later_us: int = 0) -> int:
    host = Host(isn_key=bytes((key,)) * 16)
    host.now += later_us
    Peer(host, port).send("S", 0)
    return host.sent()[0].seq


def test_must_8_the_isn_of_a_connection_grows_by_one_in_four_microseconds() -> None:
    begin = isn()
    for later_us in (4, 400, 1_000_000, 3_600_000_000, 4 << 32):
        assert (isn(later_us=later_us) - begin) & 0xFFFFFFFF == later_us // 4 & 0xFFFFFFFF


def test_must_9_the_isns_of_one_connection_tell_nothing_of_those_of_another() -> None:
    ports = range(40000, 40032)
    steps = [[(isn(key, port + 1) - isn(key, port)) & 0xFFFFFFFF for port in ports] for key in (1, 2)]
    for some in steps:
        assert len(set(some)) == len(ports)
        assert 8 <= sum(step >> 31 for step in some) <= 24
    assert not set(steps[0]) & set(steps[1])


def test_must_9_who_lacks_the_secret_cannot_tell_the_isn() -> None:
    isns = {isn(key) for key in range(8)}
    assert len(isns) == 8
    gaps = sorted((b - a) & 0xFFFFFFFF for a, b in zip(sorted(isns), sorted(isns)[1:], strict=False))
    assert gaps[-1] > 1 << 24


def test_must_45_a_connection_keeps_the_address_that_its_syn_has() -> None:
    host = Host()
    host.tcp.connect(APP, SERVER, 50000, CLIENT, 7, host.now)
    (syn,) = host.sent()
    assert syn.key == CLIENT + SERVER + (7).to_bytes(2, "big") + (50000).to_bytes(2, "big")
    peer = Peer(host, port=7, local_port=50000)
    peer.our_isn = syn.seq
    peer.send("SA", 0, 1)
    (ack,) = host.sent()
    assert ack.key == syn.key


@pytest.mark.parametrize("remote", ["255.255.255.255", "224.0.0.1", "239.1.2.3", "0.0.0.0"])
def test_must_46_a_connection_to_no_host_is_refused(remote: str) -> None:
    host = Host()
    with pytest.raises(OSError, match="no connection can have these addresses"):
        host.tcp.connect(APP, SERVER, 50000, bytes(int(part) for part in remote.split(".")), 7, host.now)
    assert host.tcp.connections == 0
    assert host.sent() == []


def test_must_43_a_listener_may_name_its_local_address() -> None:
    host = Host()
    host.tcp.listen(9, APP, "10.77.0.2", 81, 8)
    other = bytes((10, 77, 0, 9))
    host.output.neighbours.learn(other, MAC, host.now)
    host.tcp.listen(10, APP, "10.77.0.9", 82, 8)
    Peer(host, local_port=81).send("S", 0)
    assert [segment.flags for segment in host.sent()] == ["SA"]
    Peer(host, local_port=82).send("S", 0)
    assert [segment.flags for segment in host.sent()] == ["RA"]


def test_must_42_one_port_has_a_listener_and_many_connections() -> None:
    host = Host()
    peers = [Peer(host, port=40000 + i).open() for i in range(5)]
    assert {peer.local_port for peer in peers} == {PORT}
    for i, peer in enumerate(peers):
        peer.write(bytes((i,)) * 3)
    assert [peer.sent() for peer in peers[:1]] == [["PA 1 1 3"]]
    Peer(host, port=50000).open()
