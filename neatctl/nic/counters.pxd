from neatctl.core.native cimport Memory


cdef class Counters:
    cdef Memory _memory
    cpdef add(self, long long counter, long long amount)
    cpdef put(self, long long counter, long long value)
    cpdef long long get(self, long long counter) except? -1
