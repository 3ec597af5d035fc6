"""Offline replay: the NIC does with a capture what the driver would, and every frame is accounted for."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from neatctl.cli import app
from neatctl.core.native import COMPILED
from neatctl.testbed.replay.capture_file import open_capture
from neatctl.testbed.replay.offline import Options, replay_offline
from neatctl.testbed.replay.spread import Spread, spread_of, upper_gamma
from tests.nic import frames as f
from tests.nic.switch import Switch
from tests.testbed.replay.captures import interface, packet, pcap, section

SECOND = 10**9
CLIENTS = [(f"10.1.{i % 50}.{i % 199 + 1}", 1024 + i) for i in range(200)]


def write(directory: Path, octets: bytes) -> Path:
    path = directory / "x.pcap"
    path.write_bytes(octets)
    return path


def exchange(client: str, port: int, at: int) -> list[tuple[int, bytes]]:
    """A connection, seen from both ends of the wire."""
    arriving, leaving = {"reply": False}, {"reply": True}
    steps = [(f.SYN, arriving), (f.SYN | f.ACK, leaving), (f.ACK, arriving), (f.ACK, arriving), (f.ACK, leaving)]
    steps += [(f.FIN | f.ACK, arriving), (f.FIN | f.ACK, leaving), (f.ACK, arriving)]
    return [(at + i * 1000, f.tcp(client, port, flags, b"", **way)) for i, (flags, way) in enumerate(steps)]


def records(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes, int]]:
    return [(time, octets, len(octets)) for time, octets in sorted(frames)]


TRAFFIC = records([step for i, client in enumerate(CLIENTS) for step in exchange(*client, SECOND + i * 500)])


def test_each_connection_goes_to_the_replica_that_the_driver_would_choose(tmp_path: Path) -> None:
    report = replay_offline(write(tmp_path, pcap(TRAFFIC, nano=True)), Options(3, appliance=f.SERVER, seed=5))
    switch = Switch([1, 2, 3], key=bytes.fromhex(report.rss_key))
    expected = [switch.inbound(f.tcp(client, port, f.SYN)) for client, port in CLIENTS]
    assert [queue.flows for queue in report.queues] == [expected.count(replica) for replica in (1, 2, 3)]
    assert [queue.frames for queue in report.queues] == [5 * expected.count(replica) for replica in (1, 2, 3)]
    assert report.counters == {
        "rx_frames": 1000,
        "rx_octets": 54_000,
        "tx_frames": 600,
        "tx_octets": 32_400,
        "flows_new": 200,
    }
    assert report.tracked == 200
    assert report.spread is not None
    assert report.spread.p_value > 0.001


def test_flows_expire_in_the_time_of_the_capture(tmp_path: Path) -> None:
    later = records([(300 * SECOND, f.tcp(f.CLIENT, 9, f.SYN))])
    report = replay_offline(write(tmp_path, pcap(TRAFFIC + later)), Options(2, appliance=f.SERVER))
    assert report.counters["flows_expired"] == 200
    assert report.tracked == 1


def test_few_frames_over_a_long_time_expire_flows_as_exactly(tmp_path: Path) -> None:
    """A frame each 10 s, nothing but SYNs (kept for 130 s), in a table with room for 50."""
    syns = [(10 * i * SECOND, f.tcp(f"10.1.{i // 200}.{i % 200 + 1}", 4000, f.SYN)) for i in range(1000)]
    again = [(10_110 * SECOND, syns[-1][1]), (10_500 * SECOND, syns[-1][1])]
    round_us = 1024 << 32  # after so long the ticks of the tracking table begin anew
    late = [(10_510 * SECOND + round_us * 1000, syns[-1][1])]
    file = pcap([(time, frame, len(frame)) for time, frame in syns + again + late])
    report = replay_offline(write(tmp_path, file), Options(2, flows=50))
    assert report.counters["flows_new"] == 1002, "once more after each long silence, not after a short one"
    assert report.counters["flows_expired"] == 1001
    assert report.tracked == 1
    assert not {"flows_full", "flows_evicted", "flow_moved"} & set(report.counters)


def test_a_full_table_evicts_flows_that_are_over(tmp_path: Path) -> None:
    report = replay_offline(write(tmp_path, pcap(TRAFFIC)), Options(2, appliance=f.SERVER, flows=50))
    assert report.counters["flows_new"] == report.counters["flows_evicted"] + 50
    assert report.tracked == 50
    report = replay_offline(write(tmp_path, pcap(TRAFFIC)), Options(2, flows=50))
    assert report.counters["flows_full"] == 150, "nobody saw a flow end"


def test_frames_to_others_are_dropped_beside_an_appliance_only(tmp_path: Path) -> None:
    other, arp_reply = f.ethernet(f.ipv4(f.udp_header(1, 2), 17, f.CLIENT, "10.77.0.9")), f.arp(2, to=f.NIC_MAC)
    frames = [f.tcp(f.CLIENT, 4000, f.SYN), other, f.udp(f.CLIENT, 5), f.arp(1), arp_reply, f.tcp("fd00::1", 9, f.SYN),
              f.arp(2, f.SERVER, f.CLIENT, f.PEER_MAC), f.arp(2, "10.77.0.8", "10.77.0.9", f.PEER_MAC)]  # fmt: skip
    path = write(tmp_path, pcap([(SECOND, frame, len(frame)) for frame in frames]))
    beside = replay_offline(path, Options(2, appliance=f.SERVER))
    assert beside.counters["drop_other_host"] == beside.dropped == 3
    assert (beside.counters["rx_frames"], beside.counters["tx_frames"], beside.to_all) == (7, 1, 1)
    mirror = replay_offline(path, Options(2))
    assert (mirror.dropped, mirror.counters["rx_frames"], mirror.to_all) == (0, 8, 3)


def test_a_connection_that_the_appliance_opens_is_tracked(tmp_path: Path) -> None:
    out = [f.tcp(f.CLIENT, 4000 + i, f.SYN, reply=True) for i in range(40)]
    back = [f.tcp(f.CLIENT, 4000 + i, f.SYN | f.ACK) for i in range(40)]
    report = replay_offline(
        write(tmp_path, pcap([(SECOND, frame, len(frame)) for frame in out + back])),
        Options(4, appliance=f.SERVER, seed=1),
    )
    assert all(queue.frames for queue in report.queues)
    assert report.counters["flows_new"] == sum(queue.frames for queue in report.queues) == 40
    assert "flow_unknown" not in report.counters


def test_a_seed_gives_the_same_key_and_each_run_another_one(tmp_path: Path) -> None:
    path = write(tmp_path, pcap(TRAFFIC))
    first, second = replay_offline(path, Options()), replay_offline(path, Options())
    again = replay_offline(path, Options(seed=first.seed))
    assert first.rss_key != second.rss_key
    assert (again.rss_key, again.queues) == (first.rss_key, first.queues)


def test_a_pipe_is_read_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = write(tmp_path, pcap(TRAFFIC))
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', str(path), str(pipe)]):
        report = replay_offline(pipe, Options())
    assert (report.frames, report.file_octets) == (len(TRAFFIC), path.stat().st_size)


def test_without_tracking_a_flow_stays_where_rss_says(tmp_path: Path) -> None:
    path = write(tmp_path, pcap(TRAFFIC))
    report = replay_offline(path, Options(3, tracking=False, appliance=f.SERVER, seed=5))
    tracked = replay_offline(path, Options(3, appliance=f.SERVER, seed=5))
    assert [queue.frames for queue in report.queues] == [queue.frames for queue in tracked.queues]
    assert (report.tracked, report.spread) == (0, tracked.spread)
    assert "flows_new" not in report.counters


def test_filters_from_a_file(tmp_path: Path) -> None:
    lines = [f"{client}, {port}, {f.SERVER}, 80, 2  # all to one" for client, port in CLIENTS]
    filters = tmp_path / "filters"
    filters.write_text("# source, port, destination, port, replica\n\n" + "\n".join(lines))
    report = replay_offline(write(tmp_path, pcap(TRAFFIC)), Options(3, filters=filters, appliance=f.SERVER))
    assert [queue.flows for queue in report.queues] == [0, 200, 0]
    assert report.counters["filtered"] == 200
    assert report.spread is None, "RSS spread nothing"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("10.0.0.1,1,10.0.0.2,2", "filters:2: a filter has five fields"),
        ("10.0.0.1,1,fd00::1,2,1", "different versions"),
        ("10.0.0.1,65536,10.0.0.2,2,1", "a port is 0 to 65535"),
        ("10.0.0.1,1,10.0.0.2,2,5", "a replica is 1 to 4 here, not '5'"),
        ("10.0.0.300,1,10.0.0.2,2,1", "'10.0.0.300' does not appear to be"),
        ("a,b,c,d,e", "filters:2:"),
        ("sctp,10.0.0.1,1,10.0.0.2,2,1", "tcp or udp, not 'sctp'"),
        ("10.0.0.1,1,10.0.0.2,2,1\ntcp,10.0.0.1, 1,10.0.0.2,2,2", "filters:3: there is a filter for this flow"),
        ("\n".join(f"10.0.0.1,{i},10.0.0.2,2,1" for i in range(8191)), "filters:8192: there is room for 8,190"),
    ],
)
def test_a_bad_filter_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    filters = tmp_path / "filters"
    filters.write_text(f"\n{line}\n")
    done = CliRunner().invoke(app, ["replay", str(write(tmp_path, pcap(TRAFFIC))), "--filters", str(filters)])
    assert done.exit_code == 2
    assert said in done.stderr


def test_frames_captured_in_part_are_steered_by_their_headers(tmp_path: Path) -> None:
    whole = [f.tcp(f.CLIENT, 4000 + i, f.SYN, bytes(1400)) for i in range(50)]
    report = replay_offline(write(tmp_path, pcap([(SECOND, frame[:60], len(frame)) for frame in whole])), Options(2))
    assert (report.truncated, report.dropped, report.counters["flows_new"]) == (50, 0, 50)
    assert report.counters["rx_octets"] == 50 * 1454


@pytest.mark.parametrize(
    ("link", "front"),
    [(101, b""), (12, b""), (228, b""), (0, b"\x02\0\0\0"), (108, b"\0\0\0\x02"), (113, bytes(14) + b"\x08\0"),
     (276, b"\x08\0" + bytes(18))],
)  # fmt: skip
def test_other_links_are_steered_alike(tmp_path: Path, link: int, front: bytes) -> None:
    packets = [front + f.tcp(client, port, f.SYN)[14:] for client, port in CLIENTS]
    report = replay_offline(
        write(tmp_path, pcap([(SECOND, octets, len(octets)) for octets in packets], link=link)), Options(4, seed=5)
    )
    ethernet = replay_offline(
        write(tmp_path, pcap([(SECOND, f.tcp(*client, f.SYN), 54) for client in CLIENTS])), Options(4, seed=5)
    )
    assert report.queues == ethernet.queues
    assert report.counters == ethernet.counters


def test_a_capture_that_cannot_be_steered_at_all_names_its_link(tmp_path: Path) -> None:
    code, report, said = run(write(tmp_path, pcap([(1, bytes(40), 40)], link=105)))
    assert (code, report) == (2, None)
    assert "all frames are of link type 105 (IEEE 802.11); only Ethernet" in said
    code, report, _ = run(write(tmp_path, pcap([], link=105)))
    assert (code, report["frames"], report["spread"]) == (0, 0, None)


def test_frames_of_other_links_get_an_ethernet_header(tmp_path: Path) -> None:
    frame = f.tcp(f.CLIENT, 4000, f.SYN)
    file = (
        section()
        + b"".join(interface(link) for link in (1, 101, 113, 105))
        + packet(1, frame, 54, 0)
        + packet(2, frame[14:50], 40, 1)
        + packet(3, bytes(14) + b"\x08\0" + frame[14:], 56, 2)
        + packet(4, frame, 54, 3)
    )
    found = []
    with open_capture(write(tmp_path, file)) as capture:
        while capture.read():
            found += list(capture.ethernet_frames())
    bare = bytes(12) + frame[12:]
    assert found == [(1000, 54, frame), (2000, 54, bare[:50]), (3000, 54, bare)]


def test_a_link_that_cannot_be_steered_is_counted(tmp_path: Path) -> None:
    file = section() + interface() + interface(105) + packet(1, f.arp(1), 42) + packet(2, bytes(30), 30, 1)
    report = replay_offline(write(tmp_path, file), Options(2))
    assert report.other_links == {"105": 1}
    assert report.frames == 2


def run(path: Path, *options: str) -> tuple[int, Any, str]:
    done = CliRunner().invoke(app, ["replay", str(path), "--json", *options])
    return done.exit_code, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_a_filter_expression_chooses_frames(tmp_path: Path) -> None:
    path = write(tmp_path, pcap(TRAFFIC))
    code, report, _ = run(path, "--bpf", f"src host {f.SERVER}")
    assert code == 0
    assert (report["frames"], report["passed_over"]) == (600, 1000)
    code, report, said = run(path, "--bpf", "no such thing")
    assert (code, report) == (2, None)
    assert "'no such thing' is no filter that libpcap knows for link type 1" in said


def test_what_cannot_be_played_is_said_in_one_line(tmp_path: Path) -> None:
    code, report, said = run(write(tmp_path, b"\x1f\x8b" + bytes(50)))
    assert (code, report) == (2, None)
    assert said.count("\n") == 1
    assert "gunzip" in said
    code, report, said = run(write(tmp_path, pcap([]) + bytes(8) + b"\xff" * 8))
    assert (code, report) == (2, None), "nothing of it could be played"
    assert "claims to hold" in said
    assert run(tmp_path)[0] == run(tmp_path / "none")[0] == 2
    assert run(write(tmp_path, pcap(TRAFFIC)), "--appliance", "nobody")[0] == 2
    assert run(write(tmp_path, pcap(TRAFFIC)), "--replicas", "0")[0] == 2
    assert run(write(tmp_path, pcap(TRAFFIC)), "--flows", str(1 << 40))[0] == 2


def test_a_file_that_goes_bad_is_played_so_far_and_exits_with_1(tmp_path: Path) -> None:
    bad = struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 0)
    code, report, _ = run(write(tmp_path, pcap(TRAFFIC) + bad))
    assert code == 1
    assert report["frames"] == len(TRAFFIC)
    assert "claims to hold 4294967295 octets" in report["bad"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100 if COMPILED else 25, deadline=None
)
@given(
    st.lists(st.tuples(st.sampled_from(TRAFFIC), st.integers(0, 60), st.binary(max_size=6), st.integers(0, 70))),
    st.sampled_from([0, 1, 12, 113, 276, 147]),
)
def test_any_frames_are_accounted_for(
    tmp_path: Path, mutations: list[tuple[tuple[int, bytes, int], int, bytes, int]], link: int
) -> None:
    frames = []
    for (time, octets, _), at, change, keep in mutations:
        changed = (octets[:at] + change + octets[at + len(change) :])[:keep]
        frames.append((time, changed, max(len(octets), len(changed))))
    report = replay_offline(write(tmp_path, pcap(frames, link=link)), Options(3, appliance=f.SERVER))
    steered = sum(queue.frames for queue in report.queues) + report.to_all + report.dropped
    assert steered + report.counters.get("tx_frames", 0) + sum(report.other_links.values()) == len(frames)


@pytest.mark.parametrize(
    ("degrees", "statistic", "p_value"),
    # Critical values of the chi-square distribution, as in every table of it.
    [(1, 3.841, 0.05), (3, 7.815, 0.05), (7, 18.475, 0.01), (10, 2.558, 0.99), (63, 103.442, 0.001), (2, 0.0, 1.0)],
)
def test_chi_square_agrees_with_the_tables(degrees: int, statistic: float, p_value: float) -> None:
    assert upper_gamma(degrees / 2, statistic / 2) == pytest.approx(p_value, rel=2e-3)


def test_spread_of_counts() -> None:
    spread = spread_of([10, 20, 30])
    assert spread is not None
    assert (spread.chi_square, spread.degrees) == (10.0, 2)
    assert spread.p_value == pytest.approx(0.0067379, rel=1e-4)
    assert spread_of([10, 20, 30], [1, 2, 3]) == Spread(0.0, 2, 1.0)
    few = spread_of([4, 4])
    assert few is not None
    assert few.rough
    assert not spread.rough
    assert spread_of([5]) is spread_of([0, 0], [1, 1]) is None


def test_a_spread_over_60_queues_is_measured_against_their_shares_of_the_table(tmp_path: Path) -> None:
    frames = [f.udp(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 1000 + i % 5000) for i in range(6000)]
    path = write(tmp_path, pcap([(SECOND, frame, len(frame)) for frame in frames]))
    spreads = [replay_offline(path, Options(60, seed=seed)).spread for seed in range(5)]
    # The shares are 2 and 3 of 128: against equal ones p would be below 1e-9 every time.
    assert sum(spread is not None and spread.p_value > 0.001 for spread in spreads) >= 4
