import cython

from neatctl.core.native cimport Memory

cdef long long _BITS, _SPREAD, _MASK32, _ROOM


cdef class SeenFlows:
    cdef readonly long long count
    cdef readonly bint full
    cdef Memory _memory
    @cython.locals(memory=Memory, place=cython.longlong, held=cython.longlong)
    cpdef bint add(self, long long hashed) except -1
