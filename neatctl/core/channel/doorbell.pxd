from neatctl.core.native cimport Memory


cdef class Doorbell:
    cdef readonly str path
    cdef readonly int fd
    cdef Memory _octets
    cpdef clear(self)


cdef class Ringer:
    cdef readonly int fd
    cdef public long long rings
    cdef Memory _octet
    cpdef ring(self)
