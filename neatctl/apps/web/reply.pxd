import cython


cdef class Reply:
    cdef readonly long long status, start, stop, stamp
    cdef readonly bint closes
    cdef public Reply closing
    cdef readonly bytes before, after, body, ready
    cpdef refresh(self, bytes date, long long stamp)
