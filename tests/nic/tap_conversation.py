"""Talks with the Linux kernel through a driver on a real TAP; run in a network namespace of its own by test_tap.py.

The one replica is played here: it resolves, echoes a UDP datagram, accepts one TCP connection, takes a stream in
super-frames and sends one back. Prints what it saw as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable

from neatctl.core.channel.records import FRAME_AT, GSO_TCPV4, NEEDS_CSUM, VNET_FLAGS_AT, VNET_GSO_TYPE_AT
from neatctl.core.native import Memory
from neatctl.nic.devices.tap import Tap, open_tap
from tests.nic import frames as f
from tests.nic.rig import Replica, Rig, checksum_request

NAME = "neattest0"
LIMIT_S = 10.0
STREAM = bytes(range(256)) * 400
EXPECTED_UP = 80_000


def partial_checksum(frame: bytes, offset: int) -> bytes:
    """The frame with the pseudo-header's sum where the device will put the transport checksum."""
    octets = len(frame) - 34
    pseudo = frame[26:34] + struct.pack(">HH", frame[23], octets)
    value = Memory(pseudo).sum(0, len(pseudo), 0)
    return frame[: 34 + offset] + struct.pack(">H", value) + frame[36 + offset :]


def addressed(frame: bytes, to: bytes) -> bytes:
    """The frame from the NIC to this Ethernet address, with a correct IP checksum."""
    header = frame[14:24] + b"\0\0" + frame[26:34]
    value = 0xFFFF - Memory(header).sum(0, 20, 0)
    return to + f.NIC_MAC + frame[12:24] + struct.pack(">H", value) + frame[26:]


class Conversation:
    """The driver, its replica, and the kernel at the other end of the TAP."""

    def __init__(self) -> None:
        self.fd = open_tap(NAME)
        for command in (f"link set {NAME} address 02:00:00:00:00:01 up", f"addr add {f.CLIENT}/24 dev {NAME}"):
            subprocess.run(["ip", *command.split()], check=True)
        self.rig = Rig()
        self.rig.driver = self.rig.driver.__class__(Tap(self.fd), self.rig.steering, lambda _: self.replica.pair())
        self.replica: Replica = self.rig.replica(1, capacity=1 << 18)
        self.rig.driver.set_queues([self.replica.queue()])
        self.replica.tell()
        self.peer = b""
        self.udp_flags = -1
        self.up = bytearray()
        self.largest = 0
        self.gso_types: set[int] = set()
        self.client_port = 0
        self.rcv_nxt = 0

    def until(self, done: Callable[[], bool]) -> None:
        """Turn, and play the replica, until this is so."""
        ends = time.monotonic() + LIMIT_S
        while not done():
            if time.monotonic() > ends:
                raise TimeoutError(f"no progress: {self.rig.driver.read_counters()}")
            if not self.rig.turn():
                select.select([self.fd], [], [], 0.01)
            for record in self.replica.records():
                self.hear(record)

    def hear(self, record: bytes) -> None:
        frame = record[FRAME_AT:]
        if frame[12:14] == b"\x08\x06" and frame[21] == 1:
            self.peer = frame[6:12]
            sender, target = frame[28:32], frame[38:42]
            self.replica.send(self.peer + f.NIC_MAC + frame[12:21] + b"\2" + f.NIC_MAC + target + self.peer + sender)
        elif frame[23] == 17:
            self.udp_flags = record[VNET_FLAGS_AT]
            port = int.from_bytes(frame[34:36], "big")
            header = f.udp_header(7, port, frame[42:])
            self.send(f.ethernet(f.ipv4(header, 17, f.SERVER, f.CLIENT)), 6, checksum_request(34, 6))
        elif frame[23] == 6:
            self.hear_tcp(record, frame)

    def hear_tcp(self, record: bytes, frame: bytes) -> None:
        seq = int.from_bytes(frame[38:42], "big")
        flags = frame[47]
        total = int.from_bytes(frame[16:18], "big")
        data = frame[34 + (frame[46] >> 4) * 4 : 14 + total]
        self.largest = max(self.largest, len(frame))
        self.gso_types.add(record[VNET_GSO_TYPE_AT])
        if flags & f.SYN:
            self.client_port = int.from_bytes(frame[34:36], "big")
            self.rcv_nxt = seq + 1 & 0xFFFFFFFF
            self.send_tcp(1000, f.SYN | f.ACK)
        elif data:
            if seq == self.rcv_nxt:
                self.up += data
                self.rcv_nxt = self.rcv_nxt + len(data) & 0xFFFFFFFF
            self.send_tcp(1001, f.ACK)

    def send_tcp(self, seq: int, flags: int, data: bytes = b"") -> None:
        options = b"\2\4\5\xb4" if flags & f.SYN else b""
        offset = 0x50 + (len(options) << 2)
        header = struct.pack(">HHLLBBHHH", 80, self.client_port, seq, self.rcv_nxt, offset, flags, 65535, 0, 0)
        gso = (GSO_TCPV4, 1460) if len(data) > 1460 else (0, 0)
        frame = f.ethernet(f.ipv4(header + options + data, 6, f.SERVER, f.CLIENT))
        self.send(frame, 16, checksum_request(34, 16, *gso))

    def send(self, frame: bytes, checksum_at: int, vnet: bytes) -> None:
        self.replica.send(partial_checksum(addressed(frame, self.peer), checksum_at), vnet)


def main() -> None:
    talk = Conversation()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    udp.connect((f.SERVER, 7))
    udp.send(b"hello")
    talk.until(lambda: bool(select.select([udp], [], [], 0)[0]))
    echoed = udp.recv(100)
    udp.close()

    tcp = socket.socket()
    tcp.setblocking(False)
    tcp.connect_ex((f.SERVER, 80))
    talk.until(lambda: bool(select.select([], [tcp], [], 0)[1]))
    sent = 0

    def push() -> bool:
        nonlocal sent
        if sent < EXPECTED_UP and select.select([], [tcp], [], 0)[1]:
            sent += tcp.send(STREAM[sent:EXPECTED_UP])
        return len(talk.up) >= EXPECTED_UP

    talk.until(push)
    for at in range(0, len(STREAM), 50_000):
        talk.send_tcp(1001 + at, f.ACK | f.PSH, STREAM[at : at + 50_000])
        if at == 0:
            talk.until(lambda: bool(select.select([tcp], [], [], 0)[0]))
    down = bytearray()

    def pull() -> bool:
        if select.select([tcp], [], [], 0)[0]:
            down.extend(tcp.recv(1 << 20))
        return len(down) >= len(STREAM)

    talk.until(pull)
    tcp.close()
    seen = {
        "echoed": echoed.decode(),
        "udp_needs_checksum": bool(talk.udp_flags & NEEDS_CSUM),
        "up": bytes(talk.up) == STREAM[:EXPECTED_UP],
        "down": bytes(down) == STREAM,
        "largest": talk.largest,
        "gso": GSO_TCPV4 in talk.gso_types,
        "flows": talk.rig.steering.tracking.count,
        "counters": talk.rig.driver.read_counters(),
    }
    subprocess.run(["ip", "link", "set", NAME, "down"], check=True)
    talk.replica.send(f.arp(1))
    talk.rig.turn()
    seen["refused_when_down"] = talk.rig.count("drop_tx_refused")
    talk.rig.driver.device.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
