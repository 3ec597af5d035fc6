import cython

from neatctl.core.native cimport Memory
from neatctl.nic.tracking cimport Tracking

cdef long long _TCP, _UDP, _TCP4, _TCP6


cdef class Filters:
    cdef readonly long long count
    cdef Tracking _tcp, _udp
    @cython.locals(table=Tracking, slot=cython.longlong)
    cpdef long long replica(self, Memory key, long long octets, long long protocol, long long hashed) except -1
