import cython

from neatctl.apps.web.reply cimport Reply

cdef long long _OPEN, _CLOSING, _LINGERING, _SMALL, _HIGH_WATER, _MAX_REMEMBERED_OCTETS


cdef class Service:
    cdef readonly object options, site, replies
    cdef readonly long long max_requests, head_us, idle_us, stamp
    cdef public bint draining
    cdef public long long requests, refusals, timeouts, memo_misses
    cdef readonly bytes date
    cdef dict _young, _old
    cdef long long _young_octets
    @cython.locals(reply=Reply)
    cpdef Reply recall(self, bytes head)


cdef class Connection:
    cdef readonly Service service
    cdef readonly long long state, at, stop, served, deadline
    cdef readonly bytes output
    cdef readonly bint given_up
    cdef list _queue, _gathered
    cdef long long _queued, _gathered_octets, _checked, _head_due, _body_left
    cdef bytes _input
    cdef bint _stalled, _ended
    @cython.locals(reply=Reply)
    cpdef receive(self, bytes data, long long now)
    cpdef end(self)
    cpdef sent(self, long long octets, long long now)
    cpdef expire(self, long long now)
    cpdef bint idle(self) except? -1
    cdef _read(self, bytes data, long long now)
    cdef Reply _reply(self, bytes head)
    @cython.locals(service=Service)
    cdef _answer(self, Reply reply, long long now)
    cdef _seal(self)
