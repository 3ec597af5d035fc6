"""Frames between the device and the replicas' queues: whole, counted, bounded, and safe from bad queues."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from neatctl.core.channel.doorbell import Doorbell
from neatctl.core.channel.records import FLOW, FLOWS_TOLD, FRAME, FRAME_AT, HASH_AT, KIND_AT, NIC_AT, VNET_AT
from neatctl.core.control.messages import Queue
from neatctl.core.native import Memory
from neatctl.core.process.loop import Work
from neatctl.nic.driver import FLOWS_WAIT_US, RX_BURST, TX_BURST
from neatctl.nic.impair import Impairment
from neatctl.nic.rss import Rss
from tests.nic import frames as f
from tests.nic.rig import PLAIN, Rig, checksum_request
from tests.nic.switch import RSS_KEY

CLIENTS = [f"10.77.1.{i}" for i in range(1, 31)]


# ---- frames from the device ----
def test_a_frame_reaches_one_replica_whole_behind_its_descriptor() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    vnet = checksum_request(34, 16)
    frame = f.tcp(f.CLIENT, 4000, f.SYN, b"x" * 33)
    rig.arrive(frame, vnet=vnet)
    (record,) = replica.records()
    assert record[FRAME_AT:] == frame
    assert record[VNET_AT:FRAME_AT] == vnet
    assert (record[KIND_AT], record[NIC_AT]) == (FRAME, 3)
    key = f.key_of(f.CLIENT, 4000)
    assert int.from_bytes(record[HASH_AT : HASH_AT + 4], "big") == Rss(RSS_KEY).hash(Memory(key), 0, 12)
    rig.arrive(f.arp(1))
    assert replica.records()[0][HASH_AT : HASH_AT + 4] == bytes(4), "nothing to hash in ARP"
    assert (rig.count("rx_frames"), rig.count("rx_octets"), rig.count("to_replica_1")) == (2, len(frame) + 42, 2)


def test_flows_are_spread_and_each_stays_in_order() -> None:
    rig = Rig()
    replicas = rig.running(4)
    for client in CLIENTS:
        rig.arrive(*(f.tcp(client, 4000, flags, bytes([i])) for i, flags in enumerate((f.SYN, f.ACK, f.ACK))))
    seen: dict[bytes, tuple[int, list[int]]] = {}
    for replica in replicas:
        for frame in replica.frames():
            owner, order = seen.setdefault(frame[26:30], (replica.number, []))
            assert owner == replica.number
            order.append(frame[-1])
    assert len(seen) == len(CLIENTS)
    assert {owner for owner, _ in seen.values()} == {1, 2, 3, 4}
    assert all(order == [0, 1, 2] for _, order in seen.values())


def test_a_super_frame_is_one_record() -> None:
    rig = Rig()
    replica = rig.replica(1, capacity=1 << 18)
    rig.driver.set_queues([replica.queue()])
    replica.tell()
    rig.turn()
    frame = f.ethernet(f.ipv4(f.tcp_header(4000, 80, f.ACK, bytes(range(256)) * 255), 6))
    rig.arrive(frame, vnet=checksum_request(34, 16, 1, 1460))
    assert replica.frames() == [frame]


def test_arp_replies_reach_everyone_who_lives() -> None:
    rig = Rig()
    replicas = rig.running(3)
    unborn = rig.replica(4)
    rig.driver.set_queues(
        [replicas[0].queue(), replicas[1].queue("draining"), replicas[2].queue("closed"), unborn.queue()]
    )
    rig.arrive(f.arp(2, to=f.NIC_MAC), f.arp(1))
    assert [len(replica.frames()) for replica in [*replicas, unborn]] == [2, 1, 0, 0]


def test_a_full_queue_drops_and_counts_and_hurts_nobody_else() -> None:
    rig = Rig()
    small = rig.replica(1, capacity=1024)
    large = rig.replica(2)
    rig.driver.set_queues([small.queue(), large.queue()])
    small.tell()
    large.tell()
    rig.turn()
    rig.arrive(*(f.tcp(client, 4000, f.SYN) for client in CLIENTS))
    got = len(small.frames()), len(large.frames())
    assert 0 < got[0] < 15
    assert sum(got) + rig.count("queue_full") == len(CLIENTS)
    rig.arrive(*(f.tcp(client, 4000, f.SYN) for client in CLIENTS))
    assert len(large.frames()) == got[1]
    assert len(small.frames()) == got[0], "room was given back"


def test_a_turn_rings_a_sleeping_replica_once(tmp_path: Path) -> None:
    rig = Rig()
    bell = Doorbell(str(tmp_path / "bell"))
    replica = rig.replica(1, doorbell=bell.path)
    rig.driver.set_queues([replica.queue()])
    replica.tell()
    rig.turn()
    replica.received.arm()
    rig.arrive(*(f.tcp(client, 4000, f.SYN) for client in CLIENTS))
    assert replica.ringer.rings == 1
    assert len(replica.frames()) == len(CLIENTS)
    rig.arrive(f.tcp(f.CLIENT, 4000, f.SYN))
    assert replica.ringer.rings == 1, "who is awake is not woken"
    bell.close()
    replica.ringer.close()


def test_neither_direction_starves_the_other() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    rig.wire.arriving.extend(PLAIN + f.tcp(f.CLIENT, 4000, f.ACK) for _ in range(3 * RX_BURST))
    for _ in range(3 * TX_BURST):
        replica.send(f.tcp(f.CLIENT, 4000, f.ACK, reply=True))
    rig.turn()
    assert len(rig.wire.arriving) == 2 * RX_BURST
    assert len(rig.wire.sent) == TX_BURST


# ---- frames from the replicas ----
def test_what_replicas_send_goes_out_in_order_with_its_offload_request() -> None:
    rig = Rig()
    first, second = rig.running(2)
    vnet = checksum_request(34, 16, 1, 1460)
    frames = [f.tcp(f.CLIENT, 4000, f.ACK, bytes([i]) * 3000, reply=True) for i in range(3)]
    for frame in frames:
        first.send(frame, vnet)
    second.send(f.arp(2))
    rig.turn()
    assert [octets for octets in rig.wire.sent if octets[:10] == vnet] == [vnet + frame for frame in frames]
    assert PLAIN + f.arp(2) in rig.wire.sent
    assert rig.count("tx_frames") == 4
    assert rig.count("tx_octets") == sum(map(len, frames)) + 42
    assert (rig.count("from_replica_1"), rig.count("from_replica_2")) == (3, 1)


def test_a_replica_gets_the_room_of_its_records_back() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    for _ in range(100):
        for _ in range(20):
            replica.send(f.tcp(f.CLIENT, 4000, f.ACK, bytes(1000), reply=True))
        rig.turn()
    assert len(rig.wire.sent) == 2000


def test_replicas_share_a_slow_device() -> None:
    rig = Rig()
    first, second = rig.running(2)
    for _ in range(20):
        first.send(f.arp(1))
        second.send(f.arp(2))
    for _ in range(20):
        rig.wire.room = 1
        rig.turn()
    assert rig.count("from_replica_1") == rig.count("from_replica_2") == 10


def test_what_the_device_has_no_room_for_is_kept_and_sent_later_once() -> None:
    rig = Rig(impair="loss=50%", seed=1)
    (replica,) = rig.running(1)
    plain = Rig(impair="loss=50%", seed=1)
    (other,) = plain.running(1)
    frames = [f.tcp(f.CLIENT, 4000, f.ACK, bytes([i]), reply=True) for i in range(20)]
    for frame in frames:
        replica.send(frame)
        other.send(frame)
    plain.turn()
    rig.wire.room = 3
    rig.turn()
    assert len(rig.wire.sent) == 3
    assert rig.driver.arm(), "a full device is not looked at all the time"
    assert rig.driver.deadline() > rig.now
    rig.turn()
    assert rig.count("tx_retry") == 1
    rig.wire.room = 100
    rig.turn()
    assert rig.wire.sent == plain.wire.sent, "the same frames are lost, the same are sent"
    assert rig.driver.deadline() == -1


def test_a_frame_that_the_device_refuses_is_counted_and_the_next_one_sent() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    rig.wire.down = True
    replica.send(f.arp(1))
    rig.turn()
    rig.wire.down = False
    replica.send(f.arp(2))
    rig.turn()
    assert rig.count("drop_tx_refused") == 1
    assert rig.wire.sent == [PLAIN + f.arp(2)]


def test_a_connection_from_a_replica_makes_its_own_filter() -> None:
    rig = Rig()
    replicas = rig.running(4)
    for port, replica in enumerate(replicas, 5000):
        replica.send(f.tcp("10.77.0.9", 80, f.SYN, reply=True, server_port=port))
    rig.turn()
    rig.arrive(*(f.tcp("10.77.0.9", 80, f.SYN | f.ACK, server_port=port) for port in range(5000, 5004)))
    assert [len(replica.frames()) for replica in replicas] == [1, 1, 1, 1]


# ---- impairment ----
def test_losses_are_counted_both_ways_and_repeat_with_the_seed() -> None:
    runs = []
    for seed in (1, 1, 2):
        rig = Rig(impair="loss=30%", seed=seed)
        (replica,) = rig.running(1)
        rig.arrive(*(f.udp(f.CLIENT, port) for port in range(100)))
        for i in range(50):
            replica.send(f.udp(f.CLIENT, i))
        rig.turn()
        got, sent = replica.frames(), list(rig.wire.sent)
        assert len(got) + rig.count("drop_impaired_in") == 100
        assert len(sent) + rig.count("drop_impaired_out") == 50
        assert 10 < rig.count("drop_impaired_in") < 50
        runs.append((got, sent))
    assert runs[0] == runs[1] != runs[2]


def test_a_bad_link_is_there_as_long_as_it_is_asked_for_and_the_driver_sleeps_until_frames_are_due() -> None:
    rig = Rig()
    (replica,) = rig.running(1)
    assert rig.wire.segmentation
    rig.driver.impair(Impairment("delay=5ms"))
    assert not rig.wire.segmentation
    rig.arrive(f.udp(f.CLIENT, 1))
    replica.send(f.udp(f.CLIENT, 2))
    rig.turn()
    assert replica.frames() == rig.wire.sent == []
    rig.driver.impair(Impairment(""))
    due = rig.driver.deadline()
    assert rig.now < due < rig.now + 5_000
    rig.turn(due - rig.now)
    assert len(replica.frames()) == 1
    rig.turn(rig.driver.deadline() - rig.now)
    assert len(rig.wire.sent) == 1
    rig.turn()
    assert rig.driver.device is rig.wire
    assert rig.wire.segmentation
    assert rig.driver.deadline() == -1


# ---- queues that come and go ----
def test_the_device_is_left_unread_until_all_replicas_told_their_flows() -> None:
    rig = Rig()
    first, second = rig.replica(1), rig.replica(2)
    rig.wire.arriving.append(PLAIN + f.tcp(f.CLIENT, 4000, f.ACK))
    rig.turn()
    rig.driver.set_queues([first.queue(), second.queue("closed")])
    first.tell()
    rig.turn()
    assert len(rig.wire.arriving) == 1
    assert rig.journal.began_reading == 0
    second.tell(f.key_of(f.CLIENT, 4000))
    rig.turn()
    rig.turn()
    assert (len(rig.wire.arriving), rig.journal.began_reading) == (0, 1)
    assert first.frames() == second.frames() == []
    assert rig.count("drop_queue_closed") == 1, "a live flow waits for its own queue to open"


def test_a_silent_replica_is_waited_for_200_ms_only() -> None:
    rig = Rig()
    silent, other = rig.replica(1), rig.replica(2)
    rig.driver.set_queues([silent.queue(), other.queue()])
    other.tell()
    rig.turn()
    due = rig.driver.deadline()
    assert 0 < due - rig.now <= FLOWS_WAIT_US
    rig.turn(due - rig.now - 1)
    assert not rig.driver.reading
    rig.turn(1)
    assert rig.driver.reading
    rig.arrive(*(f.tcp(client, 4000, f.SYN) for client in CLIENTS))
    assert (len(silent.frames()), len(other.frames())) == (0, len(CLIENTS))
    silent.tell()
    rig.turn()
    rig.arrive(*(f.tcp(client, 4001, f.SYN) for client in CLIENTS))
    assert len(silent.frames()) > 0


def test_a_replica_whose_queue_is_not_there_yet_is_waited_for() -> None:
    rig = Rig()
    first = rig.replica(1)
    rig.driver.set_queues([first.queue(), Queue(2, 1, "open", "", "", "")])
    first.tell()
    rig.turn()
    assert not rig.driver.reading
    second = rig.replica(2)
    rig.driver.set_queues([first.queue(), second.queue()])
    second.tell()
    rig.turn()
    assert rig.driver.reading


def test_the_flows_of_a_dead_incarnation_are_forgotten_after_time_wait() -> None:
    rig = Rig()
    rig.running(1)
    rig.arrive(*(f.tcp(client, 4000, flags) for client in CLIENTS for flags in (f.SYN, f.ACK)))
    rig.turn(5_000)
    new = rig.replica(1, generation=2)
    rig.driver.set_queues([new.queue()])
    for seconds, flows in ((50, len(CLIENTS)), (20, 0)):
        for _ in range(100):
            rig.turn(seconds * 10_000)
        assert rig.driver.read_gauges()["flows"] == flows
    assert rig.count("flows_expired") == len(CLIENTS)


def test_a_driver_that_was_reborn_learns_the_live_flows() -> None:
    rig = Rig()
    replicas = [rig.replica(number) for number in (1, 2, 3)]
    rig.driver.set_queues([replica.queue() for replica in replicas])
    for i, client in enumerate(CLIENTS):
        replicas[i % 3].say(FLOW, f.key_of(client, 4000))
    for replica in replicas:
        replica.say(FLOWS_TOLD)
    rig.turn()
    rig.arrive(*(f.tcp(client, 4000, f.ACK) for client in CLIENTS))
    for i, replica in enumerate(replicas):
        sources = [frame[26:30] for frame in replica.frames()]
        assert sources == [f.key_of(client, 4000)[:4] for client in CLIENTS[i::3]]
    assert (rig.count("flows_told"), rig.count("flow_unknown")) == (len(CLIENTS), 0)
    assert rig.driver.read_gauges() == {"flows": len(CLIENTS), "queues_open": 3}


def test_a_reborn_replica_gets_its_dead_ones_segments_and_new_flows() -> None:
    rig = Rig()
    (old,) = rig.running(1)
    rig.arrive(f.tcp(f.CLIENT, 4000, f.SYN), f.tcp(f.CLIENT, 4000, f.ACK))
    old.frames()
    new = rig.replica(1, generation=2)
    rig.driver.set_queues([new.queue("closed")])
    new.tell()
    rig.turn()
    rig.arrive(f.tcp(f.CLIENT, 4000, f.ACK))
    assert rig.count("drop_queue_closed") == 1
    rig.driver.set_queues([new.queue("open")])
    stale, fresh = f.tcp(f.CLIENT, 4000, f.ACK), f.tcp(f.CLIENT, 4001, f.SYN)
    rig.arrive(stale, fresh)
    assert new.frames() == [stale, fresh]
    assert old.frames() == []
    assert rig.count("to_replica_1") == 4, "the counter is the replica's, not the incarnation's"
    assert rig.journal.channels == 1


def test_draining_keeps_old_flows_and_takes_no_new_ones() -> None:
    rig = Rig()
    first, second = rig.running(2)
    rig.arrive(*(f.tcp(client, 4000, f.SYN) for client in CLIENTS))
    rig.arrive(*(f.tcp(client, 4000, f.ACK) for client in CLIENTS))
    old = len(first.frames()) // 2
    second.frames()
    rig.driver.set_queues([first.queue("draining"), second.queue()])
    rig.arrive(*(f.tcp(client, 4000, f.ACK) for client in CLIENTS))
    assert len(first.frames()) == old > 0
    rig.arrive(*(f.tcp(client, 4001, f.SYN) for client in CLIENTS))
    assert first.frames() == []
    rig.driver.set_queues([second.queue()])
    assert rig.journal.channels == 1


def test_the_same_message_twice_changes_nothing() -> None:
    rig = Rig()
    replicas = rig.running(2)
    queues = [replica.queue() for replica in replicas]
    rig.arrive(f.tcp(f.CLIENT, 4000, f.SYN))
    rig.driver.set_queues(queues)
    rig.driver.set_queues(queues)
    rig.arrive(f.tcp(f.CLIENT, 4000, f.ACK))
    assert sorted(len(replica.frames()) for replica in replicas) == [0, 2]
    assert rig.journal.channels == 2


def test_a_queue_whose_files_are_gone_is_tried_again_with_the_next_message() -> None:
    rig = Rig()
    (first,) = rig.running(1)
    rig.driver.set_queues([first.queue(), Queue(2, 7, "open", "", "", "")])
    rig.arrive(f.tcp(f.CLIENT, 4000, f.SYN))
    assert len(first.frames()) == 1
    second = rig.replica(2, generation=7)
    rig.driver.set_queues([first.queue(), second.queue()])
    second.tell()
    rig.turn()
    rig.arrive(f.arp(2, to=f.NIC_MAC))
    assert len(second.frames()) == 1


def test_an_idle_driver_sleeps_and_a_record_keeps_it_awake() -> None:
    rig = Rig()
    _, second = rig.running(2)
    assert isinstance(rig.driver, Work)
    assert rig.driver.arm()
    rig.driver.disarm()
    second.send(f.arp(1))
    assert not rig.driver.arm()
    rig.driver.disarm()
    assert rig.turn() == 1
    assert rig.turn() == 0


# ---- replicas that break the rules ----
@pytest.mark.parametrize(
    ("kind", "octets", "vnet"),
    [
        (9, b"", PLAIN),
        (FRAME, bytes(13), PLAIN),
        (FLOW, bytes(11), PLAIN),
        (FLOW, bytes(37), PLAIN),
        (FRAME, f.arp(1), checksum_request(34, 16)),
        (FRAME, f.arp(1), checksum_request(65535, 65535)),
        (FRAME, f.arp(1), struct.pack("=BBHHHH", 0, 3, 54, 1460, 0, 0)),
    ],
)
def test_a_bad_record_closes_that_queue_and_is_reported(kind: int, octets: bytes, vnet: bytes) -> None:
    rig = Rig()
    bad, good = rig.running(2)
    bad.say(kind, octets, vnet)
    bad.send(f.arp(1))
    good.send(f.arp(2))
    rig.turn()
    rig.turn()
    assert rig.journal.faults == [(1, 1, "record")]
    assert rig.wire.sent == [PLAIN + f.arp(2)]
    rig.arrive(*(f.tcp(client, 4000, f.SYN) for client in CLIENTS))
    assert (len(bad.frames()), len(good.frames())) == (0, len(CLIENTS))
    rig.driver.set_queues([bad.queue(), good.queue()])
    rig.arrive(*(f.tcp(client, 4001, f.SYN) for client in CLIENTS))
    assert bad.frames() == [], "the same incarnation is not believed again"
    reborn = rig.replica(1, generation=2)
    rig.driver.set_queues([reborn.queue(), good.queue()])
    reborn.tell()
    rig.turn()
    rig.arrive(*(f.tcp(client, 4002, f.SYN) for client in CLIENTS))
    assert len(reborn.frames()) > 0


@pytest.mark.parametrize(("index", "ring"), [(64, "to_driver"), (128, "to_replica")])
def test_a_corrupt_index_closes_that_queue_and_is_reported(index: int, ring: str) -> None:
    rig = Rig()
    bad, good = rig.running(2)
    getattr(bad, ring).store64(index, 1 << 40)
    # Enough for the driver to ask how far the replica has read.
    rig.arrive(*(f.tcp(client, port, f.SYN) for client in CLIENTS for port in range(60)))
    good.send(f.arp(2))
    rig.turn()
    assert rig.journal.faults == [(1, 1, "index")]
    assert rig.wire.sent == [PLAIN + f.arp(2)]
    assert rig.count("peer_faults") == 1
    good.frames()
    rig.arrive(f.tcp("10.77.2.1", 1, f.SYN))
    assert len(good.frames()) == 1


def test_a_short_record_is_no_record() -> None:
    rig = Rig()
    (bad,) = rig.running(1)
    bad.sending.send(b"123456789012345")
    bad.sending.flush()
    rig.turn()
    assert rig.journal.faults == [(1, 1, "record")]


# ---- faults on purpose ----
def test_an_injected_exception_ends_the_next_turn() -> None:
    rig = Rig()
    rig.running(1)
    rig.driver.inject = "exception"
    with pytest.raises(RuntimeError, match="injected"):
        rig.turn()
