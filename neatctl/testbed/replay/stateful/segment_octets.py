"""The octets of a player's segments, their checksums right. RFC 9293 section 3.1. Knows no state."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from neatctl.core.native import Memory
from neatctl.core.wire.tcp_header import CHECKSUM_AT, HEADER, RST

_HEADER = struct.Struct("!4sIIBBHHH")
_PROTOCOL = 6


@dataclass
class Speaker:
    """Who speaks to whom, and what relative numbers count from."""

    pseudo: bytes
    """Source and destination address."""
    ports: bytes
    isn: int
    server_isn: int = -1

    def say(self, flags: int, seq: int, ack: int, window: int, options: bytes, data: bytes, urgent: int) -> bytes:
        """A segment; `seq` and `ack` are relative (an `ack` of 0 is none), `options` come in words of 4 octets."""
        head = _HEADER.pack(
            self.ports,
            (self.isn + seq) & 0xFFFFFFFF,
            (self.server_isn + ack) & 0xFFFFFFFF if ack and self.server_isn >= 0 else 0,
            (HEADER + len(options)) // 4 << 4,
            flags,
            window,
            0,
            urgent,
        )
        return self._finish(bytearray(head + options + data))

    def reset(self, seq: int) -> bytes:
        """A bare RST with this sequence number of the wire."""
        return self._finish(bytearray(_HEADER.pack(self.ports, seq, 0, HEADER // 4 << 4, RST, 0, 0, 0)))

    def _finish(self, octets: bytearray) -> bytes:
        total = Memory(octets).sum(0, len(octets), Memory(self.pseudo).sum(0, 8, _PROTOCOL + len(octets)))
        octets[CHECKSUM_AT : CHECKSUM_AT + 2] = (~total & 0xFFFF).to_bytes(2, "big")
        return bytes(octets)
