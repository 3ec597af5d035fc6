"""Options of connections and listeners: what each makes TCP do, what is inherited, and what TCP_INFO tells."""

from __future__ import annotations

from errno import ETIMEDOUT

import pytest

from neatctl.core.channel import socket_options as o
from neatctl.core.channel.records import ACCEPTED, CLOSE, DATA, INFO, OPTION, QUERY, RESET, ROOM, SHUT
from neatctl.core.channel.tcp_info import INFINITE_SSTHRESH, SACK, TIMESTAMPS, TcpInfo
from neatctl.core.tcp.states import ESTABLISHED, SYN_RECEIVED
from tests.core.tcp.host import APP, LISTENER, MS, PORT, Host, Peer

SECOND = 1000 * MS


def listening(**options: int) -> Host:
    """A host whose listener has these options, by their names in socket_options."""
    host = Host()
    host.tcp.listen(LISTENER, APP, "", PORT, 64, {getattr(o, name): value for name, value in options.items()})
    return host


def ask(peer: Peer, **options: int) -> None:
    for name, value in options.items():
        peer.host.say(OPTION, peer.id, getattr(o, name), value)


def info_of(peer: Peer) -> TcpInfo:
    peer.host.say(QUERY, peer.id, 7)
    [told] = [told for told in peer.host.told() if told.kind == INFO]
    assert (told.id, told.value) == (peer.id, 7)
    return TcpInfo.of(told.payload)


def test_must_25_nobody_is_probed_by_default() -> None:
    peer = Peer(Host()).open()
    assert peer.after(30 * 3600 * SECOND) == []


def test_may_5_shld_12_must_24_must_26_must_28_keep_alive_probes_after_two_hours_of_silence() -> None:
    peer = Peer(Host()).open()
    ask(peer, KEEPALIVE=1)
    assert peer.after(7199 * SECOND) == []
    assert peer.after(2 * SECOND) == ["A 0 1"]


def test_must_27_must_29_the_interval_is_set_and_one_lost_probe_ends_nothing() -> None:
    peer = Peer(listening(KEEPALIVE=1, KEEP_IDLE_S=10, KEEP_INTERVAL_S=2, KEEP_COUNT=3)).open()
    assert peer.after(13 * SECOND) == ["A 0 1"] * 2
    peer.send("A", 1, 1)
    assert peer.after(9 * SECOND) == []
    assert peer.after(2 * SECOND) == ["A 0 1"]


def test_a_peer_that_answers_no_probe_is_given_up_and_reset() -> None:
    peer = Peer(listening(KEEPALIVE=1, KEEP_IDLE_S=10, KEEP_INTERVAL_S=2, KEEP_COUNT=3)).open()
    assert peer.after(17 * SECOND) == ["A 0 1"] * 3 + ["RA 1 1"]
    assert [(told.kind, told.value) for told in peer.host.told()] == [(RESET, ETIMEDOUT)]
    assert peer.host.tcp.counters.keep_alive_timeouts == 1
    assert peer.host.tcp.connections == 0


def test_traffic_puts_keep_alive_off_and_octets_in_flight_have_their_own_timer() -> None:
    peer = Peer(listening(KEEPALIVE=1, KEEP_IDLE_S=10)).open()
    for _ in range(3):
        peer.after(9 * SECOND)
        peer.send("PA", peer.tcb.rcv_nxt - peer.tcb.irs, 1, b"x")
        assert "A 0 1" not in peer.after(1 * SECOND)
    peer.write(b"lost")
    assert "A 0 4" not in peer.after(60 * SECOND)


def test_keep_alive_is_turned_off_again() -> None:
    peer = Peer(listening(KEEPALIVE=1, KEEP_IDLE_S=10)).open()
    ask(peer, KEEPALIVE=0)
    assert peer.after(3600 * SECOND) == []


def test_must_21_a_user_timeout_ends_a_connection_on_time() -> None:
    peer = Peer(Host()).open()
    ask(peer, USER_TIMEOUT_MS=5000)
    peer.write(b"lost")
    peer.after(4900 * MS)
    assert peer.host.told() == []
    peer.after(200 * MS)
    assert [(told.kind, told.value) for told in peer.host.told()] == [(RESET, ETIMEDOUT)]


