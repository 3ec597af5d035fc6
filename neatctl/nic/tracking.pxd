import cython

from neatctl.core.native cimport Memory

cdef long long FIN_FLAG, RST_FLAG, _SLOT, _SEEN_AT, _REPLICA_AT, _STATE_AT, _KIND_AT, _KEY_AT, _KIND_MASK, _FIN_IN, _FIN_OUT
cdef long long _BOTH_FINS, _MAX_PROBES, _TICK, _TICK_US, _MASK32, _SPREAD, _FREE, _NEW, _ESTABLISHED, _CLOSING, _GONE, _TCP6


cdef class Tracking:
    cdef readonly Memory memory
    cdef readonly long long room, count, slots, evicted, expired
    cdef long long _end, _cursor, _time_wait_us, _new_us, _idle_us
    cdef Memory _born
    @cython.locals(memory=Memory, octets=cython.longlong, slot=cython.longlong, _=cython.longlong)
    cpdef long long find(self, Memory key, long long kind, long long hashed) except? -2
    @cython.locals(memory=Memory, full=cython.bint, slot=cython.longlong, old=cython.longlong, _=cython.longlong)
    cpdef long long insert(self, Memory key, long long kind, long long hashed, long long replica, long long state, long long now) except? -2
    @cython.locals(memory=Memory)
    cpdef begin(self, long long slot, long long replica, long long state, long long now)
    @cython.locals(memory=Memory, hole=cython.longlong, home=cython.longlong)
    cpdef remove(self, long long slot)
    cpdef long long replica(self, long long slot) except? -1
    cpdef long long state(self, long long slot) except? -1
    @cython.locals(memory=Memory, state=cython.longlong, fins=cython.longlong)
    cpdef arrived(self, long long slot, long long flags, long long now)
    cpdef left(self, long long slot, long long flags, long long now)
    @cython.locals(memory=Memory, fins=cython.longlong)
    cdef _end_segment(self, long long slot, long long flags, long long fin)
    cpdef reborn(self, long long replica, long long now)
    cpdef bint orphaned(self, long long slot, long long now) except? -1
    cdef long long _idle(self, long long slot, long long now) except? -1
    @cython.locals(memory=Memory, forgotten=cython.longlong, slot=cython.longlong, state=cython.longlong, _=cython.longlong)
    cpdef long long expire(self, long long now, long long slots) except? -1
    @cython.locals(limit_us=cython.longlong)
    cdef bint _over(self, long long slot, long long state, long long now) except? -1
    @cython.locals(slot=cython.longlong)
    cpdef long long find_live(self, Memory key, long long kind, long long hashed, long long now) except? -2
