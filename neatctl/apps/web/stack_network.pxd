import cython

from neatctl.apps.web.network cimport Network
from neatctl.core.sockets.flow cimport Flow, Listener, failure
from neatctl.core.sockets.poll cimport Poll
from neatctl.core.sockets.readiness cimport Entry
from neatctl.core.sockets.stack cimport Stack
from neatctl.core.sockets.stream cimport Socket

cdef long long _RECEIVE_OCTETS


cdef class StackNetwork(Network):
    cdef readonly Stack stack
    cdef Socket _socket
    cdef Listener _listener
    cdef Poll _poll
    cpdef object accept(self)
    @cython.locals(flow=Flow)
    cpdef object receive(self, object sock)
    @cython.locals(flow=Flow)
    cpdef long long send(self, object sock, bytes data, long long at, long long stop) except? -2
    @cython.locals(flow=Flow)
    cpdef shut(self, object sock)
    @cython.locals(flow=Flow)
    cpdef close(self, object sock)
    @cython.locals(flow=Flow)
    cpdef abort(self, object sock)
    @cython.locals(flow=Flow, entry=Entry)
    cpdef watch(self, object sock, object token, long long events, long long watched)
    cpdef list poll(self, long long timeout_us)
