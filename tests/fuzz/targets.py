"""Fuzz targets: octets in, and what must hold afterwards. `mutate` makes bad octets of good ones, by a seed.

Targets know nothing of pytest: another fuzzer can call them with octets of its own.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.native import Memory
from neatctl.core.stack import Stack
from neatctl.core.wire.tcp_header import BAD_FLAGS, BAD_LENGTH, SOUND, Segment
from tests.core.ip.frames import CONFIG, Queue
from tests.scripts.pure import PureMachine
from tests.scripts.reading import Script, read_script
from tests.scripts.running import Differs, Runner

SCRIPTS = Path(__file__).parents[1] / "scripts"
_EDGES = (0, 1, 2, 127, 128, 254, 255)
_LONG_US = 3_000_000_000


def mutate(octets: bytes, rng: random.Random) -> bytes:
    """A few octets changed, cut out, repeated or appended."""
    changed = bytearray(octets)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1) if changed else 0
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(changed):
                changed[at] = rng.choice(_EDGES)
            case 2:
                del changed[at : at + rng.randint(1, 8)]
            case 3:
                changed[at:at] = changed[at : at + rng.randint(1, 8)]
            case _:
                changed += rng.randbytes(rng.randint(1, 8))
    return bytes(changed)


def segment(octets: bytes) -> None:
    """The parser of TCP headers and options: a verdict, and nothing outside of the segment."""
    found = Segment()
    verdict = found.parse(Memory(octets), 0, len(octets))
    assert verdict in {SOUND, BAD_LENGTH, BAD_FLAGS}
    if verdict == SOUND:
        assert 20 <= found.data_at <= len(octets)
        assert found.data_at + found.data_octets == len(octets)
        assert -1 <= found.scale <= 14
        assert found.sack_blocks == 0 or found.sack_at + 8 * found.sack_blocks <= found.data_at


def frame(octets: bytes) -> None:
    """A stack that gets one frame: it stays sound, and drops it under a reason or answers."""
    stack = Stack(CONFIG)
    queue = Queue()
    stack.attach_nic(queue.producer)
    queue.take()
    whole = bytes(FRAME_AT) + octets
    stack.receive(Memory(bytearray(whole)), 0, len(whole), 1_000_000)
    stack.transmit(1_000_000)
    assert len(queue.frames()) <= 2
    assert stack.tcp.connections <= 1


class _Mutating(PureMachine):
    """Our stack behind a wire that spoils some of what arrives."""

    def __init__(self, script: Script, rng: random.Random) -> None:
        super().__init__(script)
        self.rng = rng

    def inject(self, octets: bytes, key: bytes) -> None:
        if self.rng.random() < 0.4:
            octets = mutate(octets, self.rng)
        # As if the checksum had been right: it would hide the rest of the stack from most of what is spoiled.
        self.host.tcp.arrive(Memory(octets), 0, len(octets), key, True, self.now())


def life(script: Script, rng: random.Random) -> None:
    """A script with spoiled segments: whatever happens, all that leaves is sound and every timer ends."""
    machine = _Mutating(script, rng)
    runner = Runner(script, machine)
    with contextlib.suppress(Differs):
        runner.run()
    host = machine.host
    host.tcp.detach(1, host.now)
    host.pass_time(_LONG_US)
    assert host.tcp.connections == 0
    assert host.tcp.deadline() < 0


def scripts() -> Iterator[Script]:
    """All scripts, as seeds."""
    for path in sorted(SCRIPTS.glob("*.seg")):
        yield read_script(path)
