"""A host of our own on the clients' link: an Ethernet address, IPv4 addresses, packet sockets; no kernel's TCP.

Frames to its Ethernet address are nobody else's, so the kernel leaves them alone, and ARP for its addresses is
answered here. RFC 826, RFC 791. Made in the clients' namespace. Knows no connections.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence

from neatctl.core.native import Memory
from neatctl.core.wire.tcp_header import SOUND, Segment
from neatctl.nic.devices.packet_socket import PacketSocket

ETHERNET = 14
IPV4, ARP = 0x0800, 0x0806
BURST = 256
"""Frames that are read before anything else is done."""
RESOLVE_TRIES = 5
RESOLVE_S = 0.4
ANNOUNCED_S = 0.05
"""Until who heard an announcement has asked, and was answered."""
_FRAME = 1 << 17
_RECEIVE_OCTETS = 16 << 20
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IP = struct.Struct("!BBHHHBBH4s4s")
_DONT_FRAGMENT = 0x4000
_BROADCAST = b"\xff" * 6


class Busy(Exception):
    """Another station is on this link; the message says so."""


class NoAnswer(Exception):
    """Nobody on the link has the server's address; the message says so."""


class Station:
    """Speaks to one server. OSError as the kernel says (EPERM without rights, ENODEV); Busy: there is one already."""

    def __init__(self, interface: str, addresses: Sequence[bytes], server: bytes) -> None:
        self.addresses = list(addresses)
        """Our IPv4 addresses, 4 octets each."""
        self.server = server
        self.lost = 0
        """Frames that the link had no room for."""
        # A name of the clients' namespace alone, which goes with its owner (unix(7), abstract sockets).
        self._alone = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._alone.bind(f"\0neatctl-station-{interface}")
        except OSError as error:
            self._alone.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise Busy("another stateful replay plays on this testbed; two would have the same addresses") from None
        self._ip = PacketSocket(interface, IPV4)
        # The same in every replay, as the stack remembers who has these addresses; not the kernel's.
        self._mac = b"\x02" + bytes(octet ^ 0x5A for octet in self._ip.mac[1:])
        self._arp = PacketSocket(interface, ARP)
        self.mtu: int = self._ip.mtu
        self._server_mac = b""
        self._ident = 0
        self._mine = set(self.addresses)
        self._out = Memory(bytearray(_FRAME))
        self._in = Memory(bytearray(_FRAME))
        self._segment = Segment()
        self._only_ours()
        self._waiting = select.poll()
        for made in (self._ip, self._arp):
            self._waiting.register(made.fileno(), select.POLLIN)

    def close(self) -> None:
        self._ip.close()
        self._arp.close()
        self._alone.close()

    def resolve(self) -> None:
        """Ask for the server's Ethernet address. NoAnswer."""
        for _ in range(RESOLVE_TRIES):
            self._send_arp(1, _BROADCAST, bytes(6), self.server)
            end = time.monotonic() + RESOLVE_S
            while (left := end - time.monotonic()) > 0:
                self._waiting.poll(left * 1000)
                self._read_arp()
                if self._server_mac:
                    return
        name = socket.inet_ntoa(self.server)
        raise NoAnswer(f"nobody on the testbed's link answers to {name}; `neatctl status` shows the stack's address")

    def announce(self, count: int) -> None:
        """Tell who has the first of our addresses: somebody else may have had them. RFC 5227 section 2.3."""
        for address in self.addresses[:count]:
            self._send_arp(1, _BROADCAST, bytes(6), address, address)
        end = time.monotonic() + ANNOUNCED_S
        while (left := end - time.monotonic()) > 0:
            self._waiting.poll(left * 1000)
            self._read_arp()

    def wait(self, timeout_us: int) -> None:
        """Until something came in or the time is over."""
        self._waiting.poll(max(timeout_us, 0) / 1000)

    def send(self, source: bytes, segment: bytes) -> None:
        """A TCP segment from one of our addresses to the server."""
        self._ident = (self._ident + 1) & 0xFFFF
        total = 20 + len(segment)
        header = Memory(bytearray(_IP.pack(0x45, 0, total, self._ident, _DONT_FRAGMENT, 64, 6, 0, source, self.server)))
        header.put16(10, ~header.sum(0, 20, 0))
        self._out.put(0, self._server_mac + self._mac + IPV4.to_bytes(2, "big"))
        self._out.copy(ETHERNET, header, 0, 20)
        self._out.put(ETHERNET + 20, segment)
        if not self._ip.send(self._out, 0, ETHERNET + total):
            self.lost += 1

    def receive(self) -> Iterator[tuple[bytes, Segment]]:
        """Segments of the server that wait, at most BURST: the octets of our address and port, and a record that the
        next one overwrites."""
        self._read_arp()
        memory = self._in
        for _ in range(BURST):
            octets = self._ip.receive(memory, 0, _FRAME)
            if octets < 0:
                return
            if (to := self._parse(memory, octets)) is not None:
                yield to, self._segment

    def _parse(self, memory: Memory, octets: int) -> bytes | None:
        """Whom a frame is for. Checksums of TCP are not looked at: the link's device has not filled them in."""
        if octets < ETHERNET + 40 or memory.get8(ETHERNET) >> 4 != 4 or memory.get8(ETHERNET + 9) != 6:
            return None
        header = (memory.get8(ETHERNET) & 15) * 4
        total = memory.get16(ETHERNET + 2)
        at = ETHERNET + header
        to = memory.bytes(ETHERNET + 16, 4)
        if header < 20 or total > octets - ETHERNET or total < header + 20 or to not in self._mine:
            return None
        if memory.bytes(ETHERNET + 12, 4) != self.server or memory.get16(ETHERNET + 6) & 0x3FFF:
            return None
        if self._segment.parse(memory, at, total - header) != SOUND:
            return None
        return to + memory.bytes(at + 2, 2)

    # ---- ARP ----
    def _read_arp(self) -> None:
        memory = self._in
        while (octets := self._arp.receive(memory, 0, _FRAME)) >= 0:
            if octets < ETHERNET + _ARP.size:
                continue
            hardware, protocol, _, _, operation, mac, source, _, target = _ARP.unpack(memory.bytes(ETHERNET, _ARP.size))
            if (hardware, protocol) != (1, IPV4) or mac == self._mac:
                continue
            if source == self.server:
                self._server_mac = mac
            if operation == 1 and target in self._mine:
                self._send_arp(2, mac, mac, source, target)

    def _send_arp(self, operation: int, to: bytes, mac: bytes, target: bytes, source: bytes = b"") -> None:
        body = _ARP.pack(1, IPV4, 6, 4, operation, self._mac, source or self.addresses[0], mac, target)
        frame = to + self._mac + ARP.to_bytes(2, "big") + body
        self._out.put(0, frame)
        self._arp.send(self._out, 0, len(frame))

    def _only_ours(self) -> None:
        """Have the kernel give us the frames of others no more, and room for many of ours (socket(7), BPF)."""
        high, low = struct.unpack("!IH", self._mac)
        begins, ends = ((0x20, 0, 0, 0), (0x15, 0, 3, high)), ((0x28, 0, 0, 4), (0x15, 0, 1, low))
        code = (*begins, *ends, (6, 0, 0, 0x40000), (6, 0, 0, 0))
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
        with socket.socket(fileno=os.dup(self._ip.fileno())) as made:
            made.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(code), ctypes.addressof(program))
            )
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_OCTETS)
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_OCTETS)
