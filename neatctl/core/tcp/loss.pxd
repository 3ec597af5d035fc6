import cython

from neatctl.core.native cimport Memory
from neatctl.core.tcp.congestion cimport Congestion
from neatctl.core.tcp.flight cimport Flight, Repair
from neatctl.core.tcp.recovery cimport end_trial, enter, leave, patience_us, proportion, repair_of, take_duplicate_report, take_trial, undo, was_needless
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb
from neatctl.core.wire.seq cimport unwrap
from neatctl.core.wire.tcp_header cimport Segment

cdef long long _MIN_RTO_US, _MAX_RTO_US, _GRANULARITY_US, _MIN_TAIL_US, _MAX_ACK_DELAY_US, _RENEGED_US, _THRESHOLD
cdef long long _OPEN, _FAST, _LOSS, _NEVER, _MASK

@cython.locals(deviation=cython.longlong, rto=cython.longlong)
cpdef measure(Tcb tcb, long long rtt_us)
@cython.locals(news=cython.longlong, low=cython.longlong, memory=Memory, i=cython.longlong, start=cython.longlong, end=cython.longlong)
cpdef long long take_sack(Tables tables, Tcb tcb, Segment segment, long long now) except -1
@cython.locals(acked=cython.longlong, freed=cython.longlong, amiss=cython.bint, flight=Flight, repair=Repair)
cpdef take_ack(Tables tables, Tcb tcb, long long ack, long long news, Segment segment, long long now)
cpdef take_duplicate(Tables tables, Tcb tcb, long long news, long long now)
@cython.locals(flight=Flight)
cpdef look_again(Tables tables, Tcb tcb, long long now)
@cython.locals(due=cython.longlong)
cpdef schedule_tail_probe(Tcb tcb, long long now)
cpdef window_opened(Tcb tcb)
@cython.locals(memory=Memory, at=cython.longlong)
cdef bint _lies_within_next(Tcb tcb, Segment segment, long long start, long long end) except -1
@cython.locals(echoed_us=cython.longlong)
cdef _measure_ack(Tables tables, Tcb tcb, long long ack, Segment segment, long long now)
@cython.locals(mss=cython.longlong, flight=Flight, repair=Repair)
cdef _acknowledged_amiss(Tables tables, Tcb tcb, long long acked, long long delivered, Segment segment, long long now)
cdef _look(Tables tables, Tcb tcb, Flight flight, long long now)
