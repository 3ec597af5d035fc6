import cython

from neatctl.core.native cimport Memory

cdef long long _MAX_PIECES, _PIECE


cdef class Span:
    cdef readonly long long start, end
    cdef readonly list pieces


cdef class Reassembly:
    cdef readonly list spans
    cdef readonly long long pieces, cost
    cdef long long recent
    @cython.locals(end=cython.longlong, spans=list, i=cython.longlong, count=cython.longlong, base=Span)
    cpdef bint insert(self, long long seq, Memory memory, long long at, long long octets) except -1
    @cython.locals(i=cython.longlong)
    cpdef bint holds(self, long long seq, long long end) except -1
    @cython.locals(span=Span)
    cpdef Span take(self, long long rcv_nxt)
    @cython.locals(first=cython.longlong)
    cpdef Span block(self, long long i)
    @cython.locals(span=Span)
    cdef long long _start(self, long long i) except? -1
    @cython.locals(span=Span)
    cdef long long _end(self, long long i) except? -1
    @cython.locals(following=Span, until=cython.longlong)
    cdef _extend(self, Span base, long long i, long long seq, long long end, Memory memory, long long at)
