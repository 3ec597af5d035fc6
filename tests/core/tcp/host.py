"""One TCP layer on a desk: real IP output, real rings over plain memory, a peer that is spoken by hand, virtual time.

`Host` is the machine under test with its NIC queue and one application; `Peer` is the other end of one connection:
it says segments in numbers relative to its ISN and to ours, and reads what we send in the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.records import (
    ACCEPTED,
    CLOSE,
    CONSUMED,
    DATA,
    SEND,
    TAKEN,
    VNET_GSO_SIZE_AT,
)
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.control.config import ReplicaConfig
from neatctl.core.ip.counters import IpCounters
from neatctl.core.ip.output import IpOutput
from neatctl.core.native import Memory
from neatctl.core.tcp.layer import TcpLayer

SERVER = bytes((10, 77, 0, 2))
CLIENT = bytes((10, 77, 0, 1))
PORT = 80
APP = 1
LISTENER = 5
MAC = bytes.fromhex("020000000002")
MS = 1_000
START = 1_000_000_000_000
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "W": 128}
"""E: ECN-Echo, W: Congestion Window Reduced."""
_FRAME, _IP, _TCP = 16, 30, 50


def config(**changes: object) -> ReplicaConfig:
    """A replica's configuration with these changes."""
    settings: dict[str, object] = {
        "index": 1,
        "generation": 1,
        "run_directory": "",
        "transport": "inproc",
        "channel": "ring",
        "address": "10.77.0.2",
        "prefix_length": 24,
        "gateway": "",
        "mac": MAC,
        "isn_key": bytes(range(16)),
        "receive_buffer_most_octets": 0,
        "send_buffer_most_octets": 0,
    }
    return ReplicaConfig(**(settings | changes))  # type: ignore[arg-type]


def ring(capacity: int) -> tuple[RingProducer, RingConsumer]:
    """Both ends of a ring over plain memory."""
    memory = format_ring(Memory(bytearray(ring_octets(capacity))), capacity, 1)
    return RingProducer(memory, 1, Ringer("")), RingConsumer(memory, 1, Ringer(""))


def records(consumer: RingConsumer) -> Iterator[bytes]:
    """Take all records out of a ring."""
    while (record := consumer.receive()) is not None:
        yield record
    consumer.flush()


@dataclass
class Segment:
    """A segment that the machine under test sent; numbers as on the wire."""

    key: bytes
    """As arriving segments of this connection have it."""
    flags: str
    seq: int
    ack: int
    window: int
    data: bytes
    options: dict[int, bytes]
    gso_size: int
    octets: bytes
    """The segment itself, checksum right."""
    ecn: int = 0
    """The field of the IP header (RFC 3168)."""


@dataclass
class Told:
    """A record that an application got."""

    kind: int
    id: int
    value: int
    second: int
    payload: bytes


def options_of(octets: bytes) -> dict[int, bytes]:
    """Kind to content; asserts that the options are well formed and padded."""
    found = {}
    at = 0
    while at < len(octets):
        if octets[at] in {0, 1}:
            at += 1
            continue
        length = octets[at + 1]
        assert 2 <= length <= len(octets) - at
        found[octets[at]] = octets[at + 2 : at + length]
        at += length
    return found


def parse(record: bytes) -> Segment:
    """A NIC record as a segment; asserts that checksums are right and headers agree."""
    ip = record[_IP:_TCP]
    assert Memory(ip).sum(0, 20, 0) == 0xFFFF
    assert int.from_bytes(ip[2:4], "big") == len(record) - _IP
    tcp = record[_TCP:]
    pseudo = Memory(ip[12:20]).sum(0, 8, 6 + len(tcp))
    assert Memory(tcp).sum(0, len(tcp), pseudo) == 0xFFFF
    header = (tcp[12] >> 4) * 4
    gso_size = int.from_bytes(record[VNET_GSO_SIZE_AT : VNET_GSO_SIZE_AT + 2], "little")
    return Segment(
        key=ip[16:20] + ip[12:16] + tcp[2:4] + tcp[0:2],
        flags="".join(name for name, bit in FLAGS.items() if tcp[13] & bit),
        seq=int.from_bytes(tcp[4:8], "big"),
        ack=int.from_bytes(tcp[8:12], "big"),
        window=int.from_bytes(tcp[14:16], "big"),
        data=tcp[header:],
        options=options_of(tcp[20:header]),
        gso_size=gso_size,
        octets=tcp,
        ecn=ip[1],
    )


