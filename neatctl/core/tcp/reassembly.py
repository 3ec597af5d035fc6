"""Octets that arrived out of order (RFC 9293 section 3.10.7.4, SHLD-31), and what to say of them by SACK.

Spans of unwrapped sequence numbers, sorted, neither touching nor overlapping. What is here first stays:
an overlap never replaces octets. Bounded by the receive window, which the caller has checked, and by a number of
pieces, so that one-octet segments cannot fill the memory; what is beyond is not taken, and the peer sends it again.
"""

from __future__ import annotations

from neatctl.core.native import Memory

PIECE_OCTETS = 128
"""What a piece costs besides its octets."""
MAX_PIECES = 512
"""Segments held per connection; a window of 256 KiB has 181 of full size."""

_MAX_PIECES = MAX_PIECES
_PIECE = PIECE_OCTETS


class Span:
    """The octets from `start` to before `end`, in pieces that follow each other."""

    def __init__(self, start: int, end: int, piece: bytes) -> None:
        self.start = start
        self.end = end
        self.pieces = [piece]


class Reassembly:
    """The out-of-order octets of one connection."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.pieces = 0
        self.cost = 0
        """Octets of memory, roughly."""
        self.recent = -1
        """A sequence number in the span that was touched last: RFC 2018 reports it first."""

    def insert(self, seq: int, memory: Memory, at: int, octets: int) -> bool:
        """Keep `octets` from `at`, which begin at `seq`; False when there are too many pieces already."""
        end = seq + octets
        spans = self.spans
        if self.pieces >= _MAX_PIECES:
            return False
        self.recent = seq
        i = 0
        count = len(spans)
        while i < count and self._end(i) < seq:
            i += 1
        if i == count or self._start(i) > end:
            spans.insert(i, Span(seq, end, memory.bytes(at, octets)))
            self.pieces += 1
            self.cost += octets + _PIECE
            return True
        base = spans[i]
        if seq < base.start:
            base.pieces.insert(0, memory.bytes(at, base.start - seq))
            self.cost += base.start - seq + _PIECE
            base.start = seq
            self.pieces += 1
        while base.end < end:
            self._extend(base, i, seq, end, memory, at)
        return True

    def holds(self, seq: int, end: int) -> bool:
        """Whether all of `seq` to before `end` is here already."""
        for i in range(len(self.spans)):
            if self._start(i) <= seq:
                if end <= self._end(i):
                    return True
            else:
                break
        return False

    def take(self, rcv_nxt: int) -> Span | None:
        """Take out the first span if it begins at or before `rcv_nxt`; it may end before it too."""
        if not self.spans or self._start(0) > rcv_nxt:
            return None
        span = self.spans.pop(0)
        self.pieces -= len(span.pieces)
        self.cost -= span.end - span.start + _PIECE * len(span.pieces)
        return span

    def block(self, i: int) -> Span:
        """The span to report in SACK block `i` of as many: the most recent one first, then the others from the left."""
        first = 0
        while first < len(self.spans) and not self._start(first) <= self.recent < self._end(first):
            first += 1
        if first < len(self.spans):
            if i == 0:
                i = first
            elif i <= first:
                i -= 1
        return self.spans[i]

    def _start(self, i: int) -> int:
        span = self.spans[i]
        return span.start

    def _end(self, i: int) -> int:
        span = self.spans[i]
        return span.end

    def _extend(self, base: Span, i: int, seq: int, end: int, memory: Memory, at: int) -> None:
        """Lengthen span `i`, `base`, by new octets up to the next span and by that span, or up to `end`."""
        following = self.spans[i + 1] if i + 1 < len(self.spans) else None
        until = end
        if following is not None and following.start <= end:
            until = following.start
        if until > base.end:
            base.pieces.append(memory.bytes(at + base.end - seq, until - base.end))
            self.cost += until - base.end + _PIECE
            base.end = until
            self.pieces += 1
        if following is not None and following.start == base.end:
            base.pieces.extend(following.pieces)
            base.end = following.end
            del self.spans[i + 1]
