"""What the driver counts: each counter is declared here once, with the sentence that a user reads about it.

A counter is a number (its index below) and 8 octets of one memory, so that counting is one addition.
Knows nothing of frames; who counts what is said beside the code that counts.
"""

from __future__ import annotations

from neatctl.core.native import Memory

RX_FRAMES = 0
RX_OCTETS = 1
TX_FRAMES = 2
TX_OCTETS = 3
QUEUE_FULL = 4
FLOWS_NEW = 5
FLOWS_TOLD_BY_REPLICA = 6
FLOWS_EXPIRED = 7
FLOWS_EVICTED = 8
FLOWS_FULL = 9
FLOW_UNKNOWN = 10
FLOW_CONFLICT = 11
FLOW_MOVED = 12
TX_RETRY = 13
PEER_FAULTS = 14
MIRROR_FULL = 15
FILTERED = 16
FIRST_DROP = 20
DROP_RUNT = 20
DROP_OTHER_HOST = 21
DROP_ETHERTYPE = 22
DROP_ARP = 23
DROP_IP_HEADER = 24
DROP_IP_LENGTH = 25
DROP_TRANSPORT = 26
DROP_QUOTE = 27
DROP_MULTICAST = 28
DROP_FRAGMENT = 29
DROP_NO_QUEUE = 30
DROP_QUEUE_CLOSED = 31
DROP_IMPAIRED_IN = 32
DROP_IMPAIRED_OUT = 33
DROP_TX_REFUSED = 34
LAST_DROP = 49
# What an impairment does is counted by direction: in, and one more out.
DROP_IMPAIR_FULL_IN = 40
DROP_IMPAIR_FULL_OUT = 41
IMPAIR_DELAYED_IN = 50
IMPAIR_DELAYED_OUT = 51
IMPAIR_REORDERED_IN = 52
IMPAIR_REORDERED_OUT = 53
IMPAIR_DUPLICATED_IN = 54
IMPAIR_DUPLICATED_OUT = 55
IMPAIR_CORRUPTED_IN = 56
IMPAIR_CORRUPTED_OUT = 57

