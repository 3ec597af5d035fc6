import cython

from neatctl.core.tcp.congestion cimport Congestion
from neatctl.core.tcp.flight cimport Flight, Repair
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb
from neatctl.core.wire.seq cimport before
from neatctl.core.wire.tcp_header cimport Segment

cdef long long _THRESHOLD, _FAST, _LOSS, _OPEN, _NEVER, _NONE, _PATIENT_EPISODES
cdef long long _NO_TRIAL, _FIRST_ACK_DUE, _NEW_DUE, _SECOND_ACK_DUE

cpdef Repair repair_of(Tcb tcb)
@cython.locals(octets=cython.longlong)
cpdef long long pipe(Tcb tcb) except? -1
@cython.locals(repair=Repair)
cpdef enter(Tables tables, Tcb tcb, long long now)
@cython.locals(repair=Repair)
cpdef Repair reduce(Tcb tcb)
@cython.locals(repair=Repair)
cpdef sent_again(Tables tables, Tcb tcb, long long octets, long long now)
@cython.locals(repair=Repair, pipe_octets=cython.longlong, ssthresh=cython.longlong, count=cython.longlong, limit=cython.longlong)
cpdef proportion(Tcb tcb, long long delivered)
@cython.locals(repair=Repair)
cpdef leave(Tcb tcb)
@cython.locals(repair=Repair)
cpdef bint was_needless(Tcb tcb, Segment segment) except -1
@cython.locals(repair=Repair)
cpdef undo(Tables tables, Tcb tcb, long long now)
@cython.locals(repair=Repair)
cpdef end_trial(Tcb tcb)
@cython.locals(repair=Repair)
cpdef begin_trial(Tcb tcb)
@cython.locals(repair=Repair)
cpdef take_trial(Tables tables, Tcb tcb, long long now)
@cython.locals(repair=Repair)
cpdef take_duplicate_report(Tables tables, Tcb tcb, long long start, long long end, long long now)
@cython.locals(repair=Repair)
cpdef take_echo(Tables tables, Tcb tcb, long long ack)
@cython.locals(certain=cython.bint, repair=Repair, steps=cython.longlong)
cpdef long long patience_us(Tcb tcb, Flight flight) except? -1
