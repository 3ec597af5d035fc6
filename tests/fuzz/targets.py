"""Fuzz targets: octets in, and what must hold afterwards. `mutate` makes bad octets of good ones, by a seed.

Targets know nothing of pytest: another fuzzer can call them with octets of its own.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from neatctl.core.channel.records import FRAME_AT
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.discovery import Discovery
from neatctl.core.ip.ipv4_options import SOUND as SOUND_OPTIONS
from neatctl.core.ip.ipv4_options import SOURCE_ROUTE, check_options
from neatctl.core.ip.reassembling import MAX_DATAGRAMS, MAX_OCTETS, WAIT_US, FragmentBuffer
from neatctl.core.native import Memory
from neatctl.core.stack import Stack
from neatctl.core.wire.tcp_header import BAD_FLAGS, BAD_LENGTH, SOUND, Segment
from neatctl.nic.flow_key import BROADCAST, FlowKey
from neatctl.nic.flow_key import TCP as TCP_SORT
from tests.core.ip.frames import LOCAL, Queue
from tests.core.ip.frames6 import (
    ALL_NODES,
    CONFIG6,
    ICMPV6,
    LOCAL6,
    PEER6,
    ROUTER6,
    frame6,
    group_frame,
    icmpv6,
    ipv6,
)
from tests.fuzz.sound import check, seal
from tests.scripts.pure import PureMachine
from tests.scripts.reading import Script, read_script
from tests.scripts.running import Differs, Runner

SCRIPTS = Path(__file__).parents[1] / "scripts"
_EDGES = (0, 1, 2, 127, 128, 254, 255)
_LONG_US = 3_000_000_000
_MAX_FRAMES = 64
_HELD = 16
"""Packets that wait for one neighbour leave at once when it is heard of."""


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


def options4(octets: bytes) -> None:
    """The options of an IPv4 header: a verdict that lies within it."""
    header = 20 + min(len(octets), 40)
    verdict = check_options(Memory(bytes(20) + octets[:40]), 0, header)
    assert verdict in {SOUND_OPTIONS, SOURCE_ROUTE} or 20 <= verdict < header


def nic(octets: bytes) -> None:
    """What the NIC reads of a frame: a sort and a key, or a reason."""
    key = FlowKey()
    if key.parse(Memory(octets), 0, len(octets)) == 0:
        assert TCP_SORT <= key.sort <= BROADCAST
        assert key.octets in {0, 8, 12, 32, 36}
    key.parse_outbound(Memory(octets), 0, len(octets))


def frames(octets: bytes) -> None:
    """A stack of both families that gets frame after frame, each behind two octets: its length (12 bits), whether its
    checksums are made right (0x8000), and whether time passes (0x4000). What leaves is sound and not more than came,
    memory stays bounded, and in the end nothing is left."""
    host = _Host()
    at = 0
    for _ in range(_MAX_FRAMES):
        if at + 2 > len(octets):
            break
        word = int.from_bytes(octets[at : at + 2], "big")
        octets_of = octets[at + 2 : at + 2 + (word & 0xFFF)]
        at += 2 + (word & 0xFFF)
        host.hear(seal(octets_of) if word & 0x8000 else octets_of)
        if word & 0x4000:
            host.pass_time(1_000_000)
    host.end()


def discovery(octets: bytes) -> None:
    """Neighbour Discovery and listener messages with right checksums: kind, flags (1: to a group, 2: of the router),
    two octets of length, and the rest of the message, one after the other."""
    host = _Host()
    at = 0
    for _ in range(_MAX_FRAMES):
        if at + 4 > len(octets):
            break
        kind, flags, length = octets[at], octets[at + 1], int.from_bytes(octets[at + 2 : at + 4], "big") & 0x1FF
        message = octets[at + 4 : at + 4 + length]
        at += 4 + length
        source = ROUTER6 if flags & 2 else PEER6
        to = ALL_NODES if flags & 1 else LOCAL6
        packet = ipv6(icmpv6(130 + kind % 8, 0, message, source, to), ICMPV6, source, to, hop_limit=255)
        host.hear(group_frame(packet) if flags & 1 else frame6(packet))
        addresses = host.discovery.addresses
        assert len(addresses.own) <= 8
        assert len(addresses._prefixes) <= 16
        assert len(addresses._routers) <= 8
        assert len(host.discovery.table) <= 4096
    host.end(lives_on=True)


def fragments(octets: bytes) -> None:
    """Fragments as four octets each (datagram, offset, octets, last) against a simple model: what is given back is made
    of one piece for each octet, and memory is bounded."""
    counters = IpCounters()
    buffer = FragmentBuffer(counters)
    model: dict[bytes, dict[int, int] | None] = {}
    now = 0
    for at in range(0, len(octets) - 3, 4):
        key, offset, length, last = octets[at : at + 1], octets[at + 1] * 8, octets[at + 2] % 4 + 1, octets[at + 3]
        payload = bytes((octets[at + 2] & 0xF0 | octets[at + 1] & 15,)) * (8 * length - (last & 7 if last & 8 else 0))
        now += last * 10_000
        for late in buffer.expire(now):
            assert late
        if key not in buffer._table:
            model[key] = {}
        whole = buffer.add(key, b"head" if offset == 0 else b"", offset, not last & 8, payload, now)
        seen = model[key]
        for place, octet in enumerate(payload, offset):
            if seen is not None and seen.setdefault(place, octet) != octet:
                model[key] = seen = None  # Two fragments contradict each other: it can never be whole.
        if whole:
            assert seen is not None
            assert whole == b"head" + bytes(seen[place] for place in range(len(whole) - 4))
            del model[key]
        assert len(buffer) <= MAX_DATAGRAMS
        assert 0 <= buffer.cost <= MAX_OCTETS + 256
    buffer.expire(now + 2 * WAIT_US)
    assert len(buffer) == buffer.cost == 0


class _Host:
    """A stack of both families with a listener on port 80 and a UDP socket on port 53, some seconds after its start."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.stack = Stack(msgspec.structs.replace(CONFIG6, checksum_offload=False))
        self._queue, self._app = Queue(), Queue()
        self.stack.attach_nic(self._queue.producer)
        self._queue.take()
        self.stack.tcp.attach(1, self._app.producer)
        self.stack.tcp.listen(1, 1, "", 80, 16)
        self.stack.udp.bind(2, 1, self._app.producer, "", 53)
        for _ in range(12):
            self.pass_time(1_000_000)

    @property
    def discovery(self) -> Discovery:
        discovery: Discovery | None = self.stack.output.discovery
        assert discovery is not None
        return discovery

    def hear(self, octets: bytes) -> None:
        """A frame arrives; at most a few leave for it, each sound."""
        whole = bytes(FRAME_AT) + octets
        self.stack.receive(Memory(bytearray(whole)), 0, len(whole), self.now)
        assert self._sent() <= 4 + _HELD + len(octets) // 576

    def _sent(self) -> int:
        self.stack.transmit(self.now)
        ours = frozenset({LOCAL, *self.discovery.addresses.own})
        out = self._queue.frames()
        for each in out:
            check(each, ours)
        self._app.take()
        return len(out)

    def pass_time(self, us: int) -> None:
        self.now += us
        self.stack.expire(self.now)
        self._sent()

    def end(self, lives_on: bool = False) -> None:
        """After minutes nothing is left of what arrived; `lives_on`: but neighbours and routers, and what they ask."""
        self.stack.tcp.detach(1, self.now)
        for _ in range(4):
            self.pass_time(_LONG_US)
        assert self.stack.tcp.connections == 0
        assert lives_on or self.stack.tcp.deadline() < 0


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


def lives(octets: bytes) -> None:
    """`life`, its script and what is spoiled chosen by octets."""
    chosen = list(scripts())
    life(chosen[int.from_bytes(octets[:2], "big") % len(chosen)], random.Random(octets))


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (segment, options4, nic, frames, discovery, fragments, lives)
}
"""Those that another fuzzer can call with any octets."""


def scripts() -> Iterator[Script]:
    """All scripts, as seeds."""
    for path in sorted(SCRIPTS.glob("*.seg")):
        yield read_script(path)
