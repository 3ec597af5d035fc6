from neatctl.core.native cimport Memory


cdef class Device:
    cpdef long long read(self, Memory memory, long long at) except? -3
    cpdef long long write(self, Memory memory, long long at, long long octets) except? -3
