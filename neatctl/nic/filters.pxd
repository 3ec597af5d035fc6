import cython

from neatctl.core.native cimport Memory
from neatctl.nic.tracking cimport Tracking


cdef class Filters:
    cdef readonly long long count
    cdef Tracking _table
    @cython.locals(slot=cython.longlong)
    cpdef long long replica(self, Memory key, long long kind, long long hashed) except -1
