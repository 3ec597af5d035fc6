import cython

from neatctl.core.native cimport Memory
from neatctl.core.sockets.endpoint cimport Endpoint
from neatctl.core.sockets.flow cimport failure
from neatctl.core.sockets.link cimport Link
from neatctl.core.sockets.mailbox cimport Mailbox
from neatctl.core.sockets.outlet cimport Outlet
from neatctl.core.sockets.readiness cimport Watched
from neatctl.core.sockets.stack cimport Stack
from neatctl.core.sockets.stream cimport end_of

cdef long long _IN, _OUT, _MOST4, _MOST6, _ADDRESS4, _PORTS


cdef class DatagramSocket(Endpoint):
    cdef public long long reuse_address, reuse_port, receive_octets
    cdef readonly Mailbox mailbox
    cdef str _address
    cdef long long _port
    cdef tuple _peer
    cdef dict _ways
    cdef Mailbox _bound(self)
    @cython.locals(mailbox=Mailbox, source=Memory, way=tuple, outlet=Outlet, ends=bytes)
    cdef long long _send(self, object data, long long flags, tuple address) except? -1
    cdef tuple _make_way(self, tuple address)
    @cython.locals(mailbox=Mailbox, data=bytes, ends=bytes)
    cdef tuple _next(self, long long bufsize, long long flags)
    @cython.locals(error=cython.longlong)
    cdef _report(self, Mailbox mailbox)
    cpdef close(self)
    cpdef Watched watched(self)
