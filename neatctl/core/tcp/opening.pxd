import cython

from neatctl.core.ip.output cimport Path
from neatctl.core.tcp.application cimport Application, Listener
from neatctl.core.tcp.congestion cimport Congestion
from neatctl.core.tcp.cookies cimport send_cookie, take_cookie
from neatctl.core.tcp.ending cimport fail
from neatctl.core.tcp.loss cimport measure
from neatctl.core.tcp.reply cimport reply_reset
from neatctl.core.tcp.segment_out cimport announced_mss
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Flow, Tcb
from neatctl.core.tcp.telling cimport tell
from neatctl.core.wire.seq cimport before, unwrap
from neatctl.core.wire.tcp_header cimport Segment

cdef long long _ECE, _MARKS
cdef long long _ACK, _RST, _SYN, _ACTIVE_OPEN, _CLOSE_CALLED, _SYN_ARRIVED, _SYN_ACKED, _TIMESTAMPS_OCTETS
cdef long long _DEFAULT_MSS4, _DEFAULT_MSS6, _KEY_IPV4, _LEAST_MSS, _UNWRAPPED, _NEVER, _MASK, _COOKIES_US
cdef int _ECONNREFUSED


cdef class HalfOpen(Flow):
    cdef readonly Path path
    cdef readonly Listener listener
    cdef readonly long long iss, irs, ts_recent_us, rtt_us, challenge_us
    cdef readonly unsigned int ts_recent
    cdef readonly int rcv_wnd, snd_wnd, mss
    cdef readonly short rcv_scale, snd_scale, backoff, unanswered
    cdef readonly unsigned char ts_ok, sack_ok, scale_ok, ecn_ok


@cython.locals(entry=HalfOpen, listener=Listener)
cpdef fold(Tables tables, Tcb tcb, long long now)
@cython.locals(listener=Listener, tcb=Tcb)
cpdef Tcb unfold(Tables tables, HalfOpen entry, long long now)
@cython.locals(listener=Listener, mss=cython.longlong, maxseg=cython.longlong)
cpdef Tcb arrive_closed(Tables tables, Segment segment, bytes key, long long floor, long long now)
@cython.locals(tcb=Tcb)
cpdef Tcb open_actively(Tables tables, Application app, bytes key, long long floor, object options, long long now)
@cython.locals(acked=cython.bint)
cpdef arrive_syn_sent(Tables tables, Tcb tcb, Segment segment, long long now)
@cython.locals(listener=Listener)
cpdef establish(Tables tables, Tcb tcb, Segment segment, long long now)
@cython.locals(tcb=Tcb)
cdef _open_passively(Tables tables, Listener listener, Segment segment, bytes key, long long floor, long long now)
@cython.locals(iss=cython.longlong)
cdef _choose_iss(Tables tables, Tcb tcb, long long floor, long long now)
@cython.locals(mss=cython.longlong)
cdef _take_syn(Tables tables, Tcb tcb, Segment segment, long long irs, long long now)
cdef _number_from(Tcb tcb, long long iss)
@cython.locals(listener=Listener, tcb=Tcb)
cdef Tcb _open_by_cookie(Tables tables, Segment segment, bytes key, long long now)
@cython.locals(tcb=Tcb)
cdef Tcb _begin_passively(Tables tables, Listener listener, bytes key, long long now)
cdef _take_options(Tables tables, Tcb tcb, object options)
cdef long long _receive_octets(Tables tables, object options) except -1
cdef bint _may_connect(bytes key) except -1
cdef long long _default_mss(bytes key) except -1
