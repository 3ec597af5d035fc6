"""Frames for the tests of the NIC, in a few words each; checksums are left 0, since the NIC reads none.

`tcp("10.77.0.1", 4000, SYN)` is a segment from there to the server, 10.77.0.2 port 80; `reply=True` its reverse.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

NIC_MAC = bytes.fromhex("02000a4d0002")
PEER_MAC = bytes.fromhex("020000000001")
BROADCAST_MAC = b"\xff" * 6
CLIENT, SERVER = "10.77.0.1", "10.77.0.2"
CLIENT6, SERVER6 = "fd00::1", "fd00::2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def ethernet(payload: bytes, ethertype: int = 0x0800, to: bytes = NIC_MAC) -> bytes:
    return to + PEER_MAC + struct.pack(">H", ethertype) + payload


def ipv4(
    payload: bytes,
    protocol: int,
    source: str = CLIENT,
    destination: str = SERVER,
    fragment: int = 0,
    identification: int = 0,
    options: bytes = b"",
) -> bytes:
    octets = 20 + len(options) + len(payload)
    header = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, octets, identification, fragment, 64, protocol, 0)
    return header + ip_address(source).packed + ip_address(destination).packed + options + payload


def ipv6(payload: bytes, header: int, source: str = CLIENT6, destination: str = SERVER6) -> bytes:
    addresses = ip_address(source).packed + ip_address(destination).packed
    return struct.pack(">LHBB", 6 << 28, len(payload), header, 64) + addresses + payload


def tcp_header(source: int, destination: int, flags: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHLLBBHHH", source, destination, 1, 1, 0x50, flags, 65535, 0, 0) + data


def udp_header(source: int, destination: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHH", source, destination, 8 + len(data), 0) + data


def tcp(client: str, port: int, flags: int, data: bytes = b"", reply: bool = False, server_port: int = 80) -> bytes:
    """A segment between a client's port and the server's."""
    server = SERVER6 if ":" in client else SERVER
    ends = (server, client) if reply else (client, server)
    ports = (server_port, port) if reply else (port, server_port)
    header = tcp_header(*ports, flags, data)
    if ":" in client:
        return ethernet(ipv6(header, 6, *ends), 0x86DD)
    return ethernet(ipv4(header, 6, *ends))


def udp(client: str, port: int, data: bytes = b"") -> bytes:
    return ethernet(ipv4(udp_header(port, 53, data), 17, client))


def echo(client: str) -> bytes:
    return ethernet(ipv4(struct.pack(">BBHHH", 8, 0, 0, 1, 1), 1, client))


def unreachable(quoted: bytes, router: str = "10.77.0.254", kind: int = 3) -> bytes:
    """An ICMP error about a frame that the server sent: quotes its IP header and 8 octets."""
    return ethernet(ipv4(struct.pack(">BBHL", kind, 1, 0, 0) + quoted[14 : 14 + 28], 1, router))


def arp(operation: int, sender: str = CLIENT, target: str = SERVER, to: bytes = BROADCAST_MAC) -> bytes:
    addresses = PEER_MAC + ip_address(sender).packed + bytes(6) + ip_address(target).packed
    return ethernet(struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + addresses, 0x0806, to)


def key_of(client: str, port: int, server_port: int = 80) -> bytes:
    """The flow key of a client's connection."""
    server = SERVER6 if ":" in client else SERVER
    return ip_address(client).packed + ip_address(server).packed + struct.pack(">HH", port, server_port)
