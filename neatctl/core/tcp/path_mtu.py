"""Path MTU discovery (RFC 1191, RFC 8201) with the caution of RFC 5927, and black holes (RFC 4821 section 7.7).

A router's word is taken only for a segment that is in flight and larger than what it says fits, and never below 552
octets. What a path was found to take is remembered for ten minutes, then a larger size is tried again. When full
segments time out again and again and no router says why, smaller ones are tried. Knows connections, no ICMP formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neatctl.core.wire.tcp_header import HEADER, TIMESTAMPS_OCTETS

if TYPE_CHECKING:
    from neatctl.core.tcp.tables import Tables
    from neatctl.core.tcp.tcb import Tcb

LEAST_MTU = 552
"""As Linux (min_pmtu): a smaller word is not believed, so nobody makes us send dust."""
AGE_US = 600_000_000
"""RFC 1191 section 6.3."""
SUSPICIOUS_TIMEOUTS = 3
"""Timeouts in a row of a full segment before a black hole is suspected."""
LEAST_MTU6 = 1280
"""Every IPv6 link takes it (RFC 8201 section 4)."""
_PLATEAUS = (32000, 17914, 8166, 4352, 2002, 1492, 1006, LEAST_MTU)
"""Likely sizes, for routers that do not name one (RFC 1191 section 7.1)."""
_GUESSES = (1024, 512)
"""What is tried in a black hole."""
_HEADERS_IPV4 = 20 + HEADER
_HEADERS_IPV6 = 40 + HEADER
_KEY_IPV4 = 12
_MAX_PATHS = 4096


class PathMtus:
    """The largest datagrams that paths to remote addresses take, where that is less than the link's MTU."""

    def __init__(self) -> None:
        self.count = 0
        self._known: dict[bytes, tuple[int, int]] = {}

    def learn(self, remote: bytes, mtu: int, now: int) -> None:
        """Remember it; the oldest goes when there are too many."""
        self._known.pop(remote, None)
        if len(self._known) >= _MAX_PATHS:
            del self._known[next(iter(self._known))]
        self._known[remote] = mtu, now + AGE_US
        self.count = len(self._known)

    def find(self, remote: bytes, now: int) -> tuple[int, int]:
        """The MTU of a path and until when it holds; (0, 0) if nothing is known."""
        known = self._known.get(remote)
        if known is None:
            return 0, 0
        if known[1] <= now:
            del self._known[remote]
            self.count = len(self._known)
            return 0, 0
        return known

    def clamped(self, tcb: Tcb, mss: int, now: int) -> int:
        """The MSS (options included) of a connection that begins, under what is known of its path."""
        mtu, until = self.find(_remote(tcb), now)
        narrow = mtu - _headers(tcb)
        if not mtu or narrow >= mss:
            return mss
        tcb.rarely().full_mss = mss - (TIMESTAMPS_OCTETS if tcb.ts_ok else 0)
        tcb.rarely().mss_until_us = until
        tcb.slow_us = min(tcb.slow_us, until)
        return narrow


def too_big(tables: Tables, tcb: Tcb, mtu: int, quoted_octets: int, now: int) -> None:
    """A router could not forward a datagram of `quoted_octets` that was in flight; `mtu`: as it says, or 0."""
    if mtu == 0:
        mtu = next((size for size in _PLATEAUS if size < quoted_octets), LEAST_MTU)
    mtu = max(mtu, LEAST_MTU if len(tcb.key) == _KEY_IPV4 else LEAST_MTU6)
    options = TIMESTAMPS_OCTETS if tcb.ts_ok else 0
    mss = mtu - _headers(tcb) - options
    if quoted_octets <= mtu or mss >= tcb.mss:
        tables.counters.drop_too_big += 1
        return
    tables.counters.paths_narrowed += 1
    tables.path_mtus.learn(_remote(tcb), mtu, now)
    _narrow(tables, tcb, mss, now)


def suspect_black_hole(tables: Tables, tcb: Tcb, now: int) -> None:
    """A timer ran out again without an answer: if what was sent was full, try with less."""
    if tcb.unanswered < SUSPICIOUS_TIMEOUTS or tcb.snd_nxt - tcb.snd_una < tcb.mss:
        return
    mss = next((size for size in _GUESSES if size < tcb.mss), 0)
    if mss:
        tables.counters.black_holes += 1
        _narrow(tables, tcb, mss, now)


def widen(tcb: Tcb, now: int) -> int:
    """Try full segments again when it is time; when that is, or 0 if there is nothing to try."""
    rare = tcb.rare
    if rare is None or not rare.full_mss:
        return 0
    if now < rare.mss_until_us:
        return rare.mss_until_us
    tcb.mss = rare.full_mss
    rare.full_mss = 0
    return 0


def _narrow(tables: Tables, tcb: Tcb, mss: int, now: int) -> None:
    """Send smaller segments from now on, and what is in flight again at once: congestion lost none of it."""
    rare = tcb.rarely()
    rare.full_mss = max(rare.full_mss, tcb.mss)
    rare.mss_until_us = now + AGE_US
    tcb.slow_us = min(tcb.slow_us, rare.mss_until_us)
    tcb.mss = mss
    tcb.rtt_seq = -1
    if tcb.snd_nxt > tcb.snd_una:
        tcb.in_flight().lose(tcb.snd_nxt)
    tables.touch(tcb)


def _remote(tcb: Tcb) -> bytes:
    return tcb.key[:4] if len(tcb.key) == _KEY_IPV4 else tcb.key[:16]


def _headers(tcb: Tcb) -> int:
    return _HEADERS_IPV4 if len(tcb.key) == _KEY_IPV4 else _HEADERS_IPV6
