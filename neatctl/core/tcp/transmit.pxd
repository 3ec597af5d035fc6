import cython

from neatctl.core.tcp.congestion cimport Congestion
from neatctl.core.tcp.flight cimport Flight, Repair
from neatctl.core.tcp.loss cimport schedule_tail_probe
from neatctl.core.tcp.recovery cimport pipe, repair_of, sent_again
from neatctl.core.tcp.segment_out cimport put_reset, put_segment, put_syn
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb

cdef long long _ACK, _FIN, _PSH, _FAST, _OPEN, _CLOSED, _ESTABLISHED, _TIME_WAIT, _NEVER, _MAX_RTO_US, _MAX_DUPLICATES, _CORK_US, _CORKED
cdef long long _NEW_DUE, _NO_TRIAL, _SECOND_ACK_DUE

@cython.locals(sent=cython.longlong)
cpdef long long send_due(Tables tables, Tcb tcb, long long now) except -1
cdef long long _send_syn(Tables tables, Tcb tcb, long long now) except -1
cdef long long _send_probe(Tables tables, Tcb tcb, long long now) except -1
@cython.locals(octets=cython.longlong, seq=cython.longlong, again=cython.bint)
cdef long long _send_tail_probe(Tables tables, Tcb tcb, long long now) except -1
@cython.locals(sent=cython.longlong, mss=cython.longlong, end=cython.longlong, seq=cython.longlong, after=cython.longlong)
cdef long long _send_lost(Tables tables, Tcb tcb, Flight flight, long long now) except -1
@cython.locals(sent=cython.longlong)
cdef long long _send_trial(Tables tables, Tcb tcb, Repair repair, long long now) except -1
@cython.locals(sent=cython.longlong, end=cython.longlong, queued=cython.longlong, octets=cython.longlong)
cdef long long _send_new(Tables tables, Tcb tcb, long long now) except -1
@cython.locals(queued=cython.longlong)
cdef bint _corked(Tcb tcb, long long now) except -1
@cython.locals(mss=cython.longlong, seq=cython.longlong, octets=cython.longlong, window=cython.longlong, congestion=cython.longlong)
cdef long long _allowed(Tables tables, Tcb tcb, long long queued) except -1
cdef bint _nagle(Tcb tcb) noexcept
@cython.locals(end=cython.longlong, octets=cython.longlong, after=cython.longlong, flags=cython.longlong, again=cython.longlong, repair=Repair)
cdef long long _put_range(Tables tables, Tcb tcb, long long seq, long long length, long long now) except -1
cdef void _start_timer(Tcb tcb, long long now) noexcept
