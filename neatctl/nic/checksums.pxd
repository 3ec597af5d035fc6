import cython

from neatctl.core.native cimport Memory

cdef long long _FLAGS, _START, _OFFSET, _NEEDS_CSUM, _ONES

@cython.locals(start=cython.longlong, place=cython.longlong, checksum=cython.longlong)
cpdef bint complete(Memory vnet, long long vnet_at, Memory memory, long long at, long long octets) except -1
@cython.locals(total=cython.longlong)
cpdef long long change(long long old, long long new) except? -1
@cython.locals(total=cython.longlong, checksum=cython.longlong)
cpdef long long update(Memory memory, long long at, long long difference) except -1
