import cython

from neatctl.core.native cimport Memory

cdef long long _MASK


cdef class Keys:
    cdef long long _octets
    cdef list _keys
    cdef Memory _memory
    cpdef clear(self)
    @cython.locals(octets=cython.longlong, slot=cython.longlong)
    cpdef bytes find(self, Memory memory, long long at)
    @cython.locals(octets=cython.longlong, slot=cython.longlong, key=bytes)
    cpdef bytes enter(self, Memory memory, long long at)
