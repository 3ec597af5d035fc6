import cython

from neatctl.core.ip.output cimport Path
from neatctl.core.tcp.counters cimport TcpCounters
from neatctl.core.tcp.tcb cimport Flow, Tcb

cdef long long _CLOSED, _TIME_WAIT


cdef class TimeWait(Flow):
    cdef readonly Path path
    cdef readonly long long turn_us, snd_nxt, rcv_nxt, window, ts_recent
    cdef public long long silent_until_us


cdef class TimeWaits:
    cdef dict _flows
    cdef TcpCounters _counters
    cdef readonly long long time_wait_us
    cdef public long long limit
    cdef object _queue
    cdef long long _due_us
    @cython.locals(rest=TimeWait)
    cpdef TimeWait add(self, Tcb tcb, long long now)
    cpdef remove(self, TimeWait rest)
    @cython.locals(rest=TimeWait)
    cpdef expire(self, long long now)
    @cython.locals(rest=TimeWait)
    cpdef long long deadline(self) except? -2
    cdef _forget(self, TimeWait rest, bint early)
