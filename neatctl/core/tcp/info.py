"""A connection as TCP_INFO shows it (channel/tcp_info.py). Not on the packet path; knows no records."""

from __future__ import annotations

from neatctl.core.channel import tcp_info as layout
from neatctl.core.tcp import states as s
from neatctl.core.tcp.segment_out import announced_mss
from neatctl.core.tcp.tables import Tables
from neatctl.core.tcp.tcb import FAST, LOSS, Tcb

_LINUX_STATES = {
    s.ESTABLISHED: 1,
    s.SYN_SENT: 2,
    s.SYN_RECEIVED: 3,
    s.FIN_WAIT_1: 4,
    s.FIN_WAIT_2: 5,
    s.TIME_WAIT: 6,
    s.CLOSED: 7,
    s.CLOSE_WAIT: 8,
    s.LAST_ACK: 9,
    s.LISTEN: 10,
    s.CLOSING: 11,
}
"""As <net/tcp_states.h> numbers them."""
_HEADERS_IPV4, _HEADERS_IPV6 = 40, 60
_KEY_IPV4 = 12
_MOST = 0xFFFFFFFF


GONE = layout.TcpInfo(state=_LINUX_STATES[s.CLOSED]).octets()
"""What is told of a connection that is over."""


def tcp_info(tables: Tables, tcb: Tcb, now: int) -> bytes:
    """The octets of Linux's structure."""
    mss = max(tcb.mss, 1)
    options = (layout.TIMESTAMPS if tcb.ts_ok else 0) | (layout.SACK if tcb.sack_ok else 0)
    options |= layout.SCALE if tcb.scale_ok else 0
    ca_state = {FAST: layout.RECOVERY, LOSS: layout.LOSS}.get(tcb.recovery, layout.OPEN)
    if ca_state == layout.OPEN and tcb.dup_acks:
        ca_state = layout.DISORDER
    headers = _HEADERS_IPV4 if len(tcb.key) == _KEY_IPV4 else _HEADERS_IPV6
    flight = tcb.flight
    rare = tcb.rare
    return layout.TcpInfo(
        state=_LINUX_STATES[tcb.state],
        ca_state=ca_state,
        retransmits=min(tcb.unanswered, 255),
        probes=min(rare.keep_probes if rare is not None else tcb.unanswered if tcb.persist else 0, 255),
        backoff=min(tcb.backoff, 255),
        options=options,
        wscale=tcb.snd_scale | tcb.rcv_scale << 4,
        rto=min(tcb.rto_us << tcb.backoff, _MOST),
        ato=40_000,
        snd_mss=tcb.mss,
        rcv_mss=announced_mss(tables, tcb),
        unacked=-(-(tcb.snd_nxt - tcb.snd_una) // mss),
        sacked=-(-(flight.sacked if flight is not None else 0) // mss),
        lost=-(-(flight.lost if flight is not None else 0) // mss),
        last_data_sent=_ago_ms(tcb.sent_us, now),
        last_data_recv=_ago_ms(tcb.heard_us, now),
        last_ack_recv=_ago_ms(tcb.heard_us, now),
        pmtu=tcb.mss + headers + (12 if tcb.ts_ok else 0),
        rtt=tcb.srtt_us,
        rttvar=tcb.rttvar_us,
        snd_ssthresh=tcb.cc.ssthresh // mss if tcb.cc.ssthresh < 1 << 31 else layout.INFINITE_SSTHRESH,
        snd_cwnd=min(tcb.cc.cwnd // mss, _MOST),
        advmss=announced_mss(tables, tcb),
        rcv_space=tcb.receive_octets,
        bytes_acked=max(tcb.snd_una - tcb.iss - 1, 0),
        bytes_received=max(tcb.rcv_nxt - tcb.irs - 1, 0),
        notsent_bytes=max(tcb.data_end() - tcb.snd_nxt, 0),
        bytes_sent=max(tcb.snd_nxt - tcb.iss - 1, 0),
        snd_wnd=min(tcb.snd_wnd, _MOST),
        rcv_wnd=min(max(tcb.rcv_adv - tcb.rcv_nxt, 0), _MOST),
    ).octets()


def _ago_ms(then_us: int, now: int) -> int:
    return min((now - then_us) // 1000, _MOST) if then_us else 0
