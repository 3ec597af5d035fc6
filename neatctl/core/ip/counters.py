"""What the link and network layers of a replica count. Totals since its start, one sentence each."""

from __future__ import annotations

SENTENCES = {
    "received": "IP packets received, bad ones too.",
    "sent": "IP packets handed to the NIC queue; a super-frame is one.",
    "arp_in": "ARP packets received.",
    "arp_out": "ARP packets sent.",
    "address_conflicts": "Claims of other stations on an address of ours.",
    "addresses_given_up": "IPv6 addresses of ours not used because another station has them.",
    "nd_in": "Neighbour Discovery messages received.",
    "nd_out": "Neighbour Discovery messages and listener reports sent.",
    "echo_replies": "ICMP echo requests answered.",
    "errors_out": "ICMP errors sent.",
    "errors_in": "ICMP errors received that quote a packet.",
    "fragments_in": "Fragments received that could be part of a datagram.",
    "fragments_out": "Fragments sent.",
    "reassembled": "Datagrams put together from fragments.",
    "held": "Packets held until their neighbour is resolved.",
    "drop_short": "Frames too short for their headers.",
    "drop_ethernet": "Frames for another station, or of an unknown protocol.",
    "drop_arp": "ARP packets that are malformed or about others.",
    "drop_header": "IP packets with a malformed header.",
    "drop_checksum": "IPv4 headers or ICMP messages with a wrong checksum.",
    "drop_source": "IP packets from an address that nobody can have.",
    "drop_destination": "IP packets for another address, or for a group that does not take them.",
    "drop_options": "IPv4 packets with a source route or malformed options.",
    "drop_extension": "IPv6 packets with extension headers that are malformed, refused, or lead to nothing.",
    "drop_nd": "Neighbour Discovery messages and listener queries that are malformed or about others.",
    "drop_fragment": "Fragments that are malformed, or lack the headers of a first one.",
    "drop_fragment_again": "Fragments that came twice.",
    "drop_fragment_overlap": "Fragments that overlap or contradict others, and all that followed of their datagram.",
    "drop_fragment_limit": "Datagrams given up because there were too many fragments.",
    "drop_fragment_time": "Datagrams given up because not all fragments came in a minute.",
    "drop_icmp": "ICMP messages that need no answer.",
    "drop_rate": "ICMP errors not sent because there were too many.",
    "drop_unresolved": "Packets dropped because their neighbour did not answer.",
    "drop_queue_full": "ICMP, ARP and ND packets and fragments dropped because the NIC queue was full.",
    "drop_record": "Records of a NIC queue of an unknown kind.",
}


class IpCounters:
    """See SENTENCES."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.arp_in = 0
        self.arp_out = 0
        self.address_conflicts = 0
        self.addresses_given_up = 0
        self.nd_in = 0
        self.nd_out = 0
        self.echo_replies = 0
        self.errors_out = 0
        self.errors_in = 0
        self.fragments_in = 0
        self.fragments_out = 0
        self.reassembled = 0
        self.held = 0
        self.drop_short = 0
        self.drop_ethernet = 0
        self.drop_arp = 0
        self.drop_header = 0
        self.drop_checksum = 0
        self.drop_source = 0
        self.drop_destination = 0
        self.drop_options = 0
        self.drop_extension = 0
        self.drop_nd = 0
        self.drop_fragment = 0
        self.drop_fragment_again = 0
        self.drop_fragment_overlap = 0
        self.drop_fragment_limit = 0
        self.drop_fragment_time = 0
        self.drop_icmp = 0
        self.drop_rate = 0
        self.drop_unresolved = 0
        self.drop_queue_full = 0
        self.drop_record = 0

    def as_dict(self) -> dict[str, int]:
        """All counters, each name with `ip_` before it."""
        return {f"ip_{name}": getattr(self, name) for name in SENTENCES}
