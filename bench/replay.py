"""Frames per second of `neatctl replay`: a capture of a million small frames through the smart NIC alone.

The file is written first (64 octets a frame, 10,000 TCP flows, classic pcap) and lies in the page cache. Prints the
rate over the whole replay by its CPU time, reading included, and what share of the time the reading took.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import struct
import tempfile
from pathlib import Path

from neatctl.core.native import COMPILED
from neatctl.testbed.replay.offline import OfflineReport, Options, replay_offline

FRAMES = 1_000_000 if COMPILED else 20_000
FLOWS = 10_000
RUNS = 5
FRAME = struct.Struct(">6s6sHBBHHHBBHIIHHIIBBHHH10x")
RECORD = struct.Struct("<IIII")
SYN, ACK = 0x02, 0x10


def write_capture(path: Path) -> None:
    """Each flow's SYN first, then segments of random flows, a microsecond apart."""
    draw = random.Random(1)
    order = [*range(FLOWS), *(draw.randrange(FLOWS) for _ in range(FRAMES - FLOWS))]
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for i, flow in enumerate(order):
            ip = (0x45, 0, 50, 0, 0x4000, 64, 6, 0, 0x0A010000 + flow % 251, 0x0A4D0002)
            tcp = (1024 + flow, 80, 1, 1, 0x50, SYN if i < FLOWS else ACK, 65535, 0, 0)
            frame = FRAME.pack(b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01", 0x0800, *ip, *tcp)
            file.write(RECORD.pack(i // 1_000_000, i % 1_000_000, len(frame), len(frame)) + frame)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(prefix="neatctl-bench-") as directory:
        path = Path(directory) / "small.pcap"
        write_capture(path)
        reports: list[OfflineReport] = [replay_offline(path, Options(seed=1)) for _ in range(RUNS)]
    if any(report.dropped or report.counters["flows_new"] != FLOWS for report in reports):
        raise SystemExit("replay: frames were dropped, or flows missed")
    rate = statistics.median(report.frames / report.cpu_s for report in reports)
    reading = statistics.median(report.reading for report in reports)
    note = f"median of {RUNS}, {reading:.0%} of the time for reading"
    name = f"offline replay, {FLOWS:,} flows, 64-octet frames"
    if as_json:
        print(json.dumps([{"name": name, "value": rate, "unit": "frames/s", "note": note}]))
    else:
        print(f"{name:<45} {rate:>12,.0f} frames/s   {note}")


if __name__ == "__main__":
    main()
