# cython: language_level=3
"""A piece of memory whose octets are read, compared and copied without objects: see octets.py, the plain twin."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <string.h>
    #include <stddef.h>
    /* Where "\\r\\n\\r\\n" ends in n octets, or -1; the search goes from one line feed to the next. */
    static ptrdiff_t neat_head_end(const unsigned char *p, size_t n) {
        const unsigned char *from = p, *stop = p + n, *found;
        while (from < stop && (found = memchr(from, '\\n', stop - from)) != NULL) {
            if (found - p >= 3 && memcmp(found - 3, "\\r\\n\\r\\n", 4) == 0) return found - p + 1;
            from = found + 1;
        }
        return -1;
    }
    """
    ptrdiff_t neat_head_end(const unsigned char *p, size_t n) noexcept nogil


cdef class Octets:
    """So many octets of memory, zeros at first."""

    def __cinit__(self, Py_ssize_t octets):
        if octets < 0:
            raise ValueError(f"{octets} octets")
        self.p = <unsigned char *>calloc(max(octets, 1), 1)
        if self.p == NULL:
            raise MemoryError()
        self.octets = octets

    def __dealloc__(self):
        free(self.p)

    cdef int outside(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        raise IndexError(f"{octets} octets at {at} are outside {self.octets}")

    cpdef Py_ssize_t head_end(self, Py_ssize_t at, Py_ssize_t octets) except? -2:
        cdef Py_ssize_t end
        self.check(at, octets)
        end = neat_head_end(self.p + at, octets)
        return at + end if end >= 0 else -1

    cpdef int put(self, Py_ssize_t at, bytes data) except -1:
        self.check(at, len(data))
        memcpy(self.p + at, <const unsigned char *>data, len(data))
        return 0

    cpdef bytes bytes(self, Py_ssize_t at, Py_ssize_t octets):
        self.check(at, octets)
        return PyBytes_FromStringAndSize(<char *>self.p + at, octets)
