"""Frames per second of the smart NIC, offline, on one core: read the flow key, look up, steer, count.

Replays one ACK segment of each flow, over and over, from memory through `Steering.replay`, with 1,000 and with
1,000,000 flows in the tracking table; then the same without tracking (RSS alone). No device and no queue.
"""

from __future__ import annotations

import argparse
import json
import mmap
import statistics
import struct
import sys
import time
from typing import Any

from neatctl.core.native import COMPILED, Memory
from neatctl.nic.counters import FLOW_UNKNOWN, FLOWS_FULL, FLOWS_NEW, Counters
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.nic.replay import ETHERNET, NicReplay
from neatctl.nic.rss import Rss
from neatctl.nic.steering import OPEN, Steering
from neatctl.nic.tracking import Tracking

RSS_KEY = bytes(range(101, 141))
MAC = bytes.fromhex("02000a4d0002")
STRIDE = 64
REPLICAS = 4
RUNS = 5
ACK, SYN = 0x10, 0x02
FRAME = struct.Struct(">6s6sH BBHHHBBH4s4s HHLLBBHHH")


def frames_of(flows: int) -> tuple[Memory, Memory, list[int]]:
    """One TCP segment of each flow, where each is, and the offsets of their flags."""
    frames = mmap.mmap(-1, flows * STRIDE)
    places = mmap.mmap(-1, flows * PLACE_OCTETS)
    server = bytes([10, 77, 0, 2])
    for i in range(flows):
        client = struct.pack(">L", 0x0A4D0100 + i // 5)
        ip = (0x45, 0, 40, 0, 0x4000, 64, 6, 0, client, server)
        tcp = (20000 + i % 40000, 80, 1, 1, 0x50, ACK, 65535, 0, 0)
        FRAME.pack_into(frames, i * STRIDE, MAC, b"\x02\0\0\0\0\x01", 0x0800, *ip, *tcp)
        struct.pack_into("=qqqq", places, i * PLACE_OCTETS, i * STRIDE, FRAME.size, FRAME.size, 0)
    return Memory(frames), Memory(places), [i * STRIDE + 47 for i in range(flows)]


def rate(flows: int, frames: int, tracked: bool) -> tuple[float, str]:
    """Frames per second over `frames` of them, the median of some runs, and the span of all."""
    counters = Counters()
    steering = Steering(Rss(RSS_KEY), Tracking(flows if tracked else 1), counters, MAC)
    steering.set_states(dict.fromkeys(range(1, REPLICAS + 1), OPEN), 0)
    memory, places, flags = frames_of(flows)
    if tracked:
        for at in flags:
            memory.put8(at, SYN)
        NicReplay(steering).play(memory, places, flows, ETHERNET, 14)
        for at in flags:
            memory.put8(at, ACK)
        if counters.get(FLOWS_NEW) != flows or counters.get(FLOWS_FULL):
            sys.exit(f"nic: {counters.get(FLOWS_NEW)} of {flows} flows are tracked")
    rates = []
    replay = NicReplay(steering)
    for _ in range(RUNS):
        begin = time.process_time()
        for _ in range(frames // flows):
            replay.play(memory, places, flows, ETHERNET, 14)
        rates.append(frames // flows * flows / (time.process_time() - begin))
    if replay.dropped:
        sys.exit("nic: a frame was dropped")
    if tracked and counters.get(FLOW_UNKNOWN):
        sys.exit("nic: a frame missed its flow")
    return statistics.median(rates), f"median of {RUNS}, {min(rates):,.0f} to {max(rates):,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    scale = 1 if COMPILED else 50
    figures: list[dict[str, Any]] = []
    for flows, tracked in ((1_000, True), (1_000_000 // scale, True), (1_000, False)):
        value, note = rate(flows, 2_000_000 // scale, tracked)
        name = f"steer a frame, {flows:,} flows, {'tracked' if tracked else 'RSS alone'}"
        figures.append({"name": name, "value": value, "unit": "frames/s", "note": note})
        if not as_json:
            print(f"{name:<45} {value:>12,.0f} frames/s   {1e9 / value:6.0f} ns a frame   {note}", flush=True)
    if as_json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
