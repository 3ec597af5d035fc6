"""What a player has sent and the server has not acknowledged: how much may be under way, and what goes again when.

Captured segments are sent when they are due; this holds them back while the server's window or a congestion window is
full, and repeats what was lost. RFC 5681, RFC 6298, RFC 6582 (one segment a round trip in recovery). Numbers are
relative to the player's ISN, times in microseconds; knows no octets.
"""

from __future__ import annotations

FIRST_RTO_US = 1_000_000
"""RFC 6298 section 2.1."""
MIN_RTO_US = 200_000
"""As Linux: the testbed's round trips are far shorter than the second of RFC 6298."""
MAX_RTO_US = 4_000_000
"""A play is given up before more would help."""
FIRST_SEGMENTS = 10
"""RFC 6928."""
MOST_OCTETS = 1 << 19
"""Under way: the queue in front of the driver holds 500 frames or more."""


class Flight:
    """The sending half of one player."""

    def __init__(self, mss: int = 536) -> None:
        self.una = 0
        """The first number that is not acknowledged."""
        self.end = 0
        """Behind the last number sent."""
        self.window = 0
        """The server's, in octets."""
        self.mss = mss
        self.retransmitted = 0
        self.due_us = -1
        """When the first number goes again, or, with nothing under way, the window is asked for; -1: never."""
        self._cwnd = FIRST_SEGMENTS * mss
        self._ssthresh = MOST_OCTETS
        self._rto_us = FIRST_RTO_US
        self._backoff = 0
        """How often the time was doubled since something was acknowledged."""
        self._srtt_us = -1
        self._rttvar_us = 0
        self._timed = -1
        self._timed_us = 0
        self._recover = -1
        self._duplicates = 0

    @property
    def lossy(self) -> bool:
        return self.retransmitted > 0

    def room(self) -> int:
        """How many octets more may go now."""
        return self.una + min(self.window, self._cwnd) - self.end

    def opened(self, mss: int, acknowledged: int, window: int, now: int) -> None:
        """The SYN-ACK."""
        self.mss = mss
        self._cwnd = FIRST_SEGMENTS * mss
        self.window = window
        self._round_trip(acknowledged, now)
        self.una = acknowledged
        self._restart(now)

    def sent(self, end: int, now: int) -> None:
        """A segment that ends with this number went."""
        if end > self.end:
            if self._timed < 0:
                self._timed, self._timed_us = end, now
            self.end = end
        if self.due_us < 0 and self.una < self.end:
            self.due_us = now + self._wait_us()

    def want_window(self, now: int) -> None:
        """Something waits for the server's window and nothing is under way: ask for it in a while."""
        if self.due_us < 0:
            self.due_us = now + self._wait_us()

    def acknowledge(self, number: int, window: int, repeats: bool, now: int) -> bool:
        """The server acknowledges this number (not more than `end`) and has this window; `repeats` for a segment that
        would say nothing new. True if the segment at `una` must go again now."""
        if number < self.una:
            return False
        stays = window == self.window
        self.window = window
        if number == self.una:
            if not (repeats and stays and self.una < self.end):
                if self.una == self.end and self.room() > 0:
                    self.due_us = -1
                return False
            self._duplicates += 1
            if self._duplicates == 3 and self._recover < 0:
                self._lost()
                return True
            return False
        self._backoff = 0
        self._round_trip(number, now)
        self._grow(number - self.una)
        self.una = number
        self._duplicates = 0
        self._restart(now)
        if self._recover < 0:
            return False
        if number >= self._recover:
            self._recover = -1
            return False
        return self.una < self.end

    def expired(self, now: int) -> bool:
        """The timer ran out: True if the segment at `una` goes again, False if the window is asked for."""
        self._backoff += 1
        self.due_us = now + self._wait_us()
        if self.una == self.end:
            return False
        self._lost()
        self._cwnd = self.mss
        return True

    def _wait_us(self) -> int:
        return min(self._rto_us << min(self._backoff, 8), MAX_RTO_US)

    def _lost(self) -> None:
        self._ssthresh = max((self.end - self.una) // 2, 2 * self.mss)
        self._cwnd = self._ssthresh
        self._recover = self.end
        self._timed = -1

    def _grow(self, octets: int) -> None:
        step = octets if self._cwnd < self._ssthresh else max(self.mss * self.mss // self._cwnd, 1)
        self._cwnd = min(self._cwnd + step, MOST_OCTETS)

    def _restart(self, now: int) -> None:
        self.due_us = now + self._wait_us() if self.una < self.end else -1

    def _round_trip(self, number: int, now: int) -> None:
        """RFC 6298 section 2; what was sent twice is not timed (Karn)."""
        if not 0 <= self._timed <= number:
            return
        rtt = max(now - self._timed_us, 1)
        self._timed = -1
        if self._srtt_us < 0:
            self._srtt_us, self._rttvar_us = rtt, rtt // 2
        else:
            self._rttvar_us = (3 * self._rttvar_us + abs(self._srtt_us - rtt)) // 4
            self._srtt_us = (7 * self._srtt_us + rtt) // 8
        self._rto_us = min(max(self._srtt_us + 4 * self._rttvar_us, MIN_RTO_US), MAX_RTO_US)
