import cython

from neatctl.core.native cimport now_us, yield_cpu
from neatctl.core.sockets.endpoint cimport Endpoint
from neatctl.core.sockets.readiness cimport Entry, Watched, collect
from neatctl.core.sockets.stack cimport Stack


cdef class Poll:
    cdef Stack _stack
    cdef list _ready
    cdef dict _descriptors
    cdef object _epoll
    @cython.locals(entry=Entry)
    cpdef Entry watch(self, Watched watched, long long events, object token)
    @cython.locals(entry=Entry)
    cpdef modify(self, what, long long events)
    @cython.locals(found=Entry)
    cdef Entry _entry(self, Endpoint what)
    @cython.locals(stack=Stack, now=cython.longlong, limit=cython.longlong, result=list, idle=cython.longlong, taken=cython.longlong)
    cpdef list poll_us(self, long long timeout_us)
    cdef _system(self, list ready, list result)
