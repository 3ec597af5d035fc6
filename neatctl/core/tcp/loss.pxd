import cython

from neatctl.core.native cimport Memory
from neatctl.core.tcp.congestion cimport Congestion
from neatctl.core.tcp.ending cimport forget
from neatctl.core.tcp.scoreboard cimport Scoreboard
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb
from neatctl.core.wire.seq cimport unwrap
from neatctl.core.wire.tcp_header cimport Segment

cdef long long _MIN_RTO_US, _MAX_RTO_US, _GRANULARITY_US, _MAX_BACKOFF, _MIN_TAIL_US
cdef long long _RETRIES, _SYN_RETRIES, _SYN_ACK_RETRIES, _ORPHAN_RETRIES, _THRESHOLD
cdef long long _OPEN, _FAST, _LOSS, _CLOSED, _SYN_RECEIVED, _SYN_SENT, _NEVER, _MASK

@cython.locals(board=Scoreboard, lost=cython.longlong)
cpdef long long pipe(Tcb tcb) except? -1
cpdef long long lost_edge(Tcb tcb, Scoreboard board) except -1
@cython.locals(deviation=cython.longlong, rto=cython.longlong)
cpdef measure(Tcb tcb, long long rtt_us)
@cython.locals(news=cython.longlong, low=cython.longlong, memory=Memory, i=cython.longlong, start=cython.longlong, end=cython.longlong)
cpdef long long take_sack(Tcb tcb, Segment segment) except -1
@cython.locals(acked=cython.longlong, freed=cython.longlong)
cpdef take_ack(Tables tables, Tcb tcb, long long ack, Segment segment, long long now)
@cython.locals(board=Scoreboard, lost=cython.bint)
cpdef take_duplicate(Tables tables, Tcb tcb, long long now)
@cython.locals(due=cython.longlong)
cpdef schedule_tail_probe(Tcb tcb, long long now)
cpdef window_opened(Tcb tcb)
cpdef on_deadline(Tables tables, Tcb tcb, long long now)
@cython.locals(echoed_us=cython.longlong)
cdef _measure_ack(Tables tables, Tcb tcb, long long ack, Segment segment, long long now)
@cython.locals(mss=cython.longlong)
cdef _recover(Tcb tcb, long long acked, long long now)
@cython.locals(first=cython.bint)
cdef _on_timeout(Tables tables, Tcb tcb, long long now)
cdef long long _retries(Tcb tcb) noexcept
cdef _give_up(Tables tables, Tcb tcb)
