"""How much may be in flight: congestion control behind a face of six calls, CUBIC and NewReno.

A Congestion holds cwnd and ssthresh and is told what happened; when to retransmit, and what, is the business of
loss.py and recovery.py. All in octets. CUBIC is RFC 9438, NewReno RFC 5681; both count octets, since one
acknowledgment may stand for many segments; initial window RFC 6928; restart after idleness RFC 5681 section 4.1.
Knows no sequence numbers, and the time only as it is told.
"""

from __future__ import annotations

from math import cbrt

from neatctl.core.channel.socket_options import CONGESTIONS

_INITIAL_SEGMENTS = 10
"""RFC 6928 section 2."""
_LARGE = 1 << 40
_C = 0.4
"""Segments per cubic second (RFC 9438 section 5)."""
_BETA = 0.7
_ALPHA = 3.0 * (1.0 - _BETA) / (1.0 + _BETA)
"""RFC 9438 section 4.3: as fair as Reno with this decrease."""
_RENO = CONGESTIONS.index("reno")


class Congestion:
    """The face. `mss` is SMSS, `flight` FlightSize."""

    def __init__(self, mss: int) -> None:
        self.prior_cwnd = self.prior_ssthresh = 0
        self.begin(mss)

    def begin(self, mss: int) -> None:
        """Start as a new connection does."""
        self.cwnd = _INITIAL_SEGMENTS * mss
        self.ssthresh = _LARGE

    def on_ack(self, acked: int, mss: int, rtt_us: int, now: int) -> None:
        """`acked` octets arrived, outside fast recovery, while cwnd was what limited the sender."""

    def on_loss(self, flight: int, mss: int) -> None:
        """Something was lost, or a router marked it: set ssthresh, and cwnd to it."""

    def on_timeout(self, flight: int, mss: int, first: bool) -> None:
        """The retransmission timer ran out; `first` if not again for the same octets."""

    def on_mistake(self) -> None:
        """Nothing was lost, as it turns out: take the last decrease back (RFC 4015)."""
        self.cwnd = max(self.cwnd, self.prior_cwnd)
        self.ssthresh = max(self.ssthresh, self.prior_ssthresh)

    def on_idle(self, mss: int) -> None:
        """Nothing was sent for longer than the retransmission timeout."""
        self.cwnd = min(self.cwnd, _INITIAL_SEGMENTS * mss)


class NewReno(Congestion):
    """RFC 5681: slow start, congestion avoidance, multiplicative decrease by a half."""

    def __init__(self, mss: int) -> None:
        self.prior_cwnd = self.prior_ssthresh = 0
        self.begin(mss)
        self._counted = 0

    def on_ack(self, acked: int, mss: int, rtt_us: int, now: int) -> None:  # noqa: ARG002
        if self.cwnd < self.ssthresh:
            growth = min(acked, self.ssthresh - self.cwnd)
            self.cwnd += growth
            acked -= growth
        self._counted += acked
        if self._counted >= self.cwnd:
            self._counted -= self.cwnd
            self.cwnd += mss

    def on_loss(self, flight: int, mss: int) -> None:
        self.prior_cwnd, self.prior_ssthresh = self.cwnd, self.ssthresh
        self.ssthresh = max(flight >> 1, 2 * mss)
        self.cwnd = self.ssthresh
        self._counted = 0

    def on_timeout(self, flight: int, mss: int, first: bool) -> None:
        if first:
            self.prior_cwnd, self.prior_ssthresh = self.cwnd, self.ssthresh
            self.ssthresh = max(flight >> 1, 2 * mss)
        self.cwnd = mss
        self._counted = 0


class Cubic(Congestion):
    """RFC 9438: after a loss cwnd grows as a cubic of the time, towards what it was and then beyond."""

    def __init__(self, mss: int) -> None:
        self.prior_cwnd = self.prior_ssthresh = 0
        self.begin(mss)
        self._top = self._prior_top = 0.0
        """W_max, in octets."""
        self._epoch_us = 0
        """When congestion avoidance began; 0 if it did not."""
        self._k_s = self._reno = 0.0
        """K in seconds; W_est in octets."""

    def on_ack(self, acked: int, mss: int, rtt_us: int, now: int) -> None:
        cwnd = self.cwnd
        if cwnd < self.ssthresh:
            growth = min(acked, self.ssthresh - cwnd)
            self.cwnd = cwnd = cwnd + growth
            acked -= growth
        if acked == 0:
            return
        if self._epoch_us == 0:
            self._epoch_us = now
            self._reno = cwnd
            self._top = max(self._top, cwnd)
            self._k_s = cbrt((self._top - cwnd) / (_C * mss))
        since = (now - self._epoch_us) / 1e6 - self._k_s
        ahead = since + rtt_us / 1e6
        alpha = 1.0 if self._reno >= self.prior_cwnd else _ALPHA
        self._reno += alpha * acked * mss / cwnd
        if self._top + _C * mss * since * since * since < self._reno:
            self.cwnd = max(cwnd, int(self._reno))
            return
        target = min(self._top + _C * mss * ahead * ahead * ahead, 1.5 * cwnd)
        if target > cwnd:
            self.cwnd = cwnd + int((target - cwnd) * acked / cwnd)

    def on_loss(self, flight: int, mss: int) -> None:
        self._decrease(flight, mss)
        self.cwnd = self.ssthresh

    def on_timeout(self, flight: int, mss: int, first: bool) -> None:
        if first:
            self._decrease(flight, mss)
        self._top = 0.0  # Section 4.8: K is 0 in the congestion avoidance that follows.
        self._epoch_us = 0
        self.cwnd = mss

    def on_mistake(self) -> None:
        self.cwnd = max(self.cwnd, self.prior_cwnd)
        self.ssthresh = max(self.ssthresh, self.prior_ssthresh)
        self._top = max(self._top, self._prior_top)
        self._epoch_us = 0

    def on_idle(self, mss: int) -> None:
        self.cwnd = min(self.cwnd, _INITIAL_SEGMENTS * mss)
        self._epoch_us = 0

    def _decrease(self, flight: int, mss: int) -> None:
        """Sections 4.6 and 4.7 (fast convergence)."""
        self.prior_cwnd, self.prior_ssthresh = self.cwnd, self.ssthresh
        self._prior_top = self._top
        self._top = self.cwnd * (1.0 + _BETA) / 2.0 if self.cwnd < self._top else float(self.cwnd)
        self.ssthresh = max(int(flight * _BETA), 2 * mss)
        self._epoch_us = 0


def congestion(number: int) -> Congestion:
    """The algorithm in this place of CONGESTIONS, ready for `begin`; CUBIC if there is none."""
    return NewReno(0) if number == _RENO else Cubic(0)
