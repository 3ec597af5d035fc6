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
    cdef public long long state


cdef class Tcb(Flow):
    cdef public Path path
    cdef public Application app
    cdef public Listener listener
    cdef public long long ports, id
    cdef public long long iss, snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2, max_wnd, snd_scale, mss
    cdef public SendBuffer buffer
    cdef public long long buffer_seq, fin_seq, small_end, room, room_owed
    cdef public long long irs, rcv_nxt, rcv_adv, rcv_scale, unread, unacked, last_ack, peer_fin, held_octets
    cdef public Reassembly reassembly
    cdef public list held
    cdef public long long ts_recent, ts_recent_us
    cdef public long long srtt_us, rttvar_us, rto_us, rtt_seq, rtt_us, backoff, unanswered
    cdef public Congestion cc
    cdef public Flight flight
    cdef public Repair repair
    cdef public long long dup_acks, recovery, recover, sent_us, min_rtt_us
    cdef public long long rtx_us, rack_us, tail_end, ack_us, slow_us, challenge_us, dups_owed
    cdef public long long heard_us, receive_octets, room_lump
    cdef public long long taken, taken_before, taken_us, grown_octets
    cdef public object options, rare
    cdef public int error, soft_error, cork
    cdef public bint fin_queued, nodelay, ts_ok, sack_ok, scale_ok, cwnd_limited, persist
    cdef public bint dirty, syn_owed, ack_now, probe_owed, tail_owed, tail_again, reset_owed
    cdef public bint ecn_ok, echo_owed, cwr_owed, twice_owed
    cdef public bint quickack, orphan, waiting, owes_accepted, owes_end
    cpdef Flight in_flight(self)
    cpdef object rarely(self)
    cpdef on(self, long long event)
    cpdef long long data_end(self) noexcept
    @cython.locals(end=cython.longlong)
    cpdef bint unsent(self) noexcept
