"""A connection's octets and credit under any order of arrivals and reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neatctl.core.channel.doorbell import Ringer
from neatctl.core.channel.records import CONSUMED
from neatctl.core.channel.ring import RingConsumer, RingProducer, format_ring, ring_octets
from neatctl.core.native import Memory
from neatctl.core.sockets.flow import CREDIT_LUMP_OCTETS, Flow
from neatctl.core.sockets.outlet import Outlet

CAPACITY = 1 << 18
ARRIVAL = st.tuples(st.just("arrive"), st.integers(1, 65536))
READ = st.tuples(st.sampled_from(["take", "take_into"]), st.integers(1, 100_000))


@given(st.lists(ARRIVAL | READ | st.tuples(st.just("many"), st.integers(1, 300)), max_size=60))
def test_octets_come_out_as_they_went_in_and_credit_follows(steps: list[tuple[str, int]]) -> None:
    memory = format_ring(Memory(bytearray(ring_octets(CAPACITY))), CAPACITY, 1)
    outlet = Outlet(RingProducer(memory, 1, Ringer("")))
    commands = RingConsumer(memory, 1, Ringer(""))
    flow = Flow(outlet, 7, 0, bytes(12))
    stream = bytearray()
    read = credited = 0
    for what, octets in steps:
        if what == "arrive":
            piece = (len(stream).to_bytes(4, "big") * (octets // 4 + 1))[:octets]
            stream += piece
            flow.arrived(piece)
        elif what == "many":
            for n in range(octets):
                stream.append(n & 0xFF)
                flow.arrived(bytes((n & 0xFF,)))
        elif flow.unread:
            if what == "take":
                got = flow.take(octets)
                assert 0 < len(got) <= octets
            else:
                target = bytearray(octets)
                count = flow.take_into(Memory(target), octets)
                assert count == min(octets, len(stream) - read)
                got = bytes(target[:count])
            assert got == stream[read : read + len(got)]
            read += len(got)
        assert flow.unread == len(stream) - read
        outlet.flush()
        while (record := commands.receive()) is not None:
            assert (record[0], record[4:8]) == (CONSUMED, (7).to_bytes(4, "big"))
            credited += int.from_bytes(record[8:12], "big")
        commands.flush()
        assert credited <= read < credited + CREDIT_LUMP_OCTETS
