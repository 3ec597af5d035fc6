import cython

cdef long long _MASK


cdef class Secrets:
    cdef object _keyed
    cdef readonly long long timestamp_offset
    @cython.locals(digest=bytes, secret=cython.longlong)
    cpdef long long isn(self, bytes connection, long long now) except -1
