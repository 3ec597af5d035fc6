"""What the peer reported by SACK (RFC 2018) and what is taken for lost from it (RFC 6675 section 4).

Ranges of unwrapped sequence numbers above SND.UNA, sorted, apart from each other, in one flat list: start, end,
start, end. Made when the first block arrives, so only a connection that lost something pays for it. Bounded; blocks
beyond the bound are not noted, which costs a retransmission and nothing else. Knows no timers and sends nothing.
"""

from __future__ import annotations

DUPLICATE_THRESHOLD = 3
"""DupThresh of RFC 6675."""
MAX_RANGES = 256

_THRESHOLD = DUPLICATE_THRESHOLD
_MAX_RANGES = MAX_RANGES


class Scoreboard:
    """The ranges that the peer holds beyond SND.UNA."""

    def __init__(self) -> None:
        self._edges: list[int] = []
        self.octets = 0
        """How many octets the ranges cover."""

    def add(self, start: int, end: int) -> int:
        """Note that the peer holds `start` to before `end`; how many octets of it are news."""
        edges = self._edges
        count = len(edges)
        i = 0
        while i < count and self.edge(i + 1) < start:
            i += 2
        if i == count or self.edge(i) > end:
            if count >= 2 * _MAX_RANGES:
                return 0
            edges.insert(i, end)
            edges.insert(i, start)
            self.octets += end - start
            return end - start
        known = 0
        j = i
        while j < count and self.edge(j) <= end:
            known += self.edge(j + 1) - self.edge(j)
            j += 2
        start = min(start, self.edge(i))
        end = max(end, self.edge(j - 1))
        edges[i] = start
        edges[i + 1] = end
        del edges[i + 2 : j]
        self.octets += end - start - known
        return end - start - known

    def advance(self, snd_una: int) -> None:
        """Forget what lies below SND.UNA."""
        edges = self._edges
        while edges and self.edge(1) <= snd_una:
            self.octets -= self.edge(1) - self.edge(0)
            del edges[0:2]
        if edges and self.edge(0) < snd_una:
            self.octets -= snd_una - self.edge(0)
            edges[0] = snd_una

    def clear(self) -> None:
        """Forget all: after a retransmission timeout the peer may have dropped it (RFC 2018 section 8)."""
        self._edges.clear()
        self.octets = 0

    def top(self) -> int:
        """The end of the highest range, or 0."""
        return self.edge(len(self._edges) - 1) if self._edges else 0

    def lost_edge(self, mss: int) -> int:
        """Below this number holes are lost: three ranges, or more than two segments, were reported above. Or 0."""
        above = 0
        i = len(self._edges) - 2
        ranges = 0
        while i >= 0:
            above += self.edge(i + 1) - self.edge(i)
            ranges += 1
            if ranges >= _THRESHOLD or above > (_THRESHOLD - 1) * mss:
                return self.edge(i)
            i -= 2
        return 0

    def next_hole(self, seq: int) -> int:
        """The first number at or after `seq` that is not reported."""
        for i in range(0, len(self._edges), 2):
            if self.edge(i) > seq:
                return seq
            seq = max(seq, self.edge(i + 1))
        return seq

    def hole_end(self, seq: int, limit: int) -> int:
        """Where the hole that `seq` lies in ends: the next reported number, at most `limit`."""
        for i in range(0, len(self._edges), 2):
            if self.edge(i) > seq:
                return min(limit, self.edge(i))
        return limit

    def holes(self, start: int, end: int) -> int:
        """How many octets from `start` to before `end` are not reported."""
        if end <= start:
            return 0
        octets = end - start
        for i in range(0, len(self._edges), 2):
            low = max(start, self.edge(i))
            high = min(end, self.edge(i + 1))
            if high > low:
                octets -= high - low
        return octets

    def edge(self, i: int) -> int:
        """Number `i` of start, end, start, end."""
        return self._edges[i]
