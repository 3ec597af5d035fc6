"""What TCP_INFO tells of a connection: Linux's `struct tcp_info` (<linux/tcp.h>), as octets and as a named tuple.

Times are microseconds but for the four `last_*`, which are milliseconds; cwnd and ssthresh count segments, as there.
Fields that this stack does not keep are 0. Knows the layout only.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_LAYOUT = struct.Struct("=8B24I4Q6I4Q2I2Q6I")
OCTETS = _LAYOUT.size
"""240: the structure up to `rehash`."""

TIMESTAMPS, SACK, SCALE = 1, 2, 4
"""Bits of `options`."""
OPEN, DISORDER, REDUCED, RECOVERY, LOSS = range(5)
"""Values of `ca_state`."""
INFINITE_SSTHRESH = 0x7FFFFFFF


class TcpInfo(NamedTuple):
    """The fields in their order in the structure."""

    state: int = 0
    ca_state: int = 0
    retransmits: int = 0
    probes: int = 0
    backoff: int = 0
    options: int = 0
    wscale: int = 0
    """The peer's window scale in the low four bits, ours in the high ones."""
    flags: int = 0
    rto: int = 0
    ato: int = 0
    snd_mss: int = 0
    rcv_mss: int = 0
    unacked: int = 0
    sacked: int = 0
    lost: int = 0
    retrans: int = 0
    fackets: int = 0
    last_data_sent: int = 0
    last_ack_sent: int = 0
    last_data_recv: int = 0
    last_ack_recv: int = 0
    pmtu: int = 0
    rcv_ssthresh: int = 0
    rtt: int = 0
    rttvar: int = 0
    snd_ssthresh: int = 0
    snd_cwnd: int = 0
    advmss: int = 0
    reordering: int = 0
    rcv_rtt: int = 0
    rcv_space: int = 0
    total_retrans: int = 0
    pacing_rate: int = 0
    max_pacing_rate: int = 0
    bytes_acked: int = 0
    bytes_received: int = 0
    segs_out: int = 0
    segs_in: int = 0
    notsent_bytes: int = 0
    min_rtt: int = 0
    data_segs_in: int = 0
    data_segs_out: int = 0
    delivery_rate: int = 0
    busy_time: int = 0
    rwnd_limited: int = 0
    sndbuf_limited: int = 0
    delivered: int = 0
    delivered_ce: int = 0
    bytes_sent: int = 0
    bytes_retrans: int = 0
    dsack_dups: int = 0
    reord_seen: int = 0
    rcv_ooopack: int = 0
    snd_wnd: int = 0
    rcv_wnd: int = 0
    rehash: int = 0

    def octets(self) -> bytes:
        """The structure."""
        return _LAYOUT.pack(*self)

    @classmethod
    def of(cls, octets: bytes) -> TcpInfo:
        """Out of the structure; ValueError if it is of another length."""
        if len(octets) != OCTETS:
            raise ValueError(f"{len(octets)} octets are no tcp_info")
        return cls(*_LAYOUT.unpack(octets))
