"""One direction of a TCP connection, put together by offset: in order, twice, overlapping, with holes.

Offset 0 is the first octet after the SYN. What came first stays where two versions of an octet differ. A hole costs
nothing, and holes are bounded, so that mad sequence numbers of a capture do not fill the memory. Knows no segments.
"""

from __future__ import annotations

from bisect import bisect_left

FARTHEST_OCTETS = 16 << 20
"""How far behind the last octet known a new one may begin."""
HOLES_OCTETS = 64 << 20
"""All holes of a stream together."""

Range = tuple[int, int]


class Stream:
    """Octets by offset. `head` holds those without a hole before them."""

    def __init__(self) -> None:
        self.head = bytearray()
        self._islands: list[tuple[int, bytes]] = []
        """What lies behind a hole: disjoint, in order."""

    def __len__(self) -> int:
        """Octets that came without a hole before them."""
        return len(self.head)

    @property
    def end(self) -> int:
        """Behind the last octet known."""
        if not self._islands:
            return len(self.head)
        at, octets = self._islands[-1]
        return at + len(octets)

    def add(self, at: int, octets: bytes) -> bool:
        """Octets at this offset; False if they are too far off to be taken."""
        if at < 0:
            octets, at = octets[-at:], 0
        if at <= len(self.head):
            new = octets[len(self.head) - at :]
            if self._islands:
                self._add_island(len(self.head), new)
                self._join()
            else:
                self.head += new
            return True
        if at > self.end and (at - self.end > FARTHEST_OCTETS or self._missing() + at - self.end > HOLES_OCTETS):
            return False
        if octets:
            self._add_island(at, octets)
        return True

    def ranges(self) -> list[Range]:
        """What came behind the first hole: from, to."""
        joined: list[Range] = []
        for at, octets in self._islands:
            if joined and joined[-1][1] == at:
                joined[-1] = (joined[-1][0], at + len(octets))
            else:
                joined.append((at, at + len(octets)))
        return joined

    def holes(self, end: int) -> list[Range]:
        """What is not known before `end`."""
        found = []
        at = len(self.head)
        for begin, stop in self.ranges():
            if begin >= end:
                break
            if begin > at:
                found.append((at, begin))
            at = stop
        if at < end:
            found.append((at, end))
        return found

    def octets(self, begin: int, end: int) -> bytes:
        """The octets from one offset to another; zeros where a hole is."""
        if end <= len(self.head):
            return bytes(self.head[begin:end])
        made = bytearray(self.head[begin:])
        for at, octets in self._islands:
            if at + len(octets) <= begin or at >= end:
                continue
            skipped = max(begin - at, 0)
            made += bytes(max(at, begin) - begin - len(made))
            made += octets[skipped:]
        made += bytes(max(end - begin - len(made), 0))
        return bytes(made[: end - begin])

    def cut(self, end: int) -> None:
        """Forget everything from this offset on."""
        self._islands = [(at, octets[: end - at]) for at, octets in self._islands if at < end]
        del self.head[end:]

    def _missing(self) -> int:
        return sum(end - begin for begin, end in self.holes(self.end))

    def _join(self) -> None:
        """Move the islands that the head has reached into it."""
        reached = 0
        for at, octets in self._islands:
            if at > len(self.head):
                break
            self.head += octets[len(self.head) - at :]
            reached += 1
        del self._islands[:reached]

    def _add_island(self, at: int, octets: bytes) -> None:
        """What of these octets is new, in pieces between those that are there."""
        index = bisect_left(self._islands, (at, b""))
        if index and (before := self._islands[index - 1])[0] + len(before[1]) > at:
            skipped = before[0] + len(before[1]) - at
            at, octets = at + skipped, octets[skipped:]
        while octets:
            room = self._islands[index][0] - at if index < len(self._islands) else len(octets)
            if room > 0:
                self._islands.insert(index, (at, octets[:room]))
                index += 1
            if index == len(self._islands):
                return
            behind = self._islands[index][0] + len(self._islands[index][1])
            octets = octets[max(behind - at, 0) :]
            at = max(at, behind)
            index += 1
