import cython

cdef long long _NEVER, _SHIFT, _SLOTS, _LAST


cdef class Timed:
    cdef public long long due_us, tick, place


cdef class Wheel:
    cdef list _slots
    cdef long long _cursor, _next
    cdef readonly long long count
    @cython.locals(tick=cython.longlong)
    cpdef arm(self, Timed item, long long due_us, long long now)
    @cython.locals(slot=list, last=Timed)
    cpdef remove(self, Timed item)
    @cython.locals(limit=cython.longlong, slot=list, item=Timed)
    cpdef Timed next_due(self, long long now)
    cpdef long long deadline(self) except? -2
    @cython.locals(slot=list)
    cdef _link(self, Timed item, long long tick)
    @cython.locals(tick=cython.longlong)
    cdef _find_next(self)
