import cython

from neatctl.core.native cimport Memory

cdef Memory _NOTHING
cdef long long _SMALLEST, _SIZES, _KEPT_OCTETS


cdef class Shelf:
    cdef long long count
    cdef list places


cdef class BufferPool:
    cdef list _shelves
    @cython.locals(size=cython.longlong, shelf=Shelf, memory=Memory)
    cpdef Memory take(self, long long octets)
    @cython.locals(size=cython.longlong, shelf=Shelf)
    cpdef give(self, Memory memory)


cdef class SendBuffer:
    cdef BufferPool _pool
    cdef Memory _memory
    cdef long long _capacity, _head
    cdef readonly long long octets
    @cython.locals(tail=cython.longlong, first=cython.longlong)
    cpdef append(self, Memory source, long long at, long long octets)
    @cython.locals(place=cython.longlong, first=cython.longlong)
    cpdef copy_to(self, Memory target, long long at, long long offset, long long octets)
    cpdef drop(self, long long octets)
    cpdef clear(self)
    @cython.locals(memory=Memory)
    cdef _grow(self, long long octets)
