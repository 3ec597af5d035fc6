import cython

from neatctl.core.native cimport Memory
from neatctl.core.sockets.outlet cimport Outlet
from neatctl.core.sockets.readiness cimport Watched

cdef long long _LUMP, _MAX_SEND, _IN, _OUT, _PRI, _ERR, _HUP, _TIDY
cdef long long _ABORT, _CLOSE, _CONSUMED, _NODELAY, _OPTION, _QUERY, _SHUT, _TAKEN, _THEN_CLOSE, _THEN_SHUT


cdef class Flow(Watched):
    cdef public Outlet outlet
    cdef public long long ident, number, room, unread, error, lump, urgent
    cdef public bytes info
    cdef public bytes key
    cdef public bint ended, shut, failed, opening
    cdef bytes _piece
    cdef list _pieces
    cdef long long _next, _offset, _uncredited
    @cython.locals(events=cython.longlong)
    cpdef long long readiness(self) except? -1
    cpdef arrived(self, bytes data)
    cpdef named(self, long long ident, bytes key)
    cpdef opened(self, long long room)
    cpdef peer_ended(self)
    cpdef granted(self, long long octets)
    cpdef reset(self, long long error)
    cpdef urgent_ahead(self, long long octets)
    cpdef informed(self, bytes info)
    @cython.locals(piece=bytes, have=cython.longlong, start=cython.longlong)
    cpdef bytes take(self, long long octets)
    @cython.locals(piece=bytes, at=cython.longlong, part=cython.longlong)
    cpdef long long take_into(self, Memory target, long long octets) except? -1
    cdef _drop_first(self)
    cdef _credit(self, long long octets)
    @cython.locals(sent=cython.longlong, part=cython.longlong)
    cpdef long long send(self, bytes data, Memory source, long long start, long long octets) except? -1
    cpdef shut_down(self)
    cpdef set_option(self, long long option, long long value)
    cpdef set_nodelay(self, bint on)
    cpdef query(self)
    cpdef close(self, bint abort)


cdef class Subsocket:
    cdef public Outlet outlet
    cdef public long long listener, taken
    cdef public list accepted
    cpdef tell_taken(self)


cdef class Listener(Watched):
    cdef public long long ident
    cdef public list subsockets
    cdef public bint closed
    cdef long long _next
    @cython.locals(subsocket=Subsocket)
    cpdef long long readiness(self) except? -1
    @cython.locals(subsocket=Subsocket, count=cython.Py_ssize_t, _=cython.Py_ssize_t)
    cpdef Flow accept(self)


cpdef failure(long long error)
