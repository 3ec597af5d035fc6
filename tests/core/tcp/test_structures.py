"""The structures of TCP, each against a model that cannot be wrong: wheel, send buffer, reassembly, flight."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import Memory
from neatctl.core.tcp.reassembly import MAX_PIECES, Reassembly
from neatctl.core.tcp.flight import MAX_RUNS, Flight
from neatctl.core.tcp.send_buffer import BufferPool, SendBuffer
from neatctl.core.tcp.wheel import NEVER, Timed, Wheel

TICK_US = 4096
START = 5_000_000_000
SOURCE = bytes(i * 7 + (i >> 8) & 0xFF for i in range(40_000))


class Sent:
    """What a Flight must know of one octet."""

    def __init__(self, now: int) -> None:
        self.sent_us = now
        self.sacked = self.lost = self.again = False


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sent", "again", "report", "lose", "detect", "acknowledge", "found", "reneged"]),
            st.integers(0, 120),
            st.integers(1, 40),
            st.integers(0, 3),
        ),
        max_size=60,
    )
)
def test_what_is_in_flight_is_known_octet_by_octet(steps: list[tuple[str, int, int, int]]) -> None:
    now, una, end = START, 1000, 1010
    flight = Flight(una, end, now)
    model = {seq: Sent(now) for seq in range(una, end)}
    for kind, at, octets, later in steps:
        now += later
        start = una + at % (end - una)
        stop = min(start + octets, end)
        span = [model[seq] for seq in range(start, stop)]
        if kind == "sent":
            end += octets
            flight.sent(end, now)
            model |= {seq: Sent(now) for seq in range(end - octets, end)}
        elif kind == "again":
            flight.again(start, stop, now)
            for octet in span:
                octet.sacked = octet.lost = False
                octet.again, octet.sent_us = True, now
        elif kind == "report":
            assert flight.report(start, stop, now, 0) == sum(not octet.sacked for octet in span)
            for octet in span:
                octet.sacked, octet.lost = True, False
        elif kind == "lose":
            fresh = [model[seq] for seq in range(una, stop) if not (model[seq].sacked or model[seq].lost)]
            assert flight.lose(stop) == len(fresh)
            for octet in fresh:
                octet.lost = True
        elif kind == "detect":
            overtaken = [
                octet
                for seq, octet in model.items()
                if not (octet.sacked or octet.lost)
                and (octet.sent_us < flight.newest_us or (octet.sent_us == flight.newest_us and seq < flight.newest_end))
            ]
            late = [octet for octet in overtaken if octet.sent_us + flight.rtt_us + at <= now]
            assert flight.detect(at, now) == len(late)
            assert (flight.look_us < NEVER) is (len(overtaken) > len(late))
            for octet in late:
                octet.lost = True
        elif kind == "acknowledge" and start > una:
            una = start
            flight.acknowledge(una, now, 0)
            model = {seq: octet for seq, octet in model.items() if seq >= una}
        elif kind == "found":
            flight.find_again(now)
            for octet in model.values():
                if octet.lost:
                    octet.lost, octet.sent_us = False, now
        elif kind == "reneged":
            flight.forget_reports()
            for octet in model.values():
                octet.sacked, octet.lost = False, True
        lost = [seq for seq, octet in sorted(model.items()) if octet.lost]
        assert flight.sacked == sum(octet.sacked for octet in model.values())
        assert flight.lost == len(lost)
        assert flight.end == end
        assert flight.next_lost() == (lost[0] if lost else -1)
        assert flight.reneged() == model[una].sacked
        if lost:
            assert flight.lost_end(lost[0]) == next(
                seq for seq in range(lost[0], end + 1) if seq == end or not model[seq].lost
            )
        runs = flight.runs()
        assert runs[0][0] == una
        assert all(this[0] < following[0] and this[1:] != following[1:] for this, following in pairwise(runs))


def test_a_flight_of_many_runs_is_bounded_and_takes_all_for_unreported() -> None:
    flight = Flight(0, 1, START)
    for seq in range(2, 3 * MAX_RUNS):
        flight.sent(seq, START + seq)
    for seq in range(1, 3 * MAX_RUNS - 1, 2):
        flight.report(seq, seq + 1, START, 0)
    assert flight.count <= MAX_RUNS
    assert flight.lose(flight.end) == flight.end - flight.sacked
    flight.acknowledge(flight.end - 1, START, 0)
    assert (flight.count, flight.end) == (1, 3 * MAX_RUNS - 1)
