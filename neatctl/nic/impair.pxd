cdef long long MASK32


cdef class Impairment:
    cdef readonly double loss
    cdef readonly bint active
    cdef long long _limit, _in, _out
    cpdef bint lose_in(self) except? -1
    cpdef bint lose_out(self) except? -1
    cdef long long _next(self, long long value) except? -1
