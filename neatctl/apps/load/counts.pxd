cimport cython

cdef long long _HIGHEST_US, _HALF_SHIFT, _HALF, _FINEST


cdef class Counts:
    cdef long long[::1] counts
    cdef readonly long long total, sum_us, least_us, most_us
    @cython.locals(bucket=cython.longlong, part=cython.longlong)
    cpdef int record(self, long long value_us) except -1
