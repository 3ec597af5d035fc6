import cython

from neatctl.core.channel.face cimport Consumer, Producer
from neatctl.core.process.loop cimport Work
from neatctl.core.stack cimport Stack
from neatctl.core.tcp.tables cimport Tables

cdef long long _BURST


cdef class Application:
    cdef readonly long long app
    cdef readonly Consumer commands
    cdef readonly Producer events


cdef class Replica(Work):
    cdef readonly object config
    cdef readonly Stack stack
    cdef object _child
    cdef str _fault
    cdef Consumer _reading
    cdef Consumer _rx
    cdef Producer _tx
    cdef long long _driver_generation
    cdef list _applications
    cdef dict _links
    cdef dict _subsockets
    cdef object _syscall
    @cython.locals(tables=Tables)
    cpdef on_message(self, object message)
    cpdef long long turn(self, long long now) except? -1
    @cython.locals(done=cython.longlong, stack=Stack, rx=Consumer, application=Application, commands=Consumer, octets=cython.longlong, count=cython.longlong, due=cython.longlong)
    cdef long long _turn(self, long long now) except? -1
    @cython.locals(quiet=cython.bint, application=Application)
    cpdef bint arm(self) except? -1
    @cython.locals(application=Application)
    cpdef disarm(self)
    cpdef long long deadline(self) except? -2
