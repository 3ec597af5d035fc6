"""Fragments put together again, for both families: RFC 791 section 3.2, RFC 815, RFC 8200 section 4.5.

A datagram whose fragments overlap, or contradict each other about its end, is dropped with all that follows of it
(RFC 5722; RFC 8900 section 3.7 asks the same of IPv4); a fragment that comes twice is taken once. Datagrams, octets,
pieces and time are bounded: when there are too many, the oldest datagram goes. Knows no headers.
"""

from __future__ import annotations

from neatctl.core.ip.counters import IpCounters

WAIT_US = 60_000_000
"""RFC 1122 section 3.3.2 (60 to 120 s) and RFC 8200 section 4.5 (60 s) meet here."""
MAX_DATAGRAMS = 128
MAX_OCTETS = 1 << 20
MAX_PIECES = 64
"""Of one datagram: 65,535 octets in pieces of a link with an MTU of 1,280 are 53."""
LARGEST = 65535
_PIECE_COST = 160
"""What a piece takes beside its octets."""


class Datagram:
    """What has come of one datagram."""

    def __init__(self, due_us: int) -> None:
        self.due_us = due_us
        self.head = b""
        """The octets before the first fragment's payload."""
        self.pieces: dict[int, bytes] = {}
        """Payload by its offset."""
        self.octets = 0
        self.total = -1
        """Octets of the whole payload, -1 while the last fragment is missing."""
        self.dead = False
        """It was given up: all that still comes is dropped until its time is over."""


class FragmentBuffer:
    """All datagrams of one family that are not whole."""

    def __init__(self, counters: IpCounters) -> None:
        self._counters = counters
        self._table: dict[bytes, Datagram] = {}
        self.cost = 0
        """Octets that all pieces take."""

    def __len__(self) -> int:
        return len(self._table)

    def add(self, key: bytes, head: bytes, offset: int, more: bool, payload: bytes, now: int) -> bytes:
        """Take a fragment: `payload` (not empty) at `offset` of the datagram that `key` names. `head` is what stands
        before the payload. Gives the first fragment's head and the whole payload once all is there, else b""."""
        counters = self._counters
        counters.fragments_in += 1
        datagram = self._table.get(key)
        if datagram is None:
            if len(self._table) >= MAX_DATAGRAMS:
                self._forget_oldest()
            datagram = self._table[key] = Datagram(now + WAIT_US)
        if datagram.dead:
            counters.drop_fragment_overlap += 1
            return b""
        end = offset + len(payload)
        if datagram.pieces.get(offset) == payload and more == (end != datagram.total):
            counters.drop_fragment_again += 1
            return b""
        if self._contradicts(datagram, offset, end, more):
            counters.drop_fragment_overlap += 1
            self._kill(datagram)
            return b""
        if len(datagram.pieces) >= MAX_PIECES:
            counters.drop_fragment_limit += 1
            self._kill(datagram)
            return b""
        if not more:
            datagram.total = end
        if offset == 0:
            datagram.head = head
        datagram.pieces[offset] = payload
        datagram.octets += len(payload)
        self.cost += len(payload) + _PIECE_COST
        if datagram.octets == datagram.total:
            counters.reassembled += 1
            return self._finish(key, datagram)
        while self.cost > MAX_OCTETS:
            self._forget_oldest()
        return b""

    def _contradicts(self, datagram: Datagram, offset: int, end: int, more: bool) -> bool:
        """Whether a fragment overlaps another one, or lies beyond the end, or is another end."""
        if datagram.total >= 0 and (not more or end >= datagram.total):
            return True
        for start, piece in datagram.pieces.items():
            stop = start + len(piece)
            if (start < end and offset < stop) or (not more and stop > end):
                return True
        return False

    def _finish(self, key: bytes, datagram: Datagram) -> bytes:
        whole = datagram.head + b"".join(datagram.pieces[offset] for offset in sorted(datagram.pieces))
        self._empty(datagram)
        del self._table[key]
        return whole

    def _kill(self, datagram: Datagram) -> None:
        self._empty(datagram)
        datagram.dead = True

    def _empty(self, datagram: Datagram) -> None:
        self.cost -= datagram.octets + _PIECE_COST * len(datagram.pieces)
        datagram.pieces = {}
        datagram.octets = 0

    def _forget_oldest(self) -> None:
        datagram = self._table.pop(next(iter(self._table)))
        if not datagram.dead:
            self._counters.drop_fragment_limit += 1
        self._empty(datagram)

    def expire(self, now: int) -> list[bytes]:
        """Give up what has waited for too long: the first fragments of those whose first fragment came."""
        late: list[bytes] = []
        for key, datagram in list(self._table.items()):
            if datagram.due_us > now:
                break
            del self._table[key]
            if not datagram.dead:
                self._counters.drop_fragment_time += 1
                if 0 in datagram.pieces:
                    late.append(datagram.head + datagram.pieces[0])
            self._empty(datagram)
        return late
