"""What TCP counts: one integer per counter, one sentence each. Totals since the replica's start."""

from __future__ import annotations

SENTENCES = {
    "segments_in": "Segments that arrived from IP, bad ones too.",
    "segments_out": "Segments handed to IP; a super-frame is one.",
    "octets_in": "Octets of payload that were new and in order.",
    "octets_out": "Octets of payload sent for the first time.",
    "opened": "Connections that this side opened.",
    "accepted": "Connections that became established from a listener.",
    "closed": "Connections that ended in order.",
    "resets_in": "Connections that the peer's RST ended.",
    "resets_out": "RST segments sent.",
    "aborted": "Connections that the application, or its end, reset.",
    "timeouts": "Connections given up because the peer no longer answered.",
    "half_open_timeouts": "Handshakes of listeners given up because the peer never acknowledged the SYN.",
    "fast_retransmits": "Loss recoveries begun by duplicate or selective acknowledgments.",
    "retransmits": "Segments sent again.",
    "recoveries_undone": "Loss recoveries taken back: nothing had been lost (RFC 2883, RFC 3522, RFC 4015, RFC 5682).",
    "duplicates_reported": "Reports of the peer that octets came twice (RFC 2883).",
    "reports_reneged": "Times that the peer dropped what it had reported by SACK (RFC 2018).",
    "ecn_reductions": "Decreases of cwnd because a router marked segments (RFC 3168).",
    "ecn_marks_in": "Segments that a router marked on their way to us (RFC 3168).",
    "duplicates_in": "Segments whose octets had all arrived already.",
    "retransmission_timeouts": "Expiries of the retransmission timer.",
    "tail_probes": "Probes of the last segments in flight, sent before the retransmission timer (RFC 8985).",
    "window_probes": "Probes of a closed window.",
    "duplicate_acks_in": "Acknowledgments that repeated the last one while data was in flight.",
    "out_of_order_in": "Segments kept because an earlier one was missing.",
    "challenge_acks": "ACKs sent to make a peer prove its RST, SYN or acknowledgment (RFC 5961).",
    "cookies_sent": "SYNs answered by a cookie because the backlog was full (RFC 4987).",
    "cookies_taken": "Connections made from the ACK of a cookie.",
    "cookies_refused": "ACKs without a connection that held no valid cookie while cookies were believed.",
    "accepts_deferred": "Handshakes that wait for the first octets (TCP_DEFER_ACCEPT).",
    "keep_alive_probes": "Probes of peers that had been silent.",
    "keep_alive_timeouts": "Connections given up because the peer answered no such probe.",
    "urgent_in": "Times that the peer moved its urgent pointer ahead.",
    "paths_narrowed": "Times that a router said, credibly, that segments were too large.",
    "black_holes": "Times that smaller segments were tried because full ones vanished.",
    "time_waits": "Connections that entered TIME-WAIT.",
    "time_waits_reused": "TIME-WAITs replaced by a new connection (RFC 6191).",
    "time_waits_early": "TIME-WAITs ended early because there were too many.",
    "unreachables": "ICMP errors that concerned a connection.",
    "drop_length": "Segments whose length contradicts their header.",
    "drop_flags": "Segments with SYN and FIN, or SYN and RST; without SYN, ACK and RST to a listener.",
    "drop_checksum": "Segments with a wrong checksum.",
    "drop_address": "SYNs from or to an address that can have no connection (MUST-57, MUST-63).",
    "drop_sequence": "Segments outside the receive window.",
    "drop_paws": "Segments with a timestamp of the past (RFC 7323 section 5).",
    "drop_ack": "Segments without ACK, or acknowledging what was never sent.",
    "drop_reset": "RST segments outside the window, or for no connection.",
    "drop_listen_overflow": "SYNs and ACKs of cookies dropped because too many connections were not yet taken.",
    "drop_connections": "SYNs dropped because the replica has as many connections as it may.",
    "drop_out_of_order": "Out-of-order segments for which there was no room.",
    "drop_unreachable": "ICMP errors that quote no sequence number in flight (RFC 5927).",
    "drop_too_big": "ICMP errors that claim too much about the MTU of a path (RFC 5927).",
    "records_late": "Socket records for connections or listeners that were gone.",
    "queue_full": "Times that the NIC queue had no room for a segment.",
    "application_full": "Times that an application's channel had no room for a record.",
}
"""Name to meaning, in the order in which they are shown."""


class TcpCounters:
    """One attribute per counter of SENTENCES."""

    def __init__(self) -> None:
        self.segments_in = 0
        self.segments_out = 0
        self.octets_in = 0
        self.octets_out = 0
        self.opened = 0
        self.accepted = 0
        self.closed = 0
        self.resets_in = 0
        self.resets_out = 0
        self.aborted = 0
        self.timeouts = 0
        self.half_open_timeouts = 0
        self.fast_retransmits = 0
        self.retransmits = 0
        self.recoveries_undone = 0
        self.duplicates_reported = 0
        self.reports_reneged = 0
        self.ecn_reductions = 0
        self.ecn_marks_in = 0
        self.duplicates_in = 0
        self.retransmission_timeouts = 0
        self.tail_probes = 0
        self.window_probes = 0
        self.duplicate_acks_in = 0
        self.out_of_order_in = 0
        self.challenge_acks = 0
        self.cookies_sent = 0
        self.cookies_taken = 0
        self.cookies_refused = 0
        self.accepts_deferred = 0
        self.keep_alive_probes = 0
        self.keep_alive_timeouts = 0
        self.urgent_in = 0
        self.paths_narrowed = 0
        self.black_holes = 0
        self.time_waits = 0
        self.time_waits_reused = 0
        self.time_waits_early = 0
        self.unreachables = 0
        self.drop_length = 0
        self.drop_flags = 0
        self.drop_checksum = 0
        self.drop_address = 0
        self.drop_sequence = 0
        self.drop_paws = 0
        self.drop_ack = 0
        self.drop_reset = 0
        self.drop_listen_overflow = 0
        self.drop_connections = 0
        self.drop_out_of_order = 0
        self.drop_unreachable = 0
        self.drop_too_big = 0
        self.records_late = 0
        self.queue_full = 0
        self.application_full = 0

    def as_dict(self) -> dict[str, int]:
        """All counters, each name with `tcp_` before it."""
        return {f"tcp_{name}": getattr(self, name) for name in SENTENCES}
