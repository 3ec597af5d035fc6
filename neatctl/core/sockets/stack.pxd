import cython

from neatctl.core.channel.doorbell cimport Doorbell
from neatctl.core.native cimport Epoll, now_us, yield_cpu
from neatctl.core.sockets.flow cimport Listener
from neatctl.core.sockets.link cimport Link, Listeners
from neatctl.core.sockets.readiness cimport Watched
from neatctl.core.spin cimport Spin

cdef long long _SERVICE_US


cdef class Stack:
    cdef readonly Spin spin
    cdef public long long faults, sleeps, service_at
    cdef public list links
    cdef public Listeners listeners
    cdef readonly Epoll epoll
    cdef long long _doorbell_fd, _control_fd, _due_us
    cdef bint _called
    cdef str _channel
    cdef set _given_up
    cdef Link _turning
    cdef Doorbell _doorbell
    cdef object _control
    cdef bint _linked
    cdef dict _bound
    cpdef long long turn(self) except? -1
    @cython.locals(taken=cython.longlong, link=Link)
    cdef long long _turn(self) except? -1
    @cython.locals(link=Link)
    cpdef flush(self)
    @cython.locals(idle=cython.longlong, taken=cython.longlong, now=cython.longlong)
    cpdef bint wait(self, Watched watched, long long events, long long limit) except? -1
    @cython.locals(link=Link, now=cython.longlong, due=cython.longlong, armed=cython.bint, found=list)
    cpdef list sleep(self, long long timeout_us, object system=*)
    @cython.locals(taken=cython.longlong)
    cpdef long long service(self, long long now) except? -1
    @cython.locals(epoll=Epoll, i=cython.longlong, fd=cython.longlong)
    cdef _look(self, long long timeout_us)
