import cython

from neatctl.core.tcp.isn cimport Secrets


cdef class LocalEnd:
    cdef readonly long long number, port, family_octets
    cdef readonly bytes address
    cpdef long long fit(self, bytes key, long long octets) except -1


cdef class LocalEnds:
    cdef readonly dict ports
    cdef Secrets _secrets
    @cython.locals(found=LocalEnd, end=LocalEnd, candidates=list, octets=cython.longlong, fit=cython.longlong, best=cython.longlong, equals=cython.longlong)
    cpdef LocalEnd find(self, bytes key)