DECLARED: dict[int, tuple[str, str]] = {
    RX_FRAMES: ("rx_frames", "Frames read from the device, after what an impairment did to them."),
    RX_OCTETS: ("rx_octets", "Octets of the frames read from the device, Ethernet header included."),
    TX_FRAMES: ("tx_frames", "Frames written to the device, before what an impairment did to them."),
    TX_OCTETS: ("tx_octets", "Octets of the frames written to the device, Ethernet header included."),
    QUEUE_FULL: ("queue_full", "Frames dropped because the queue to their replica was full."),
    FLOWS_NEW: ("flows_new", "Flows that the NIC began to track at a SYN, in or out."),
    FLOWS_TOLD_BY_REPLICA: ("flows_told", "Live flows that replicas told the NIC when they attached."),
    FLOWS_EXPIRED: ("flows_expired", "Flows forgotten because they were over, or idle for too long."),
    FLOWS_EVICTED: ("flows_evicted", "Flows that were over, forgotten early to make room in a full table."),
    FLOWS_FULL: (
        "flows_full",
        "New flows steered by RSS alone, or a replica's SYN not sent, because the table is full.",
    ),
    FLOW_UNKNOWN: ("flow_unknown", "TCP segments without SYN of flows that are not tracked, steered by RSS."),
    FLOW_CONFLICT: (
        "flow_conflict",
        "Claims of a replica on a flow that belongs to another live one, refused; a SYN does not leave.",
    ),
    FLOW_MOVED: ("flow_moved", "SYNs for a tracked flow that is over, or whose replica takes none: new flows."),
    TX_RETRY: ("tx_retry", "Frames that the device had no room for and that were written later."),
    PEER_FAULTS: ("peer_faults", "Queues closed because the replica at the other end broke their rules."),
    MIRROR_FULL: ("mirror_full", "Copies of frames lost because the mirror that somebody asked for was full."),
    FILTERED: ("filtered", "Frames of no tracked flow that an exact filter gave to a replica."),
    DROP_RUNT: ("drop_runt", "Frames shorter than an Ethernet header."),
    DROP_OTHER_HOST: ("drop_other_host", "Frames to the Ethernet address of another host."),
    DROP_ETHERTYPE: ("drop_ethertype", "Frames of a protocol other than IPv4, IPv6 and ARP, tagged ones among them."),
    DROP_ARP: ("drop_arp", "ARP packets that are truncated or not for Ethernet and IPv4."),
    DROP_IP_HEADER: ("drop_ip_header", "IP datagrams whose version or header length is nonsense."),
    DROP_IP_LENGTH: ("drop_ip_length", "IP datagrams longer than their frame or shorter than their header."),
    DROP_TRANSPORT: ("drop_transport", "TCP, UDP and ICMP headers that are truncated or give a false length."),
    DROP_QUOTE: ("drop_quote", "ICMP errors whose quoted datagram cannot be read."),
    DROP_MULTICAST: ("drop_multicast", "Multicast that nobody joined, and TCP to a group or broadcast address."),
    DROP_FRAGMENT: ("drop_fragment", "Fragments that came before their first one, or long after it."),
    DROP_NO_QUEUE: ("drop_no_queue", "Frames that found no replica which accepts them."),
    DROP_QUEUE_CLOSED: ("drop_queue_closed", "Frames of flows whose replica is dead or not yet ready."),
    DROP_IMPAIRED_IN: ("drop_impaired_in", "Frames from the device lost by the impairment that was asked for."),
    DROP_IMPAIRED_OUT: ("drop_impaired_out", "Frames to the device lost by the impairment that was asked for."),
    DROP_IMPAIR_FULL_IN: ("drop_impair_full_in", "Frames from the device for which an impairment's queue had no room."),
    DROP_IMPAIR_FULL_OUT: ("drop_impair_full_out", "Frames to the device for which an impairment's queue had no room."),
    IMPAIR_DELAYED_IN: ("impair_delayed_in", "Frames from the device held back by delay, jitter or rate."),
    IMPAIR_DELAYED_OUT: ("impair_delayed_out", "Frames to the device held back by delay, jitter or rate."),
    IMPAIR_REORDERED_IN: ("impair_reordered_in", "Frames from the device that overtook others, or were overtaken."),
    IMPAIR_REORDERED_OUT: ("impair_reordered_out", "Frames to the device that overtook others, or were overtaken."),
    IMPAIR_DUPLICATED_IN: ("impair_duplicated_in", "Frames from the device delivered twice on purpose."),
    IMPAIR_DUPLICATED_OUT: ("impair_duplicated_out", "Frames to the device sent twice on purpose."),
    IMPAIR_CORRUPTED_IN: ("impair_corrupted_in", "Frames from the device in which one bit was turned."),
    IMPAIR_CORRUPTED_OUT: ("impair_corrupted_out", "Frames to the device in which one bit was turned."),
    DROP_TX_REFUSED: ("drop_tx_refused", "Frames that the device refused: bad offload request, or link down."),
}
"""Name and meaning of each counter, by number."""

PER_REPLICA: dict[str, str] = {
    "to_replica_N": "Frames put into the queue of replica N, over all its incarnations.",
    "from_replica_N": "Frames of replica N written to the device, over all its incarnations.",
}
"""Counted in nic/queue_pair.py, once for each replica."""

ROOM = 60


class Counters:
    """The counters of one driver; all begin at 0."""

    def __init__(self) -> None:
        self._memory = Memory(bytearray(8 * ROOM))

    def add(self, counter: int, amount: int) -> None:
        self._memory.store64(counter << 3, self._memory.load64(counter << 3) + amount)

    def get(self, counter: int) -> int:
        return self._memory.load64(counter << 3)

    def put(self, counter: int, value: int) -> None:
        self._memory.store64(counter << 3, value)

    def drops(self) -> int:
        """The sum over all reasons for a drop, a full queue among them."""
        drops = (counter for counter in DECLARED if FIRST_DROP <= counter <= LAST_DROP)
        return self.get(QUEUE_FULL) + sum(self.get(counter) for counter in drops)

    def read(self) -> dict[str, int]:
        """All counters by name."""
        return {name: self.get(counter) for counter, (name, _) in DECLARED.items()}
