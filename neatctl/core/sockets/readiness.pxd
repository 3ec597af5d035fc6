import cython

cdef long long _ALWAYS


cdef class Entry:
    cdef public Watched watched
    cdef public object token
    cdef public long long events
    cdef public list ready
    cdef public bint queued
    cdef public bint removed
    cpdef queue(self)
    cpdef change(self, long long events)


cdef class Watched:
    cdef public list entries
    cdef public bint awaits_room
    cpdef long long readiness(self) except? -1
    @cython.locals(entry=Entry)
    cpdef wake(self)
    @cython.locals(entry=Entry)
    cpdef forget_entries(self)


@cython.locals(entry=Entry, kept=cython.Py_ssize_t, i=cython.Py_ssize_t, events=cython.longlong)
cpdef long long collect(list ready, list result) except? -1
