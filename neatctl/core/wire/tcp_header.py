"""The TCP header (RFC 9293 section 3.1) and its options, as octets and as a checked record.

`Segment` is one received segment; one object is filled again and again. What cannot be is refused with a
reason, so that SYN with FIN or a header longer than the segment never reach the state machine. Options
of illegal length end the option list (MUST-7); unknown ones are passed over (MUST-6).
Knows formats only: no states, no connections. Options: RFC 9293, 7323 (window scale, timestamps), 2018 (SACK).
"""

from __future__ import annotations

from neatctl.core.native import Memory

FIN = 1
SYN = 2
RST = 4
PSH = 8
ACK = 16
URG = 32
ECE = 64
"""The peer saw a mark of congestion; on a SYN: it knows them (RFC 3168)."""
CWR = 128
"""The peer has reduced its rate."""

HEADER = 20
"""Octets of a header without options."""
MAX_OPTIONS = 40
CHECKSUM_AT = 16

END_OF_OPTIONS = 0
NO_OPERATION = 1
MSS_OPTION = 2
SCALE_OPTION = 3
SACK_PERMITTED_OPTION = 4
SACK_OPTION = 5
TIMESTAMPS_OPTION = 8
ALIGNED_TIMESTAMPS = 0x0101080A
"""Two NOPs and the head of the timestamps option, as nearly every segment has them (RFC 7323 appendix A)."""
TIMESTAMPS_OCTETS = 12
MAX_SCALE = 14

SOUND = 0
BAD_LENGTH = 1
"""The segment is shorter than its header, or its header than 20 octets."""
BAD_FLAGS = 2
"""SYN with FIN or with RST."""

_FIN, _SYN, _RST, _SYN_FIN, _SYN_RST = FIN, SYN, RST, SYN | FIN, SYN | RST
_HEADER = HEADER
_SOUND, _BAD_LENGTH, _BAD_FLAGS = SOUND, BAD_LENGTH, BAD_FLAGS
_ALIGNED = ALIGNED_TIMESTAMPS
_END, _NOP, _MSS, _SCALE = END_OF_OPTIONS, NO_OPERATION, MSS_OPTION, SCALE_OPTION
_PERMITTED, _SACK, _TIMESTAMPS, _MAX_SCALE = SACK_PERMITTED_OPTION, SACK_OPTION, TIMESTAMPS_OPTION, MAX_SCALE
_PROTOCOL = 6
_MASK = 0xFFFFFFFF
_PORTS = 4


class Segment:
    """One received segment. Numbers are as on the wire until the connection unwraps `seq` and `ack`."""

    def __init__(self) -> None:
        self.memory = Memory(b"")
        self.at = 0
        self.seq = 0
        self.ack = 0
        self.flags = 0
        self.window = 0
        self.data_at = 0
        """Where the payload is in `memory`."""
        self.data_octets = 0
        self.length = 0
        """SEG.LEN: the payload, and one each for SYN and FIN."""
        self.has_timestamps = False
        self.ts_val = 0
        self.ts_ecr = 0
        self.mss = 0
        """The MSS option, or 0."""
        self.scale = -1
        """The window scale option (at most 14), or -1."""
        self.sack_permitted = False
        self.sack_at = 0
        """Where the first SACK block is in `memory`."""
        self.sack_blocks = 0

    def parse(self, memory: Memory, at: int, octets: int) -> int:
        """Fill the record from `octets` of header and payload at `at`; SOUND, BAD_LENGTH or BAD_FLAGS."""
        if octets < _HEADER:
            return _BAD_LENGTH
        header = (memory.get8(at + 12) >> 4) << 2
        if header < _HEADER or header > octets:
            return _BAD_LENGTH
        flags = memory.get8(at + 13)
        self.memory = memory
        self.at = at
        self.seq = memory.get32(at + 4)
        self.ack = memory.get32(at + 8)
        self.flags = flags
        self.window = memory.get16(at + 14)
        self.data_at = at + header
        self.data_octets = octets - header
        self.length = octets - header + (flags & _FIN) + ((flags & _SYN) >> 1)
        self.has_timestamps = False
        self.mss = 0
        self.scale = -1
        self.sack_permitted = False
        self.sack_blocks = 0
        if header == _HEADER + 12 and memory.get32(at + _HEADER) == _ALIGNED:
            self.has_timestamps = True
            self.ts_val = memory.get32(at + _HEADER + 4)
            self.ts_ecr = memory.get32(at + _HEADER + 8)
        elif header > _HEADER:
            self._parse_options(memory, at + _HEADER, at + header)
        if flags & _SYN and flags & (_SYN_FIN | _SYN_RST) != _SYN:
            return _BAD_FLAGS
        return _SOUND

    def _parse_options(self, memory: Memory, at: int, end: int) -> None:
        while at < end:
            kind = memory.get8(at)
            if kind == _END:
                return
            if kind == _NOP:
                at += 1
                continue
            if at + 1 >= end:
                return
            length = memory.get8(at + 1)
            if length < 2 or at + length > end:
                return
            if kind == _TIMESTAMPS and length == 10:
                self.has_timestamps = True
                self.ts_val = memory.get32(at + 2)
                self.ts_ecr = memory.get32(at + 6)
            elif kind == _SACK and length >= 10 and (length - 2) & 7 == 0:
                self.sack_at = at + 2
                self.sack_blocks = (length - 2) >> 3
            elif self.flags & _SYN:
                self._parse_syn_option(memory, at, kind, length)
            at += length

    def _parse_syn_option(self, memory: Memory, at: int, kind: int, length: int) -> None:
        """Options that mean something on a SYN only."""
        if kind == _MSS and length == 4:
            self.mss = memory.get16(at + 2)
        elif kind == _SCALE and length == 3:
            self.scale = min(memory.get8(at + 2), _MAX_SCALE)
        elif kind == _PERMITTED and length == 2:
            self.sack_permitted = True


def checksum_holds(memory: Memory, at: int, octets: int, key: bytes) -> bool:
    """Whether the checksum of a segment is right; `key` begins with the two addresses (RFC 9293, MUST-3; RFC 8200)."""
    pseudo = _PROTOCOL + octets
    for i in range(0, len(key) - _PORTS, 2):
        pseudo += key[i] << 8 | key[i + 1]
    return memory.sum(at, octets, pseudo) == 0xFFFF


def answering_ports(key: bytes) -> int:
    """The first word of the header that answers segments of a connection with this key."""
    at = len(key) - _PORTS
    return (key[at + 2] << 24 | key[at + 3] << 16 | key[at] << 8 | key[at + 1]) & _MASK