def test_a_user_timeout_may_be_longer_than_retransmissions_would_last() -> None:
    peer = Peer(Host()).open()
    ask(peer, USER_TIMEOUT_MS=3600_000)
    peer.write(b"lost")
    peer.after(3500 * SECOND)
    assert peer.tcb.state == ESTABLISHED
    peer.after(101 * SECOND)
    assert [told.kind for told in peer.host.told()] == [RESET]


def test_progress_renews_a_user_timeout() -> None:
    peer = Peer(Host()).open()
    ask(peer, USER_TIMEOUT_MS=5000)
    for at in range(1, 5):
        peer.write(b"x")
        peer.after(4000 * MS)
        peer.send("A", 1, at + 1)
    assert peer.after(60 * SECOND) == []
    assert peer.tcb.state == ESTABLISHED


def test_a_user_timeout_counts_a_window_that_stays_closed() -> None:
    peer = Peer(Host(), window=0).open()
    ask(peer, USER_TIMEOUT_MS=10_000)
    peer.write(b"held back")
    for _ in range(20):
        if peer.after(1000 * MS) and peer.host.tcp.connections:
            peer.send("A", 1, 1)
    assert [(told.kind, told.value) for told in peer.host.told()] == [(RESET, ETIMEDOUT)]


def test_a_cork_keeps_back_what_is_not_full_for_200_ms() -> None:
    peer = Peer(Host(gso_octets=0)).open()
    ask(peer, CORK=1)
    peer.write(bytes(1000))
    assert peer.after(150 * MS) == []
    peer.write(bytes(1000))
    assert peer.sent() == ["A 1 1 1460"]
    assert peer.after(190 * MS) == ["PA 1461 1 540"]
    peer.send("A", 1, 2001)
    peer.write(b"corked again")
    assert peer.after(150 * MS) == []


def test_taking_the_cork_out_or_closing_sends_what_is_left() -> None:
    for last in ("option", "close"):
        peer = Peer(listening(CORK=1)).open()
        peer.write(b"part")
        assert peer.sent() == []
        if last == "option":
            ask(peer, CORK=0)
            assert peer.sent() == ["PA 1 1 4"]
        else:
            peer.close()
            assert peer.sent() == ["FPA 1 1 4"]


def test_a_cork_does_not_hide_a_closed_window() -> None:
    peer = Peer(Host(), window=0).open()
    ask(peer, CORK=1)
    peer.write(b"part")
    assert peer.after(3 * SECOND)[:1] == ["A 1 1 1"]


def test_quickack_acknowledges_every_segment_at_once() -> None:
    peer = Peer(Host()).open()
    ask(peer, QUICKACK=1)
    peer.send("PA", 1, 1, b"a")
    assert peer.sent() == ["A 1 2"]


def test_maxseg_is_announced_and_kept_to() -> None:
    peer = Peer(listening(MAXSEG=1000)).open()
    assert peer.last is not None
    assert peer.last.options[2] == (1000).to_bytes(2, "big")
    peer.write(bytes(1500))
    assert [segment.gso_size for segment in peer.host.sent()] == [1000]


def test_a_small_receive_buffer_is_the_window() -> None:
    peer = Peer(listening(RECEIVE_OCTETS=4096)).open()
    assert peer.last is not None
    assert peer.last.window == 4096
    peer.send("PA", 1, 1, bytes(4000))
    peer.sent()
    assert peer.last.window == 96


def test_a_large_receive_buffer_has_the_scale_it_needs() -> None:
    peer = Peer(listening(RECEIVE_OCTETS=4 << 20)).open(b"\x03\x03\x00")
    assert peer.last is not None
    assert peer.last.options[3] == b"\x07"
    peer.send("PA", 1, 1, b"x", window=1000)
    peer.after(50 * MS)
    assert peer.last.window == (4 << 20) - 1 >> 7


def test_a_receive_buffer_that_grows_is_told_at_once() -> None:
    peer = Peer(listening(RECEIVE_OCTETS=4096)).open(b"\x03\x03\x00")
    ask(peer, RECEIVE_OCTETS=60_000)
    assert peer.sent() == ["A 1 1"]
    assert peer.last is not None
    assert peer.last.window == 60_000


