"""`neatctl replay --live`: every frame of a small capture is answered, dropped or left out, and counted as such."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.system.testbed import Testbed
from tests.testbed.replay.captures import pcap
from tests.testbed.replay.test_rewrite import CLIENT, DATAGRAM, KERNEL, OTHER, SEGMENT, SERVER, ethernet, packet

pytestmark = [pytest.mark.system, pytest.mark.tap]
BEGIN_NS = 1_790_000_000_000_000_000
NEIGHBOUR = "10.77.0.77"


def syn(port: int) -> bytes:
    return struct.pack(">HHIIBBHHH", port, 80, 1000, 0, 0x50, 0x02, 1000, 0, 0)


def frames() -> list[bytes]:
    """30 SYNs from three places, pings, UDP to a closed port, a wrong checksum, garbage; and what is not sent."""
    sources = [CLIENT, KERNEL, NEIGHBOUR]
    made = [packet(sources[i % 3], SERVER, 6, syn(4000 + i)) for i in range(30)]
    made += [packet(CLIENT, SERVER, 1, b"\x08\0\0\0\0\x01\0\x01" + bytes(20)) for _ in range(3)]
    made += [packet(CLIENT, SERVER, 17, DATAGRAM)]
    made += [packet(CLIENT, SERVER, 6, syn(5000), error=1)]
    made += [packet(CLIENT, SERVER, 6, b"garbage")]
    made += [packet(SERVER, CLIENT, 6, SEGMENT), packet(CLIENT, OTHER, 6, SEGMENT)]
    return [ethernet(octets) for octets in made]


def capture(path: Path) -> Path:
    records = [(BEGIN_NS + i * 5_000_000, frame, len(frame)) for i, frame in enumerate(frames())]
    path.write_bytes(pcap(records, nano=True))
    return path


def replayed(testbed: Testbed, path: Path, *options: str) -> Any:
    return testbed.json("replay", str(path), "--live", *options)


def test_all_frames_are_accounted_for(shared_testbed: Testbed, tmp_path: Path) -> None:
    written = tmp_path / "out.pcapng"
    path = capture(tmp_path / "in.pcap")
    report = replayed(shared_testbed, path, "--write", str(written))
    assert (report["servers"], report["sent"], report["lost"], report["error"]) == ([SERVER], 36, 0, "")
    assert report["not_sent"] == {"from_server": 1, "to_others": 1}
    assert (report["moved"][KERNEL], report["moved_frames"]) == ("10.77.0.254", 10)
    answers: dict[str, int] = {}
    for count in report["answers"]:
        answers[count["kind"]] = answers.get(count["kind"], 0) + count["frames"]
    assert answers["tcp_syn_ack"] >= 30
    assert (answers["icmp_echo_reply"], answers["icmp_unreachable"]) == (3, 1)
    assert answers.get("tcp_rst", 0) == 0
    assert {count["replica"] for count in report["answers"] if count["kind"] == "tcp_syn_ack"} == {"1", "2"}
    rises: dict[str, int] = {}
    for rise in report["counters"]:
        assert rise["meaning"] or rise["component"] in {"syscall", "web"}, rise
        rises[rise["counter"]] = rises.get(rise["counter"], 0) + rise["rise"]
    assert rises["ip_echo_replies"] == 3
    assert rises["ip_drop_checksum"] == 1
    assert "tcp_resets_in" not in rises, "the clients' kernel answered what was not its own"
    assert 0.17 < report["seconds"] < 3
    assert 0 < report["schedule"]["p50_us"] <= report["schedule"]["p99_us"] <= report["schedule"]["max_us"]
    assert written.read_bytes().count(b"sent by replica 1") >= 3
    assert (report["restarts"], report["answers_lost"]) == (0, 0)
    assert len(shared_testbed.fetch()) == 20


def test_as_fast_as_possible_and_any_server(shared_testbed: Testbed, tmp_path: Path) -> None:
    ping = ethernet(packet(CLIENT, SERVER, 1, b"\x08\0\0\0\0\x01\0\x01" + bytes(20)))
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap([(BEGIN_NS + i * 10**9, ping, len(ping)) for i in range(5000)]))
    report = replayed(shared_testbed, path, "--speed", "max", "--server", "any")
    assert report["schedule"] is None
    assert report["seconds"] < 10
    (received,) = [rise["rise"] for rise in report["counters"] if rise["counter"] == "rx_frames"]
    assert report["lost"] == 0, "who sends waits for room"
    assert 5000 <= received <= 5000 + 50
    assert len(shared_testbed.fetch()) == 20


def test_mistakes_get_a_line_and_the_right_code(shared_testbed: Testbed, tmp_path: Path) -> None:
    good = str(capture(tmp_path / "in.pcap"))
    (tmp_path / "bad.pcap").write_bytes(b"no capture at all")
    for options, code, said in (
        ([good, "--speed", "fast"], 2, "a speed is"),
        ([good, "--server", "example"], 2, "IPv4 addresses"),
        ([good, "--bpf", "tcp and"], 2, "is no filter"),
        ([str(tmp_path / "bad.pcap")], 2, "no pcap or pcapng file"),
        ([str(tmp_path / "bad.pcap"), "--server", "any"], 2, "no pcap or pcapng file"),
        ([str(tmp_path / "none.pcap")], 2, "No such file"),
        ([good, "--name", "test-none"], 3, "no testbed named test-none"),
    ):
        done = shared_testbed.neatctl("replay", "--live", *options, check=False)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr


def test_a_pipe_is_played_too(shared_testbed: Testbed, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    octets = capture(tmp_path / "in.pcap").read_bytes()
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(octets,), daemon=True).start()
    report = replayed(shared_testbed, tmp_path / "pipe", "--server", SERVER, "--speed", "max")
    assert (report["sent"], report["error"]) == (36, "")
