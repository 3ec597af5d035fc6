cdef long long _SHIFT, _LARGE


cdef class Spin:
    cdef public long long limit
    cdef long long _burst
    cpdef took(self, long long records)
    cpdef bint again(self, long long idle) except? -1
