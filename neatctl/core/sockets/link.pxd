import cython

from neatctl.core.channel.face cimport Consumer, Producer
from neatctl.core.native cimport Memory
from neatctl.core.sockets.flow cimport Flow, Listener, Subsocket
from neatctl.core.sockets.mailbox cimport Mailbox
from neatctl.core.sockets.outlet cimport Outlet

cdef long long _HEADER, _KEY_IPV4, _KEY_IPV6, _MAX_ROOM, _BURST
cdef long long _ABORT, _ACCEPTED, _DATA, _END, _ROOM, _RESET, _URGENT, _INFO, _LARGEST, _OPENING, _REFUSED, _DATAGRAM, _UNDELIVERED, _MAX_DATAGRAM


cdef class Listeners:
    cdef public dict known, mailboxes
    cdef public long long highest, awaited
    @cython.locals(listener=Listener)
    cpdef Listener find(self, long long ident)


cdef class Link:
    cdef public long long replica, generation, records
    cdef public bint accepting
    cdef public Outlet outlet
    cdef public Consumer consumer
    cdef Listeners _listeners
    cdef dict _subsockets
    @cython.locals(outlet=Outlet, consumer=Consumer, taken=cython.longlong, octets=cython.longlong)
    cpdef long long turn(self) except? -1
    @cython.locals(memory=Memory, kind=cython.longlong, ident=cython.longlong, flow=Flow)
    cdef _record(self, long long at, long long octets)
    @cython.locals(memory=Memory, value=cython.longlong, second=cython.longlong, ends=cython.longlong, payload=cython.longlong, mailbox=Mailbox)
    cdef _datagram(self, long long kind, long long ident, long long at, long long octets)
    @cython.locals(memory=Memory, outlet=Outlet, key_octets=cython.longlong, sound=cython.bint, flow=Flow)
    cdef _answered(self, long long kind, long long ident, long long at, long long octets)
    cdef _opened(self, Flow flow, long long room)
    @cython.locals(key_octets=cython.longlong, bad=cython.bint, listener=Listener, flow=Flow, subsocket=Subsocket)
    cdef _accepted(self, long long ident, long long listener_id, long long room, long long at, long long octets)
    @cython.locals(outlet=Outlet, subsocket=Subsocket)
    cpdef flush(self)
    cpdef bint arm(self) except? -1
    cpdef disarm(self)
    @cython.locals(subsocket=Subsocket, flow=Flow)
    cpdef drop_listener(self, long long ident)
    @cython.locals(subsocket=Subsocket, listener=Listener, flow=Flow)
    cpdef close(self, long long error)
