"""A small client of the conformance bridge: what a plug-in of a test tool does, and a peer on the raw link.

`Caller` asks and takes answers by their numbers, so calls may wait while others go on. `RawPeer` is the other end of
one connection: it says segments in numbers relative to its ISN and to ours, in IPv4 packets.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from dataclasses import dataclass, field

from neatctl.testbed.bridge.addresses import pack_address
from neatctl.testbed.bridge.requests import MAGIC, VERSION, Op, read_answer, read_packet_body, request
from tests.core.tcp.host import build, options_of

STACK = "10.77.0.2"
PEER = "10.77.0.1"
PORT = 8080
LIMIT_S = 10.0


@dataclass
class Answer:
    """What came back."""

    result: int
    error: int
    body: bytes

    def __repr__(self) -> str:
        return f"{self.result} {errno.errorcode.get(self.error, self.error)} {self.body!r}"


class Caller:
    """Calls over a connected Unix socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._number = 100
        self._octets = b""
        self._answers: dict[int, Answer] = {}

    def ask(self, op: int, body: bytes = b"") -> int:
        """Send a request; its number."""
        self._number += 1
        self.sock.sendall(request(self._number, op, body))
        return self._number

    def answer(self, number: int, timeout_s: float = LIMIT_S) -> Answer | None:
        """The answer to it; None if there is none in time."""
        limit = time.monotonic() + timeout_s
        while number not in self._answers:
            self.sock.settimeout(max(limit - time.monotonic(), 0.001))
            try:
                octets = self.sock.recv(1 << 16)
            except TimeoutError:
                return None
            if not octets:
                raise ConnectionResetError("the bridge closed")
            self._octets += octets
            while len(self._octets) >= 4 and len(self._octets) >= 4 + int.from_bytes(self._octets[:4], "big"):
                end = 4 + int.from_bytes(self._octets[:4], "big")
                got, result, error, body = read_answer(self._octets[:end])
                self._answers[got] = Answer(result, error, body)
                self._octets = self._octets[end:]
        return self._answers.pop(number)

    def call(self, op: int, form: str = "!", *fields: int, rest: bytes = b"") -> Answer:
        """Ask, and wait for the answer."""
        answer = self.answer(self.ask(op, struct.pack(form, *fields) + rest))
        assert answer is not None, f"no answer to {Op(op).name}"
        return answer

    def value(self, op: int, form: str = "!", *fields: int, rest: bytes = b"") -> int:
        """The result of a call that does not fail."""
        answer = self.call(op, form, *fields, rest=rest)
        assert answer.error == 0, f"{Op(op).name}: {os.strerror(answer.error)}"
        return answer.result

    def hello(self, options: str = "") -> Answer:
        return self.call(Op.HELLO, rest=MAGIC + VERSION.to_bytes(2, "big") + options.encode())

    def listening(self, flags: int = 0) -> int:
        """A socket that listens on PORT."""
        fd = self.value(Op.SOCKET, "!iii", socket.AF_INET, socket.SOCK_STREAM | flags, 0)
        assert self.value(Op.BIND, "!i", fd, rest=pack_address(("", PORT))) == 0
        assert self.value(Op.LISTEN, "!ii", fd, 5) == 0
        return fd

    def packet(self, timeout_us: int = 3_000_000) -> tuple[int, bytes] | None:
        """The next packet that the stack sent, and when; None after the time."""
        answer = self.call(Op.READ_PACKET, "!q", timeout_us)
        if answer.error:
            assert answer.error == errno.EAGAIN
            return None
        sent_us, _, lost, packet = read_packet_body(answer.body)
        assert lost == 0
        return sent_us, packet


@dataclass
class RawPeer:
    """The other end of one connection over the raw link. `seq` and `ack` count from its ISN and from ours."""

    caller: Caller
    port: int = 40000
    local_port: int = PORT
    isn: int = 1_000_000
    our_isn: int = 0
    window: int = 65535
    options: dict[int, bytes] = field(default_factory=dict)

    def packet(self, flags: str, seq: int, ack: int = 0, data: bytes = b"", options: bytes = b"") -> bytes:
        """An IPv4 packet with this segment."""
        ends = socket.inet_aton(PEER) + socket.inet_aton(STACK)
        key = ends + self.port.to_bytes(2, "big") + self.local_port.to_bytes(2, "big")
        number = self.our_isn + ack if "A" in flags else 0
        segment = build(key, flags, self.isn + seq, number, self.window, data, options)
        return ipv4(ends, 6, segment)

    def send(self, flags: str, seq: int, ack: int = 0, data: bytes = b"", options: bytes = b"") -> None:
        packet = self.packet(flags, seq, ack, data, options)
        assert self.caller.value(Op.INJECT, rest=packet) == len(packet)

    def sent(self, timeout_us: int = 3_000_000) -> str:
        """The next segment of the stack as `flags seq ack octets`, or "" after the time."""
        return self.sent_at(timeout_us)[1]

    def sent_at(self, timeout_us: int = 3_000_000) -> tuple[int, str]:
        """The same, and when it was sent."""
        found = self.caller.packet(timeout_us)
        if found is None:
            return 0, ""
        at, packet = found
        assert packet[0] == 0x45
        assert packet[9] == 6
        tcp = packet[20:]
        flags = "".join(name for name, bit in zip("FSRPAU", (1, 2, 4, 8, 16, 32), strict=True) if tcp[13] & bit)
        seq, ack = int.from_bytes(tcp[4:8], "big"), int.from_bytes(tcp[8:12], "big")
        if "S" in flags:
            self.our_isn = seq
            self.local_port = int.from_bytes(tcp[0:2], "big")
        header = (tcp[12] >> 4) * 4
        self.options = options_of(tcp[20:header])
        text = f"{flags} {(seq - self.our_isn) & 0xFFFFFFFF}"
        if "A" in flags:
            text += f" {(ack - self.isn) & 0xFFFFFFFF}"
        data = len(tcp) - header
        return at, f"{text} {data}" if data else text

    def shake_hands(self) -> None:
        self.send("S", 0, options=b"\x02\x04\x05\xb4")
        assert self.sent() == "SA 0 1"
        self.send("A", 1, 1)


def ipv4(ends: bytes, protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet between two addresses."""
    header = bytearray(b"\x45\x00" + (20 + len(payload)).to_bytes(2, "big") + bytes(4) + bytes((64, protocol, 0, 0)))
    header += ends
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    header[10:12] = (~total & 0xFFFF).to_bytes(2, "big")
    return bytes(header) + payload
