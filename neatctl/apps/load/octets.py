"""A piece of memory whose octets are read, compared and copied without objects: the plain twin of `octets.pyx`.

The same names and behaviour; the interpreter prefers the compiled module. Every access is checked: what is outside
is an IndexError. Knows nothing of sockets or HTTP.
"""

from __future__ import annotations


class Octets:
    """So many octets of memory, zeros at first."""

    __slots__ = ("octets", "view")

    def __init__(self, octets: int) -> None:
        if octets < 0:
            raise ValueError(f"{octets} octets")
        self.octets = octets
        self.view = memoryview(bytearray(octets))

    def _check(self, at: int, octets: int) -> None:
        if at < 0 or octets < 0 or at > self.octets - octets:
            raise IndexError(f"{octets} octets at {at} are outside {self.octets}")

    def get8(self, at: int) -> int:
        self._check(at, 1)
        return self.view[at]

    def equal(self, at: int, other: Octets, other_at: int, octets: int) -> bool:
        """Whether octets here and there are the same."""
        self._check(at, octets)
        other._check(other_at, octets)
        return self.view[at : at + octets] == other.view[other_at : other_at + octets]

    def copy(self, at: int, source: Octets, source_at: int, octets: int) -> int:
        """Copy octets of another one here."""
        self._check(at, octets)
        source._check(source_at, octets)
        self.view[at : at + octets] = source.view[source_at : source_at + octets]
        return 0

    def head_end(self, at: int, octets: int) -> int:
        """Where the first empty line (CRLF CRLF) among these octets ends, as an offset of the memory; -1 for none."""
        self._check(at, octets)
        found = bytes(self.view[at : at + octets]).find(b"\r\n\r\n")
        return at + found + 4 if found >= 0 else -1

    def put(self, at: int, data: bytes) -> int:
        self._check(at, len(data))
        self.view[at : at + len(data)] = data
        return 0

    def bytes(self, at: int, octets: int) -> bytes:
        self._check(at, octets)
        return bytes(self.view[at : at + octets])
