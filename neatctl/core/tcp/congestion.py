"""How much may be in flight: congestion control behind a face of five calls.

A Congestion holds cwnd and ssthresh and is told what happened; when to retransmit, and what, is the
business of loss.py. All in octets. NewReno is RFC 5681 with appropriate byte counting, since one acknowledgment may
stand for many segments; initial window RFC 6928; restart after idleness RFC 5681 section 4.1.
Knows no sequence numbers, and the time only as it is told.
"""

from __future__ import annotations

_INITIAL_SEGMENTS = 10
"""RFC 6928 section 2."""
_LARGE = 1 << 40


class Congestion:
    """The face. `mss` is SMSS, `flight` FlightSize."""

    def __init__(self, mss: int) -> None:
        self.begin(mss)

    def begin(self, mss: int) -> None:
        """Start as a new connection does."""
        self.cwnd = _INITIAL_SEGMENTS * mss
        self.ssthresh = _LARGE

    def on_ack(self, acked: int, mss: int, now: int) -> None:
        """`acked` octets were acknowledged, outside fast recovery, while cwnd was what limited the sender."""

    def on_loss(self, flight: int, mss: int, now: int) -> None:
        """Fast retransmit begins: set ssthresh, and cwnd to it."""

    def on_timeout(self, flight: int, mss: int, first: bool, now: int) -> None:
        """The retransmission timer ran out; `first` if not again for the same octets."""

    def on_recovered(self, flight: int, mss: int, now: int) -> None:
        """Fast recovery ended: all that was in flight at its start is acknowledged."""

    def on_idle(self, mss: int, now: int) -> None:
        """Nothing was sent for longer than the retransmission timeout."""


class NewReno(Congestion):
    """RFC 5681: slow start, congestion avoidance, multiplicative decrease by a half."""

    def __init__(self, mss: int) -> None:
        self.begin(mss)
        self._counted = 0

    def on_ack(self, acked: int, mss: int, now: int) -> None:  # noqa: ARG002
        if self.cwnd < self.ssthresh:
            growth = min(acked, self.ssthresh - self.cwnd)
            self.cwnd += growth
            acked -= growth
        self._counted += acked
        if self._counted >= self.cwnd:
            self._counted -= self.cwnd
            self.cwnd += mss

    def on_loss(self, flight: int, mss: int, now: int) -> None:  # noqa: ARG002
        self.ssthresh = max(flight >> 1, 2 * mss)
        self.cwnd = self.ssthresh
        self._counted = 0

    def on_timeout(self, flight: int, mss: int, first: bool, now: int) -> None:  # noqa: ARG002
        if first:
            self.ssthresh = max(flight >> 1, 2 * mss)
        self.cwnd = mss
        self._counted = 0

    def on_recovered(self, flight: int, mss: int, now: int) -> None:  # noqa: ARG002
        self.cwnd = min(self.ssthresh, max(flight, mss) + mss)

    def on_idle(self, mss: int, now: int) -> None:  # noqa: ARG002
        self.cwnd = min(self.cwnd, _INITIAL_SEGMENTS * mss)
