"""The pcapng writer: read back by our own reader, by libpcap and, where it is, by tshark."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pcapy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.nic.devices.pcap import PLACE_OCTETS, Capture
from neatctl.testbed.replay.pcapng import INBOUND, OUTBOUND, ROOM, PcapngWriter, packet_options
from tests.nic import frames as f

NOW_NS = 1_790_000_000_123_456_789


def written(frames: list[tuple[int, int, bytes]], interfaces: int = 2) -> bytes:
    """(interface, time, octets) of each frame."""
    writer = PcapngWriter("test 1")
    for number in range(interfaces):
        assert writer.interface(f"replica {number + 1}") == number
    for interface, time_ns, octets in frames:
        options = packet_options(f"sent by replica {interface + 1}", OUTBOUND)
        assert writer.packet(interface, time_ns, Memory(octets), 0, len(octets), options)
    return writer.take()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1 << 62), st.binary(max_size=70)), max_size=9))
def test_our_reader_finds_what_was_written(frames: list[tuple[int, int, bytes]]) -> None:
    capture = Capture(Memory(written(frames)))
    places = Memory(bytearray(PLACE_OCTETS * 10))
    count = capture.batch(places, 10)
    found = [tuple(places.load64(i * PLACE_OCTETS + 8 * j) for j in range(4)) for i in range(count)]
    assert [(time_ns, capture.memory.bytes(at, octets)) for at, octets, _, time_ns in found] == [
        frame[1:] for frame in frames
    ]
    assert all(octets == original for _, octets, original, _ in found)


def test_libpcap_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    frames = [f.tcp(f.CLIENT, 4000 + i, f.SYN, bytes(i)) for i in range(5)]
    path.write_bytes(written([(i % 2, NOW_NS + i, frame) for i, frame in enumerate(frames)]))
    reader = pcapy.open_offline(str(path))
    found = []
    while (packet := reader.next())[0] is not None:
        found.append(packet)
    assert [octets for _, octets in found] == frames
    assert found[0][0].getts() == (NOW_NS // 10**9, NOW_NS % 10**9 // 1000)


def test_a_full_writer_says_so_and_goes_on_after_a_take() -> None:
    writer = PcapngWriter()
    writer.interface("replica 1")
    frame = Memory(bytes(65_550))
    options = packet_options("for replica 1", INBOUND)
    packets = 0
    while writer.packet(0, packets, frame, 0, 65_550, options):
        packets += 1
    assert 10 <= packets <= 16
    assert writer.interface("replica 2") == 1, "there is always room for an interface"
    first = writer.take()
    assert len(first) <= ROOM + 100
    assert writer.packet(1, 0, frame, 0, 65_550, options)
    capture = Capture(Memory(first + writer.take()))
    places = Memory(bytearray(PLACE_OCTETS * 32))
    assert capture.batch(places, 32) + capture.batch(places, 32) == packets + 1


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is missing: apt-get install tshark")
def test_tshark_sees_interfaces_comments_directions_and_nanoseconds(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    path.write_bytes(written([(1, NOW_NS, f.tcp(f.CLIENT, 4000, f.SYN)), (0, NOW_NS + 1, f.arp(1))]))
    names = ["interface_name", "comment", "packet_flags_direction", "time_epoch", "len"]
    fields = [word for name in names for word in ("-e", f"frame.{name}")]
    argv = ["tshark", "-r", str(path), "-T", "json", *fields]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    assert [layer["frame.interface_name"] for layer in layers] == [["replica 2"], ["replica 1"]]
    assert [layer["frame.comment"] for layer in layers] == [["sent by replica 2"], ["sent by replica 1"]]
    assert {layer["frame.packet_flags_direction"][0] for layer in layers} == {"0x00000002"}
    assert layers[0]["frame.time_epoch"] == ["1790000000.123456789"]
