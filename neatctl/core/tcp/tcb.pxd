import cython

from neatctl.core.ip.output cimport Path
from neatctl.core.tcp.application cimport Application, Listener
from neatctl.core.tcp.congestion cimport Congestion, Cubic
from neatctl.core.tcp.flight cimport Flight, Repair
from neatctl.core.tcp.reassembly cimport Reassembly
from neatctl.core.tcp.send_buffer cimport BufferPool, SendBuffer
from neatctl.core.tcp.states cimport following
from neatctl.core.tcp.wheel cimport Timed
from neatctl.core.wire.tcp_header cimport answering_ports

cdef long long _CLOSED, _NEVER, _INITIAL_RTO_US, _LONG_US


cdef class Flow(Timed):
    cdef public bytes key
    cdef public int state


# Idle connections are many: no field is wider than what it holds.
cdef class Tcb(Flow):
    cdef public int snd_wnd, max_wnd, snd_scale, mss, room, room_owed, rcv_scale, unread, unacked, held_octets
    cdef public int backoff, unanswered, dup_acks, dups_owed, recovery, receive_octets, room_lump, grown_octets
    cdef public int error, soft_error, cork
    cdef public unsigned char fin_queued, nodelay, ts_ok, sack_ok, scale_ok, cwnd_limited, persist
    cdef public unsigned char dirty, syn_owed, ack_now, probe_owed, tail_owed, tail_again, reset_owed
    cdef public unsigned char ecn_ok, echo_owed, cwr_owed, twice_owed
    cdef public unsigned char quickack, orphan, waiting, owes_accepted, owes_end
    cdef public Path path
    cdef public Application app
    cdef public Listener listener
    cdef public long long ports, id
    cdef public long long iss, snd_una, snd_nxt, snd_wl1, snd_wl2
    cdef public SendBuffer buffer
    cdef public long long buffer_seq, fin_seq, small_end
    cdef public long long irs, rcv_nxt, rcv_adv, last_ack, peer_fin
    cdef public Reassembly reassembly
    cdef public list held
    cdef public long long ts_recent, ts_recent_us
    cdef public long long srtt_us, rttvar_us, rto_us, rtt_seq, rtt_us
    cdef public Congestion cc
    cdef public Flight flight
    cdef public Repair repair
    cdef public long long recover, sent_us, min_rtt_us
    cdef public long long rtx_us, rack_us, tail_end, ack_us, slow_us, challenge_us, heard_us
    cdef public long long taken, taken_before, taken_us
    cdef public object options, rare
    cpdef Flight in_flight(self)
    cpdef object rarely(self)
    cpdef on(self, long long event)
    cpdef long long data_end(self) noexcept
    @cython.locals(end=cython.longlong)
    cpdef bint unsent(self) noexcept
