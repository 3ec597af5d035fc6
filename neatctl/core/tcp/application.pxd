import cython

from neatctl.core.native cimport Memory
from neatctl.core.channel.face cimport Producer
from neatctl.core.local_end cimport LocalEnd

cdef long long _HEADER


cdef class Application:
    cdef readonly long long number
    cdef readonly Producer events
    cdef public bint gone
    cdef public list waiting, refused
    @cython.locals(at=cython.longlong, memory=Memory)
    cpdef long long begin(self, long long kind, long long id, long long value, long long second, long long octets) except? -2
    cpdef end(self, long long octets)


cdef class Listener(LocalEnd):
    cdef readonly Application app
    cdef public object options
    cdef public long long defer_us, backlog, half_open, untaken
