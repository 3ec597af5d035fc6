cimport cython

from neatctl.apps.load.answer cimport Answer, Page
from neatctl.apps.load.counts cimport Counts
from neatctl.apps.load.kernel cimport Poller, Target, close_socket, error_of, local_port, now_us, receive, send
from neatctl.apps.load.octets cimport Octets
from neatctl.apps.load.schedule cimport Line, Schedule

cdef long long _RECEIVED_OCTETS, _OPENED_AT_ONCE, _LOOK_US, _RETRY_US, _ENDING_US, _MORE, _RIGHT, _LAST, _AGAIN
cdef long long _IN, _OUT, _FAILED, _ENDED, _CLOSED, _CONNECTING, _FREE, _ASKED, _ENDING
cdef long long _SLOT_BITS, _SLOT_MASK, _FOR_EVER


cdef class Client:
    cdef readonly long long number, state, fd, tag, since_us, due_us, retry_us, unsent, requests
    cdef readonly Answer answer
    cdef readonly Octets request
    cdef readonly bint answered, broken


cdef class Engine:
    cdef readonly object outcome
    cdef readonly long long begin_us, requests, all_requests, octets_in, opened, open, most_open, asked
    cdef readonly long long closed_by_server
    cdef readonly Counts latency, service_time, connect_time
    cdef readonly list clients
    cdef list _pages
    cdef long long _page, _sockets, _limit, _timeout_us, _look_at_us
    cdef Schedule _schedule
    cdef bint _lazy, _leaving
    cdef Target _target
    cdef Poller _poller
    cdef Octets _buffer
    cdef Line _closed, _free
    @cython.locals(poller=Poller, now=cython.longlong, count=cython.longlong, i=cython.longlong, tag=cython.longlong,
                   client=Client)
    cpdef bint run(self, long long until_us) except -1
    cpdef bint busy(self) except -1
    @cython.locals(client=Client)
    cdef long long _pause_until(self, long long until_us) except? -1
    @cython.locals(client=Client, waited=cython.longlong)
    cdef int _look_after(self, long long now) except -1
    @cython.locals(line=Line, opened=cython.longlong, client=Client)
    cdef int _open_closed(self, long long now) except -1
    @cython.locals(code=cython.longlong)
    cdef int _open(self, Client client, long long due_us) except -1
    @cython.locals(now=cython.longlong)
    cdef int _connected(self, Client client) except -1
    cdef int _reopen(self, Client client) except -1
    cdef int _shut(self, Client client) except -1
    @cython.locals(schedule=Schedule, free=Line, client=Client)
    cdef int _ask_due(self, long long now) except -1
    @cython.locals(page=Page, last=cython.bint)
    cdef int _ask(self, Client client, long long due_us, long long now) except -1
    @cython.locals(request=Octets, sent=cython.longlong)
    cdef int _send(self, Client client) except -1
    @cython.locals(code=cython.longlong)
    cdef int _ready(self, Client client, long long events) except -1
    @cython.locals(tag=cython.longlong, got=cython.longlong, verdict=cython.longlong)
    cdef int _receive(self, Client client, long long events) except -1
    @cython.locals(now=cython.longlong)
    cdef int _answered(self, Client client, bint last, bint ended) except -1
    @cython.locals(answer=Answer)
    cdef int _ended(self, Client client) except -1
    cdef _wrong(self, Client client, long long verdict)
    cdef _failed(self, Client client, str kind, str reason)
