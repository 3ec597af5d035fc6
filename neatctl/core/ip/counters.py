"""What the link and network layers of a replica count. Totals since its start, one sentence each."""

from __future__ import annotations

SENTENCES = {
    "received": "IPv4 packets received, bad ones too.",
    "sent": "IPv4 packets handed to the NIC queue; a super-frame is one.",
    "arp_in": "ARP packets received.",
    "arp_out": "ARP packets sent.",
    "echo_replies": "ICMP echo requests answered.",
    "errors_out": "ICMP errors sent.",
    "errors_in": "ICMP errors received that quote a packet.",
    "held": "Packets held until their neighbour is resolved.",
    "drop_short": "Frames too short for their headers.",
    "drop_ethernet": "Frames for another station, or of an unknown protocol.",
    "drop_arp": "ARP packets that are malformed or about others.",
    "drop_header": "IPv4 packets with a malformed header.",
    "drop_checksum": "IPv4 headers or ICMP messages with a wrong checksum.",
    "drop_source": "IPv4 packets from an address that nobody can have.",
    "drop_destination": "IPv4 packets for another address.",
    "drop_fragment": "IPv4 fragments, which are not reassembled yet.",
    "drop_icmp": "ICMP messages that need no answer.",
    "drop_rate": "ICMP errors not sent because there were too many.",
    "drop_unresolved": "Packets dropped because their neighbour did not answer ARP.",
    "drop_queue_full": "ICMP and ARP packets dropped because the NIC queue was full.",
    "drop_record": "Records of a NIC queue of an unknown kind.",
}


class IpCounters:
    """See SENTENCES."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.arp_in = 0
        self.arp_out = 0
        self.echo_replies = 0
        self.errors_out = 0
        self.errors_in = 0
        self.held = 0
        self.drop_short = 0
        self.drop_ethernet = 0
        self.drop_arp = 0
        self.drop_header = 0
        self.drop_checksum = 0
        self.drop_source = 0
        self.drop_destination = 0
        self.drop_fragment = 0
        self.drop_icmp = 0
        self.drop_rate = 0
        self.drop_unresolved = 0
        self.drop_queue_full = 0
        self.drop_record = 0

    def as_dict(self) -> dict[str, int]:
        """All counters, each name with `ip_` before it."""
        return {f"ip_{name}": getattr(self, name) for name in SENTENCES}
