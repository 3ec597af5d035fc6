import cython

from neatctl.core.native cimport Memory
from neatctl.core.sockets.endpoint cimport Endpoint
from neatctl.core.sockets.flow cimport Flow, Listener, failure
from neatctl.core.sockets.readiness cimport Watched
from neatctl.core.sockets.stack cimport Stack

cdef long long _IN, _OUT


cdef class Socket(Endpoint):
    cdef public Flow flow
    cdef public Listener listener
    cdef public bint connecting
    cdef bint _bound
    cdef public dict options
    cdef public tuple linger
    cdef public long long reuse_address, reuse_port
    cdef str _address
    cdef long long _port
    @cython.locals(flow=Flow)
    cpdef bytes recv(self, long long bufsize, long long flags=*)
    @cython.locals(flow=Flow, target=Memory, room=cython.longlong)
    cpdef long long recv_into(self, object buffer, long long nbytes=*, long long flags=*) except? -1
    @cython.locals(sent=cython.longlong)
    cpdef long long send(self, object data, long long flags=*) except? -1
    @cython.locals(limit=cython.longlong, octets=cython.longlong, sent=cython.longlong)
    cpdef sendall(self, object data, long long flags=*)
    @cython.locals(flow=Flow, source=Memory, octets_of=bytes, octets=cython.longlong, sent=cython.longlong)
    cdef long long _send(self, object data, long long start, long long limit, long long flags) except? -1
    cdef Flow _readable(self, long long flags)
    @cython.locals(flow=Flow)
    cdef Flow _writable(self, long long flags)
    @cython.locals(error=cython.longlong)
    cdef _report(self, Flow flow)
    @cython.locals(listener=Listener, flow=Flow, accepted=Socket)
    cpdef tuple accept(self)
    @cython.locals(flow=Flow)
    cpdef shutdown(self, long long how)
    @cython.locals(sent=cython.longlong)
    cpdef long long send_and_close(self, bytes data) except? -1
    cpdef close(self)
    cpdef abort(self)
    cdef _gone(self)
    cpdef Watched watched(self)


@cython.locals(port=cython.longlong, address=bytes)
cpdef tuple end_of(bytes key, bint local)
