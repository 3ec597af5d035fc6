import cython

from neatctl.core.sockets.readiness cimport Watched

cdef long long _COST, _PORTS, _IN, _OUT, _ERR


cdef class Mailbox(Watched):
    cdef public long long ident, room, octets, dropped, error
    cdef public bytes peer
    cdef readonly object datagrams
    cdef list _links
    @cython.locals(events=cython.longlong)
    cpdef long long readiness(self) except? -1
    @cython.locals(cost=cython.longlong)
    cpdef arrived(self, bytes ends, bytes data)
    cpdef undelivered(self, bytes ends, long long error, bint here)
    @cython.locals(width=cython.longlong)
    cdef bint _is_peer(self, bytes ends) except -1
    @cython.locals(data=bytes)
    cpdef tuple take(self)
