import cython

from neatctl.core.native cimport Memory


cdef class Rss:
    cdef Memory _words, _table
    @cython.locals(words=Memory, value=cython.longlong, base=cython.longlong, i=cython.longlong, part=cython.longlong)
    cpdef long long hash(self, Memory memory, long long at, long long octets) except? -1
    cpdef long long replica(self, long long value) except? -1
