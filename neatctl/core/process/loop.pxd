import cython

from neatctl.core.native cimport Epoll, now_us, yield_cpu
from neatctl.core.spin cimport Spin

cdef long long _SERVICE_US, _OVERDUE_US, _NEVER


cdef class Work:
    cpdef long long turn(self, long long now) except? -1
    cpdef bint arm(self) except? -1
    cpdef disarm(self)
    cpdef long long deadline(self) except? -2


cdef class Loop:
    cdef public Work work
    cdef readonly Spin spin
    cdef public long long turns, busy_turns, sleeps
    cdef public bint running
    cdef Epoll _epoll
    cdef dict _callbacks
    cdef list _timers
    cdef list _soon
    cdef long long _timer_at
    @cython.locals(idle=cython.longlong, service_at=cython.longlong, now=cython.longlong, work=Work, spin=Spin, done=cython.longlong)
    cpdef run(self)
    @cython.locals(sleep=cython.longlong)
    cdef long long _sleep_us(self, long long now, long long deadline) except? -2
    @cython.locals(epoll=Epoll, count=cython.longlong, i=cython.longlong, soon=list, now=cython.longlong)
    cdef bint _service(self, long long timeout_us) except? -1
    @cython.locals(due=cython.longlong)
    cdef _run_timers(self, long long now)
