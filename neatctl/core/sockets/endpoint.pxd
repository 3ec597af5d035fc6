from neatctl.core.native cimport now_us
from neatctl.core.sockets.readiness cimport Watched
from neatctl.core.sockets.stack cimport Stack


cdef class Endpoint:
    cdef readonly Stack stack
    cdef public long long timeout_us
    cdef public bint closed
    cpdef close(self)
    cpdef Watched watched(self)
    cdef _wait(self, Watched watched, long long events, long long limit)
    cdef long long _limit(self) except? -1
    cdef _open(self)
