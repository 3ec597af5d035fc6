"""What the offline NIC does with each frame is what the driver does with it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from neatctl.core.native import COMPILED, Memory
from neatctl.nic.counters import Counters
from neatctl.nic.devices.pcap import PLACE_OCTETS
from neatctl.nic.replay import NicReplay
from neatctl.nic.rss import Rss
from neatctl.nic.seen_flows import SeenFlows
from neatctl.nic.steering import OPEN, Steering
from neatctl.nic.tracking import Tracking
from tests.nic import frames as f
from tests.nic.rig import Rig
from tests.nic.switch import RSS_KEY

REPLICAS = 3
CLIENTS = st.sampled_from([*(f"10.77.1.{i}" for i in range(1, 9)), "fd00::5", "fd00::6"])
V4 = st.sampled_from([f"10.77.1.{i}" for i in range(1, 9)])
PORTS = st.integers(4000, 4007)
FRAMES = st.one_of(
    st.builds(f.tcp, CLIENTS, PORTS, st.sampled_from([f.SYN, f.ACK, f.FIN | f.ACK, f.RST, f.SYN | f.ACK, 0])),
    st.builds(f.udp, V4, PORTS),
    st.builds(f.echo, V4),
    st.builds(f.arp, st.sampled_from([1, 2, 3])),
    st.builds(lambda client, port: f.unreachable(f.tcp(client, port, f.ACK, reply=True)), V4, PORTS),
    st.builds(
        lambda client, port, at: f.ethernet(f.ipv4(f.udp_header(port, 53), 17, client, fragment=at, identification=7)),
        V4,
        PORTS,
        st.sampled_from([0x2000, 3]),
    ),
)
MAIMED = st.builds(
    lambda frame, at, octets, keep: (frame[:at] + octets + frame[at + len(octets) :])[:keep],
    FRAMES, st.integers(6, 60), st.binary(max_size=3), st.integers(14, 90),
)  # fmt: skip


class Replay:
    """An offline NIC that is given one frame after the other."""

    def __init__(self) -> None:
        steering = Steering(Rss(RSS_KEY), Tracking(1024), Counters(), f.NIC_MAC)
        steering.set_states(dict.fromkeys(range(1, REPLICAS + 1), OPEN), 0)
        self.nic = NicReplay(steering)

    def play(self, frame: bytes, time_us: int) -> list[int]:
        """To which replicas it went."""
        places = Memory(bytearray(PLACE_OCTETS))
        for i, value in enumerate((0, len(frame), len(frame), time_us * 1000)):
            places.store64(8 * i, value)
        before = [self.nic.frames(replica) for replica in range(1, REPLICAS + 1)]
        to_all = self.nic.to_all
        self.nic.play(Memory(frame), places, 1, 1, 14)
        if self.nic.to_all > to_all:
            return list(range(1, REPLICAS + 1))
        return [replica for replica in range(1, REPLICAS + 1) if self.nic.frames(replica) > before[replica - 1]]


@settings(max_examples=60 if COMPILED else 15, deadline=None)
@given(st.lists(st.tuples(st.one_of(FRAMES, FRAMES, MAIMED), st.integers(0, 40_000_000)), max_size=60))
def test_every_frame_goes_where_the_driver_puts_it(traffic: list[tuple[bytes, int]]) -> None:
    rig = Rig()
    replicas = rig.running(REPLICAS)
    replay = Replay()
    for frame, after_us in traffic:
        rig.now += after_us
        rig.arrive(frame)
        driven = [replica.number for replica in replicas if replica.frames()]
        assert replay.play(frame, rig.now) == driven
    mine, its = replay.nic.read_counters(), rig.driver.read_counters()
    # The driver looks at parts of its table when it turns, the replay each 10 ms: flows may go a little later there.
    loose = {"flows_expired", "flows_new", "flow_moved", "flow_unknown"}
    assert {name: count for name, count in mine.items() if name not in loose} == {
        name: its[name] for name in mine if name not in loose
    }
    assert mine["flows_new"] - mine["flows_expired"] == replay.nic.steering.tracking.count


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=300))
def test_seen_flows_are_a_set(hashes: list[int]) -> None:
    seen = SeenFlows()
    assert [seen.add(hashed) for hashed in hashes] == [
        (hashed or 1) not in {before or 1 for before in hashes[:i]} for i, hashed in enumerate(hashes)
    ]
    assert (seen.count, seen.full) == (len({hashed or 1 for hashed in hashes}), False)
