cdef long long _SHIFT


cdef class Spin:
    cdef public long long limit
    cdef long long _burst, _large
    cpdef set(self, long long limit, long long large_burst)
    cpdef took(self, long long records)
    cpdef bint again(self, long long idle) except? -1
