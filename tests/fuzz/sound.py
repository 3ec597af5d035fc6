"""Whether a frame is sound, told apart from what is fuzzed; and the checksums that make a bad frame look right."""

from __future__ import annotations

from tests.core.ip.frames import checksum

TCP, UDP, ICMP, ICMPV6, FRAGMENT = 6, 17, 1, 58, 44
_HEADERS6 = (0, 43, 60)
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}
_LEAST = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}


def check(frame: bytes, ours: frozenset[bytes]) -> None:
    """AssertionError unless a frame that left is whole: lengths, checksums, addresses of ours as its source."""
    assert len(frame) >= 14
    ethertype, ip = frame[12:14], frame[14:]
    if ethertype == b"\x08\x06":
        assert len(ip) == 28
        return
    if ethertype == b"\x08\x00":
        assert ip[0] == 0x45
        assert int.from_bytes(ip[2:4], "big") == len(ip)
        assert checksum(ip[:20]) == 0
        assert ip[12:16] in ours
        if int.from_bytes(ip[6:8], "big") & 0x3FFF == 0:
            _transport(ip[9], ip[12:20] + bytes((0, ip[9])) + (len(ip) - 20).to_bytes(2, "big"), ip[20:])
        return
    assert ethertype == b"\x86\xdd"
    assert ip[0] >> 4 == 6
    assert int.from_bytes(ip[4:6], "big") == len(ip) - 40
    assert ip[8:24] in ours or not any(ip[8:24])
    protocol, at = ip[6], 40
    if protocol == 0:  # Listener reports have a router alert before them.
        protocol, at = ip[40], 40 + (ip[41] + 1) * 8
    if protocol != FRAGMENT:
        _transport(protocol, ip[8:40] + (len(ip) - at).to_bytes(4, "big") + bytes((0, 0, 0, protocol)), ip[at:])


def _transport(protocol: int, pseudo: bytes, octets: bytes) -> None:
    assert protocol in _LEAST
    assert len(octets) >= _LEAST[protocol]
    assert checksum((pseudo if protocol != ICMP else b"") + octets) == 0


def seal(frame: bytes) -> bytes:
    """The same frame with its checksums filled in where its headers say that they are, as far as that can be told."""
    octets = bytearray(frame)
    if frame[12:14] == b"\x08\x00" and len(frame) >= 34:
        header = (frame[14] & 15) * 4
        if header >= 20 and len(frame) >= 14 + header:
            octets[24:26] = b"\0\0"
            octets[24:26] = checksum(bytes(octets[14 : 14 + header])).to_bytes(2, "big")
            end = min(14 + int.from_bytes(frame[16:18], "big"), len(frame))
            if not int.from_bytes(frame[20:22], "big") & 0x3FFF:
                _fill(octets, 14 + header, end, frame[23], bytes(octets[26:34]), 2)
    elif frame[12:14] == b"\x86\xdd" and len(frame) >= 54:
        protocol, at = frame[20], 54
        end = min(54 + int.from_bytes(frame[18:20], "big"), len(frame))
        while protocol in _HEADERS6 and at + 8 <= end:
            protocol, at = frame[at], at + (frame[at + 1] + 1) * 8
        _fill(octets, at, end, protocol, bytes(octets[22:54]), 4)
    return bytes(octets)


def _fill(octets: bytearray, at: int, end: int, protocol: int, addresses: bytes, width: int) -> None:
    place = at + _CHECKSUM_AT.get(protocol, 0)
    if protocol not in _CHECKSUM_AT or place + 2 > end:
        return
    pseudo = addresses + (end - at).to_bytes(width, "big") + protocol.to_bytes(width, "big")
    octets[place : place + 2] = b"\0\0"
    total = checksum((pseudo if protocol != ICMP else b"") + bytes(octets[at:end]))
    octets[place : place + 2] = total.to_bytes(2, "big")