def test_a_small_send_buffer_is_the_room_and_is_given_back() -> None:
    host = listening(SEND_OCTETS=8192)
    peer = Peer(host)
    peer.open(then_ack=False)
    peer.send("A", 1, 1)
    [accepted] = host.told()
    assert (accepted.kind, accepted.second) == (ACCEPTED, 8192)
    peer.id = accepted.id
    peer.write(bytes(8192))
    peer.sent()
    peer.send("A", 1, 8193)
    assert [(told.kind, told.value) for told in host.told()] == [(ROOM, 8192)]


def test_a_send_buffer_grows_and_shrinks() -> None:
    peer = Peer(Host(send_buffer_octets=65_536)).open()
    ask(peer, SEND_OCTETS=100_000)
    assert [(told.kind, told.value) for told in peer.host.told()] == [(ROOM, 100_000 - 65_536)]
    ask(peer, SEND_OCTETS=20_000)
    peer.write(bytes(50_000))
    peer.write(bytes(50_000))
    sent = 0
    while segments := peer.host.sent():
        sent = sum(len(segment.data) for segment in segments) + sent
        peer.send("A", 1, 1 + sent)
    assert sent == 100_000
    assert sum(told.value for told in peer.host.told() if told.kind == ROOM) == 20_000


def test_defer_accept_waits_for_the_first_octets() -> None:
    host = listening(DEFER_ACCEPT_S=5)
    peer = Peer(host).open(then_ack=False)
    peer.send("A", 1, 1)
    assert (host.told(), peer.tcb.state) == ([], SYN_RECEIVED)
    assert peer.after(3 * SECOND) == []
    peer.send("PA", 1, 1, b"request")
    assert [told.kind for told in host.told()] == [ACCEPTED, DATA]


def test_defer_accept_gives_up_waiting() -> None:
    host = listening(DEFER_ACCEPT_S=5)
    peer = Peer(host).open(then_ack=False)
    peer.send("A", 1, 1)
    assert peer.after(6 * SECOND)[:1] == ["SA 0 1"]
    peer.send("A", 1, 1)
    assert [told.kind for told in host.told()] == [ACCEPTED]


def test_a_listener_that_is_told_again_hands_on_its_new_options() -> None:
    host = listening(QUICKACK=1)
    first = Peer(host, port=1).open()
    host.tcp.listen(LISTENER, APP, "", PORT, 64, {})
    second = Peer(host, port=2).open()
    for peer, acked in ((first, ["A 1 2"]), (second, [])):
        peer.send("PA", 1, 1, b"x")
        assert peer.sent() == acked


def test_connections_with_the_same_options_share_them() -> None:
    host = listening(KEEPALIVE=1)
    peers = [Peer(host, port=port).open() for port in (1, 2, 3)]
    assert peers[0].tcb.options is peers[1].tcb.options
    for peer in peers[:2]:
        ask(peer, USER_TIMEOUT_MS=1000, CORK=1)
    assert peers[0].tcb.options is peers[1].tcb.options
    assert peers[0].tcb.options.values == {o.KEEPALIVE: 1, o.USER_TIMEOUT_MS: 1000, o.CORK: 1}
    assert peers[2].tcb.options.values == {o.KEEPALIVE: 1}


def test_tcp_info_tells_what_holds() -> None:
    peer = Peer(Host(), timestamps=True).open(b"\x02\x04\x05\xb4\x03\x03\x02")
    peer.send("PA", 1, 1, b"x" * 500)
    peer.write(bytes(3000))
    peer.sent()
    peer.host.now += 250 * MS
    info = info_of(peer)
    assert (info.state, info.options & (TIMESTAMPS | SACK), info.wscale) == (1, TIMESTAMPS | SACK, 0x32)
    assert (info.snd_mss, info.advmss, info.pmtu, info.unacked) == (1448, 1460, 1500, 3)
    assert (info.bytes_received, info.bytes_sent, info.bytes_acked) == (500, 3000, 0)
    assert (info.last_data_recv, info.last_data_sent, info.rto) == (250, 250, peer.tcb.rto_us)
    assert (info.snd_wnd, info.snd_ssthresh) == (65535 << 2, INFINITE_SSTHRESH)


@pytest.mark.parametrize(("call", "state"), [(None, 1), (SHUT, 4), (CLOSE, 7)])
def test_tcp_info_has_linux_numbers_of_states(call: int | None, state: int) -> None:
    peer = Peer(Host()).open()
    if call is not None:
        peer.host.say(call, peer.id)
    assert info_of(peer).state == state
