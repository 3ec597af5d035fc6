import cython

from neatctl.core.native cimport Memory

cdef long long _SLOTS, _MASK, _POOL, _WITHIN, _BEGIN, _OCTETS, _DUE, _SLOT_SHIFT, _ALIGN


cdef class DelayQueue:
    cdef readonly Memory memory
    cdef readonly long long count
    cdef Memory _slots, _order, _hasty
    cdef long long _first, _last, _first_hasty, _last_hasty, _oldest, _next, _end
    @cython.locals(begin=cython.longlong, tail=cython.longlong, full=cython.bint, slot=cython.longlong, record=cython.longlong)
    cpdef long long put(self, Memory source, long long at, long long octets, long long limit) except? -2
    cpdef long long place(self, long long slot) except? -2
    cpdef long long octets(self, long long slot) except? -2
    cpdef schedule(self, long long slot, long long due)
    cpdef hasten(self, long long slot)
    @cython.locals(slot=cython.longlong)
    cpdef long long due(self) except? -2
    @cython.locals(due=cython.longlong)
    cpdef long long peek(self, long long now) except? -2
    @cython.locals(slot=cython.longlong)
    cpdef take(self)
