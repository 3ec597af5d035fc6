import cython

from neatctl.core.channel.face cimport Producer
from neatctl.core.native cimport Memory
from neatctl.core.sockets.readiness cimport Watched

cdef long long _HEADER, _LARGEST, _SEND, _SEND_TO, _MASK


cdef class Outlet:
    cdef public Producer producer
    cdef public bint alive, blocked, untold, faulted
    cdef public dict flows, opening
    cdef readonly long long replica
    cdef list _waiting, _wakes
    cdef long long _last_at, _last_id, _connects
    @cython.locals(producer=Producer, memory=Memory, at=cython.longlong)
    cpdef bint send(self, long long ident, bytes data, Memory source, long long start, long long octets) except? -1
    @cython.locals(memory=Memory, at=cython.longlong, octets=cython.longlong)
    cpdef bint send_to(self, long long ident, bytes ends, Memory source) except? -1
    cpdef bint mark(self, long long ident, long long flag) except? -1
    @cython.locals(record=Memory)
    cpdef post(self, long long kind, long long ident, long long value, long long second)
    @cython.locals(producer=Producer, memory=Memory, at=cython.longlong)
    cdef bint _put(self, long long first, long long ident, long long value, long long second) except? -1
    @cython.locals(at=cython.longlong)
    cdef bint _put_record(self, bytes record) except? -1
    cpdef flush(self)
    cpdef await_room(self, Watched watched)
    @cython.locals(watched=Watched)
    cpdef bint retry(self) except? -1
    cpdef bint arm(self) except? -1
    cdef _block(self)
    @cython.locals(producer=Producer)
    cdef long long _reserve(self, long long octets) except? -2
    @cython.locals(watched=Watched)
    cpdef close(self)
