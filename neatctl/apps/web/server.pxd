import cython

from neatctl.apps.web.http cimport Connection, Service
from neatctl.apps.web.network cimport Network

cdef long long _HOOK_US, _ACCEPT_BURST, _OPEN, _CLOSING, _LINGERING, _READABLE, _WRITABLE, _BROKEN


cdef class Client:
    cdef readonly object sock
    cdef readonly Connection machine
    cdef public long long watched
    cdef public bint shut


cdef class Server:
    cdef readonly Network network
    cdef readonly Service service
    cdef readonly dict clients
    cdef readonly long long accepted, lost, sent_octets, received_octets, turns
    cdef object _wall
    cdef long long _second_at, _drain_until
    @cython.locals(hook_at=cython.longlong, now=cython.longlong, ready=list)
    cpdef run(self, object on_turn)
    @cython.locals(count=cython.Py_ssize_t, i=cython.Py_ssize_t, client=Client, item=tuple, due=cython.bint)
    cpdef turn(self, list ready, long long now)
    cpdef bint done(self) except? -1
    cpdef drain(self, long long now)
    @cython.locals(client=Client, _=cython.longlong)
    cdef _accept(self, long long now)
    @cython.locals(machine=Connection, data=bytes)
    cdef _ready(self, Client client, long long events, long long now)
    @cython.locals(machine=Connection, network=Network, wanted=cython.longlong, taken=cython.longlong)
    cdef _send(self, Client client, long long now)
    cdef _finish(self, Client client)
    cdef _lost(self, Client client)
    @cython.locals(client=Client)
    cdef _expire(self, long long now)
    cdef _give_up(self, Client client)
