"""`neatctl replay FILE`: a capture through the smart NIC alone, and what the NIC made of it.

Every frame arrives at the NIC, unless it comes from the appliance that was named: such a frame leaves, and the NIC
takes note of it as the driver would. Frames to any Ethernet address are taken, as on a mirror port.
"""

from __future__ import annotations

import ipaddress
import random
import time
from pathlib import Path

import msgspec

from neatctl.core.native import COMPILED
from neatctl.nic.counters import Counters
from neatctl.nic.devices.pcap import BadCapture
from neatctl.nic.replay import LINKS, NicReplay
from neatctl.nic.rss import Rss
from neatctl.nic.steering import OPEN, Steering
from neatctl.nic.tracking import Tracking
from neatctl.testbed.replay.capture_file import CaptureFile, open_capture
from neatctl.testbed.replay.filters_file import read_filters
from neatctl.testbed.replay.spread import Spread, spread_of

SCHEMA = 1
FLOWS = 1 << 17
"""Room of the tracking table, as in a testbed (core/control/config.py)."""
_SEED_BITS = 32


class Options(msgspec.Struct, frozen=True):
    """What a user may set for an offline replay."""

    replicas: int = 4
    filters: Path | None = None
    tracking: bool = True
    appliance: str = ""
    expression: str = ""
    """Only frames that this BPF expression chooses."""
    seed: int | None = None
    """Of the RSS key; None for a random one."""
    flows: int = FLOWS
    """Room of the tracking table."""


class QueueShare(msgspec.Struct, frozen=True):
    replica: int
    frames: int
    flows: int
    """Whose first frame came here."""


class OfflineReport(msgspec.Struct):
    """What came of it. Frames are those that passed the filter expression."""

    schema: int
    file: str
    format: str
    file_octets: int
    frames: int
    truncated: int
    """Frames of which the capture has only the beginning."""
    undated: int
    cut: bool
    """The file ends within a record."""
    bad: str
    """Where the file stopped making sense, or ""."""
    passed_over: int
    """Frames that the filter expression did not choose."""
    other_links: dict[str, int]
    """Frames of link types that cannot be steered, by type."""
    compiled: bool
    seed: int
    """`--seed` with this number gives the same RSS key."""
    rss_key: str
    queues: list[QueueShare]
    to_all: int
    dropped: int
    tracked: int
    """Flows in the tracking table at the end."""
    counters: dict[str, int]
    """Those of the driver that are not zero."""
    flows: int
    """Flows in the sense of RSS: of any protocol, each direction of its own, told apart by their hash."""
    more_flows: bool
    """There were more flows than can be told apart."""
    spread: Spread | None
    """Of the flows over the queues, against the shares that these have of the redirection table; without flows that
    filters placed. None with one queue or no flow."""
    seconds: float
    cpu_s: float
    frames_per_s: float
    """By the clock; `frames / cpu_s` is what a core alone could do."""
    reading: float
    """The share of the time that went into reading the file."""


def replay_offline(path: Path, options: Options, progress: object = None) -> OfflineReport:
    """Play a file; `progress(octets)` is called with how far it was read. BadCapture, BadFilters, BadFilter, OSError,
    ValueError (an address that is none)."""
    seed = random.SystemRandom().getrandbits(_SEED_BITS) if options.seed is None else options.seed
    key = random.Random(seed).randbytes(40)
    counters, rss, tracking = Counters(), Rss(key), Tracking(options.flows)
    steering = Steering(rss, tracking, counters)
    steering.set_states(dict.fromkeys(range(1, options.replicas + 1), OPEN), 0)
    if not options.tracking:
        steering.stop_tracking()
    if options.filters is not None:
        steering.set_filters(read_filters(options.filters, rss, options.replicas))
    appliance = ipaddress.ip_address(options.appliance).packed if options.appliance else b""
    nic = NicReplay(steering, appliance)
    with open_capture(path, options.expression) as file:
        other_links: dict[str, int] = {}
        cpu_begun_s = time.process_time()
        bad, reading_s, seconds = _play(file, nic, other_links, progress)
        cpu_s = time.process_time() - cpu_begun_s
        capture = file.capture
        frames = capture.frames - file.passed_over
        replicas = range(1, options.replicas + 1)
        table = rss.table()
        counted = {name: count for name, count in nic.read_counters().items() if count}
        return OfflineReport(
            SCHEMA,
            str(path),
            capture.format,
            capture.at,
            frames,
            capture.truncated,
            capture.undated,
            capture.cut,
            bad,
            file.passed_over,
            other_links,
            COMPILED,
            seed,
            key.hex(),
            [QueueShare(replica, nic.frames(replica), nic.flows(replica)) for replica in replicas],
            nic.to_all,
            nic.dropped,
            tracking.count,
            counted,
            nic.seen.count,
            nic.seen.full,
            spread_of([nic.hashed_flows(replica) for replica in replicas], [table.count(n) for n in replicas]),
            round(seconds, 6),
            round(cpu_s, 6),
            round(frames / seconds) if seconds else 0.0,
            round(reading_s / seconds, 3) if seconds else 0.0,
        )


def _play(
    file: CaptureFile, nic: NicReplay, other_links: dict[str, int], progress: object
) -> tuple[str, float, float]:
    """Every batch: why the file ended early or "", seconds of reading, seconds in all."""
    capture = file.capture
    reading_s = 0.0
    begun = time.perf_counter()
    bad = ""
    while True:
        before = time.perf_counter()
        try:
            more = file.read()
        except BadCapture as error:
            more, bad = False, str(error)
        reading_s += time.perf_counter() - before
        if callable(progress):
            progress(capture.at)
        if not more:
            return bad, reading_s, time.perf_counter() - begun
        front = LINKS.get(capture.link)
        if front is None:
            link = str(capture.link)
            other_links[link] = other_links.get(link, 0) + file.count
        else:
            nic.play(capture.memory, file.places, file.count, capture.link, front)
