import cython

from neatctl.core.native cimport now_us, yield_cpu

cdef long long _SERVICE_US, _OVERDUE_US


cdef class Work:
    cpdef long long turn(self, long long now) except? -1
    cpdef bint arm(self) except? -1
    cpdef disarm(self)
    cpdef long long deadline(self) except? -2


cdef class Loop:
    cdef public Work work
    cdef public long long spin, turns, busy_turns, sleeps
    cdef public bint running
    cdef object _epoll
    cdef dict _callbacks
    cdef list _timers
    @cython.locals(idle=cython.longlong, service_at=cython.longlong, now=cython.longlong, work=Work)
    cpdef run(self)
    @cython.locals(sleep=cython.longlong, due=cython.longlong)
    cdef long long _sleep_us(self, long long now, long long deadline) except? -2
    @cython.locals(due=cython.longlong)
    cdef bint _service(self, long long now, long long timeout_us) except? -1
