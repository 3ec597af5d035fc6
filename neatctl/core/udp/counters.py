"""What UDP counts: one integer per counter, one sentence each. Totals since the replica's start."""

from __future__ import annotations

SENTENCES = {
    "received": "Datagrams that arrived from IP, bad ones too.",
    "delivered": "Datagrams handed to an application.",
    "sent": "Datagrams handed to IP; one in fragments is one.",
    "unreachables": "ICMP errors about datagrams of ours.",
    "no_port": "Datagrams to a port that no socket is bound to; the sender is told by ICMP.",
    "drop_length": "Datagrams whose length contradicts their header.",
    "drop_checksum": "Datagrams with a wrong checksum, or over IPv6 with none.",
    "drop_application_full": "Datagrams dropped because the application's channel had no room.",
    "drop_queue_full": "Datagrams dropped because the NIC queue had no room.",
    "drop_no_way": "Datagrams of applications that cannot leave: no way, no such local address, or too large.",
    "records_late": "Datagrams of sockets that were gone.",
}


class UdpCounters:
    """See SENTENCES."""

    def __init__(self) -> None:
        self.received = 0
        self.delivered = 0
        self.sent = 0
        self.unreachables = 0
        self.no_port = 0
        self.drop_length = 0
        self.drop_checksum = 0
        self.drop_application_full = 0
        self.drop_queue_full = 0
        self.drop_no_way = 0
        self.records_late = 0

    def as_dict(self) -> dict[str, int]:
        """All counters, each name with `udp_` before it."""
        return {f"udp_{name}": getattr(self, name) for name in SENTENCES}
