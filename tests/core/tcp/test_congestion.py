"""How much may be in flight: CUBIC against the formulas of RFC 9438, NewReno against RFC 5681."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.channel.socket_options import CONGESTIONS
from neatctl.core.tcp.congestion import Congestion, Cubic, NewReno, congestion

MSS = 1000
SECOND = 1_000_000
RTT = 100_000
START = 1 << 40


def grow(cc: Congestion, seconds: float, now: int, rtt_us: int = RTT) -> int:
    """Acknowledge a whole window each round trip, segment by segment; the time after it."""
    end = now + int(seconds * SECOND)
    while now < end:
        for _ in range(cc.cwnd // MSS):
            cc.on_ack(MSS, MSS, rtt_us, now)
        now += rtt_us
    return now


def test_may_18_each_name_has_its_algorithm_and_cubic_is_the_default() -> None:
    kinds = [type(congestion(number)) for number in range(len(CONGESTIONS))]
    assert dict(zip(CONGESTIONS, kinds, strict=True)) == {"cubic": Cubic, "reno": NewReno}
    assert isinstance(congestion(-1), Cubic)


@pytest.mark.parametrize("kind", [Cubic, NewReno])
def test_slow_start_doubles_in_a_round_trip_and_the_initial_window_is_ten(kind: type[Congestion]) -> None:
    cc = kind(MSS)
    assert cc.cwnd == 10 * MSS
    grow(cc, 0.3, START)
    assert cc.cwnd == 80 * MSS


def test_rfc9438_the_window_is_where_it_was_after_k_seconds() -> None:
    cc = Cubic(MSS)
    cc.cwnd = 1000 * MSS
    cc.on_loss(1000 * MSS, MSS)
    assert (cc.cwnd, cc.ssthresh) == (700 * MSS, 700 * MSS)
    k = (1000 * 0.3 / 0.4) ** (1 / 3)
    now = grow(cc, k / 2, START)
    half = 1000 - 0.4 * (k / 2) ** 3
    assert cc.cwnd == pytest.approx(half * MSS, rel=0.01)
    now = grow(cc, k / 2, now)
    assert cc.cwnd == pytest.approx(1000 * MSS, rel=0.01)
    grow(cc, k, now)
    assert cc.cwnd == pytest.approx((1000 + 0.4 * k**3) * MSS, rel=0.02)


def test_rfc9438_over_short_paths_it_grows_as_reno_does() -> None:
    cubic, reno = Cubic(MSS), NewReno(MSS)
    for cc in (cubic, reno):
        cc.cwnd = 20 * MSS
        cc.on_loss(20 * MSS, MSS)
    assert (cubic.cwnd, reno.cwnd) == (14 * MSS, 10 * MSS)
    for cc in (cubic, reno):
        grow(cc, 0.1, START, 1_000)
    assert reno.cwnd == pytest.approx(110 * MSS, rel=0.02)
    # Half as fast until it is where it was, then as fast as Reno.
    assert cubic.cwnd == pytest.approx((20 + 100 - 6 / 0.53) * MSS, rel=0.03)


def test_rfc9438_fast_convergence_gives_way_when_losses_come_early() -> None:
    cc = Cubic(MSS)
    cc.cwnd = 1000 * MSS
    cc.on_loss(1000 * MSS, MSS)
    cc.on_loss(700 * MSS, MSS)
    k = ((700 * 0.85 - 490) / 0.4) ** (1 / 3)
    grow(cc, k, START)
    assert cc.cwnd == pytest.approx(700 * 0.85 * MSS, rel=0.01)


@pytest.mark.parametrize(("kind", "share"), [(Cubic, 0.7), (NewReno, 0.5)])
def test_a_timeout_leaves_one_segment_and_only_the_first_lowers_ssthresh(kind: type[Congestion], share: float) -> None:
    cc = kind(MSS)
    cc.on_timeout(100 * MSS, MSS, True)
    assert (cc.cwnd, cc.ssthresh) == (MSS, int(100 * share) * MSS)
    cc.on_timeout(MSS, MSS, False)
    assert (cc.cwnd, cc.ssthresh) == (MSS, int(100 * share) * MSS)


@pytest.mark.parametrize("kind", [Cubic, NewReno])
def test_a_decrease_that_was_a_mistake_is_taken_back(kind: type[Congestion]) -> None:
    cc = kind(MSS)
    grow(cc, 0.2, START)
    before = cc.cwnd, cc.ssthresh
    cc.on_loss(cc.cwnd, MSS)
    assert cc.cwnd < before[0]
    cc.on_mistake()
    assert (cc.cwnd, cc.ssthresh) == before


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([Cubic, NewReno]),
    st.lists(
        st.tuples(
            st.sampled_from(["ack", "loss", "timeout", "again", "mistake", "idle"]),
            st.integers(1, 10_000_000),
            st.sampled_from([0, 1, 50_000, 10 * SECOND, 86_400 * SECOND]),
        ),
        max_size=40,
    ),
)
def test_the_window_is_never_less_than_a_segment_nor_grows_faster_than_in_slow_start(
    kind: type[Congestion], steps: list[tuple[str, int, int]]
) -> None:
    cc = kind(MSS)
    now = START
    for what, octets, later in steps:
        now += later
        cwnd = cc.cwnd
        if what == "ack":
            acked = min(octets, cwnd)
            cc.on_ack(acked, MSS, RTT, now)
            assert cwnd <= cc.cwnd <= cwnd + max(acked, MSS)
        elif what == "loss":
            cc.on_loss(octets, MSS)
            assert cc.cwnd == cc.ssthresh >= 2 * MSS
        elif what in {"timeout", "again"}:
            cc.on_timeout(octets, MSS, what == "timeout")
            assert cc.cwnd == MSS
        elif what == "mistake":
            cc.on_mistake()
            assert cc.cwnd >= cwnd
        else:
            cc.on_idle(MSS)
            assert cc.cwnd <= 10 * MSS
        assert cc.cwnd >= MSS