def build(key: bytes, flags: str, seq: int, ack: int, window: int, data: bytes, options: bytes) -> bytes:
    """The octets of a segment with its checksum."""
    options += bytes(-len(options) % 4)
    bits = sum(FLAGS[name] for name in flags)
    tcp = bytearray(
        key[8:12]
        + (seq & 0xFFFFFFFF).to_bytes(4, "big")
        + (ack & 0xFFFFFFFF).to_bytes(4, "big")
        + bytes(((20 + len(options)) // 4 << 4, bits))
        + window.to_bytes(2, "big")
        + bytes(4)
        + options
        + data
    )
    pseudo = Memory(key[:8]).sum(0, 8, 6 + len(tcp))
    tcp[16:18] = (~Memory(bytes(tcp)).sum(0, len(tcp), pseudo) & 0xFFFF).to_bytes(2, "big")
    return bytes(tcp)


def record(kind: int, id: int, value: int = 0, second: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """A socket record."""
    head = bytes((kind, flags, 0, 0)) + id.to_bytes(4, "big") + value.to_bytes(4, "big") + second.to_bytes(4, "big")
    return head + payload


class Host:
    """A TcpLayer, its NIC queue, one application with one listener."""

    def __init__(
        self, backlog: int = 64, nic_octets: int = 1 << 20, app_octets: int = 1 << 20, **changes: object
    ) -> None:
        self.now = START
        settings: dict[str, object] = {"checksum_offload": False}
        self.config = config(**(settings | changes))
        self.output = IpOutput(self.config, IpCounters())
        nic, self.nic = ring(nic_octets)
        self.nic_producer = nic
        self.output.attach(nic)
        for address in (CLIENT, SERVER):
            self.output.neighbours.learn(address, MAC, self.now)
        self.tcp = TcpLayer(self.config, self.output)
        self.tcp.tables.whole_handshakes = 0  # The harder way: every handshake is folded.
        self.app_producer, self.app = ring(app_octets)
        self.tcp.attach(APP, self.app_producer)
        self.tcp.listen(LISTENER, APP, "", PORT, backlog)

    def arrive(self, key: bytes, octets: bytes) -> None:
        self.tcp.arrive(Memory(octets), 0, len(octets), key, False, self.now)

    def sent(self) -> list[Segment]:
        """Transmit, and what left since the last time."""
        self.tcp.transmit(self.now)
        self.nic_producer.flush()
        return [parse(octets) for octets in records(self.nic)]

    def told(self) -> list[Told]:
        """What the application was told since the last time."""
        self.tcp.transmit(self.now)
        self.app_producer.flush()
        return [
            Told(
                octets[0],
                int.from_bytes(octets[4:8], "big"),
                int.from_bytes(octets[8:12], "big"),
                int.from_bytes(octets[12:16], "big"),
                octets[16:],
            )
            for octets in records(self.app)
        ]

    def say(self, kind: int, id: int, value: int = 0, second: int = 0, payload: bytes = b"", flags: int = 0) -> None:
        """A record of the application."""
        octets = record(kind, id, value, second, payload, flags)
        self.tcp.command(APP, Memory(octets), 0, len(octets), self.now)

    def pass_time(self, us: int) -> list[Segment]:
        """Let time pass, deadline by deadline; what was sent."""
        sent = self.sent()
        end = self.now + us
        while 0 <= (due := self.tcp.deadline()) <= end:
            self.now = max(self.now, due)
            self.tcp.expire(self.now)
            sent += self.sent()
            assert self.tcp.deadline() != due or self.tcp.deadline() > self.now, "a deadline that does not pass"
        self.now = end
        self.tcp.expire(self.now)
        return sent + self.sent()


@dataclass
class Peer:
    """The other end of one connection. `seq` and `ack` of its methods count from its ISN and from ours."""

    host: Host
    port: int = 40000
    isn: int = 1_000_000
    our_isn: int = 0
    id: int = 0
    window: int = 65535
    timestamps: bool = False
    ts_val: int = 5000
    address: bytes = CLIENT
    local_port: int = PORT
    last: Segment | None = field(default=None)

    @property
    def key(self) -> bytes:
        return self.address + SERVER + self.port.to_bytes(2, "big") + self.local_port.to_bytes(2, "big")

    def send(
        self,
        flags: str,
        seq: int,
        ack: int = 0,
        data: bytes = b"",
        window: int | None = None,
        options: bytes = b"",
        ecn: int = 0,
    ) -> None:
        """A segment to the machine under test; `ecn`: the field of its IP header."""
        if self.timestamps and not options:
            echo = self.last.options[8][:4] if self.last and 8 in self.last.options else bytes(4)
            options = b"\x01\x01\x08\x0a" + self.ts_val.to_bytes(4, "big") + echo
        window = self.window if window is None else window
        wire_ack = self.our_isn + ack if "A" in flags else 0
        self.host.output.arrived(Memory(bytes(14) + bytes((0x45, ecn)) + bytes(18)), 0 if ecn else -1)
        self.host.arrive(self.key, build(self.key, flags, self.isn + seq, wire_ack, window, data, options))
        self.host.output.arrived(Memory(b""), -1)

    def sent(self) -> list[str]:
        """What was sent to this peer, one `flags seq ack octets` each."""
        return self.notes(self.host.sent())

    def after(self, us: int) -> list[str]:
        """What was sent to this peer while time passed."""
        return self.notes(self.host.pass_time(us))

    def notes(self, segments: list[Segment]) -> list[str]:
        mine = [segment for segment in segments if segment.key == self.key]
        if mine:
            self.last = mine[-1]
        return [self.note(segment) for segment in mine]

    def note(self, segment: Segment) -> str:
        seq = (segment.seq - self.our_isn) & 0xFFFFFFFF
        text = f"{segment.flags} {seq}"
        if "A" in segment.flags:
            text += f" {(segment.ack - self.isn) & 0xFFFFFFFF}"
        return f"{text} {len(segment.data)}" if segment.data else text

    def open(self, options: bytes = b"\x02\x04\x05\xb4", then_ack: bool = True) -> Peer:
        """Shake hands with the listener; MSS 1460 unless `options` says otherwise."""
        if self.timestamps:
            options += b"\x04\x02\x08\x0a" + self.ts_val.to_bytes(4, "big") + bytes(4)
        self.send("S", 0, options=options or b"\x01")
        mine = [segment for segment in self.host.sent() if segment.key == self.key]
        assert [segment.flags for segment in mine] == ["SA"]
        self.last = mine[0]
        self.our_isn = self.last.seq
        if then_ack:
            self.acknowledge()
        return self

    def acknowledge(self) -> None:
        """The third step of the handshake, and the application takes the connection."""
        self.send("A", 1, 1)
        told = self.host.told()
        assert [record.kind for record in told] == [ACCEPTED]
        self.id = told[0].id
        self.host.say(TAKEN, LISTENER, 1)

    def write(self, data: bytes, flags: int = 0) -> None:
        """The application sends octets."""
        self.host.say(SEND, self.id, payload=data, flags=flags)

    def read(self) -> bytes:
        """What the application was given; it consumes it."""
        data = b"".join(told.payload for told in self.host.told() if told.kind == DATA and told.id == self.id)
        if data:
            self.host.say(CONSUMED, self.id, len(data))
        return data

    def close(self) -> None:
        self.host.say(CLOSE, self.id)

    @property
    def tcb(self):  # type: ignore[no-untyped-def]
        return self.host.tcp.tables.flows[self.key]
