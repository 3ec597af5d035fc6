cimport cython
from libc.string cimport memcmp, memcpy


@cython.final
cdef class Octets:
    cdef unsigned char *p
    cdef readonly Py_ssize_t octets

    cdef int outside(self, Py_ssize_t at, Py_ssize_t octets) except -1

    cdef inline int check(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        if at < 0 or octets < 0 or at > self.octets - octets:
            self.outside(at, octets)
            return -1
        return 0

    cpdef inline long long get8(self, Py_ssize_t at) except -1:
        self.check(at, 1)
        return self.p[at]

    cpdef inline bint equal(self, Py_ssize_t at, Octets other, Py_ssize_t other_at, Py_ssize_t octets) except -1:
        self.check(at, octets)
        other.check(other_at, octets)
        return memcmp(self.p + at, other.p + other_at, octets) == 0

    cpdef inline int copy(self, Py_ssize_t at, Octets source, Py_ssize_t source_at, Py_ssize_t octets) except -1:
        self.check(at, octets)
        source.check(source_at, octets)
        memcpy(self.p + at, source.p + source_at, octets)
        return 0

    cpdef Py_ssize_t head_end(self, Py_ssize_t at, Py_ssize_t octets) except? -2
    cpdef int put(self, Py_ssize_t at, bytes data) except -1
    cpdef bytes bytes(self, Py_ssize_t at, Py_ssize_t octets)
