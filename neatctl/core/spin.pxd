cdef long long _SHIFT


cdef class Spin:
    cdef long long _burst, _large, _light, _heavy
    cpdef set(self, pace)
    cpdef took(self, long long records)
    cpdef bint again(self, long long idle) except? -1
