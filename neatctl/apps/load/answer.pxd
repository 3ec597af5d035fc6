cimport cython

from neatctl.apps.load.octets cimport Octets

cdef long long _MORE, _RIGHT, _LAST, _STATUS, _LENGTH, _DIFFERS, _EXCESS, _MALFORMED, _CODED, _NO_LENGTH, _LONG_HEAD
cdef long long _MAX_HEAD, _USUAL_OCTETS, _KEPT_OCTETS, _WHOLE_OCTETS, _STRIDE_OCTETS, _SAMPLE_OCTETS
cdef long long _MOST_DIGITS, _FOLD
cdef Octets _VERSION, _CONTENT_LENGTH, _TRANSFER_ENCODING, _CONNECTION, _CLOSE, _KEEP_ALIVE, _TOKEN


cdef class Page:
    cdef readonly str path
    cdef readonly Octets request, last_request, usual
    cdef readonly long long length, known, usual_octets, usual_verdict
    cdef Octets _content
    cdef int remember(self, Octets memory, long long at, long long octets, long long verdict) except -1
    @cython.locals(content=Octets, step=cython.longlong, compared=cython.longlong)
    cdef bint same(self, Octets memory, long long at, long long octets, long long position) except -1


cdef class Answer:
    cdef readonly Page page
    cdef readonly long long status, held, left
    cdef Octets _head
    cdef long long _verdict, _length
    cpdef int begin(self, Page page) except -1
    @cython.locals(page=Page, end=cython.longlong, verdict=cython.longlong)
    cpdef long long receive(self, Octets memory, long long at, long long octets) except -1
    @cython.locals(head=Octets, taken=cython.longlong, looked=cython.longlong, end=cython.longlong,
                   verdict=cython.longlong)
    cdef long long _receive_head(self, Octets memory, long long at, long long octets) except -1
    @cython.locals(taken=cython.longlong)
    cdef long long _receive_content(self, Octets memory, long long at, long long octets) except -1
    @cython.locals(page=Page, stop=cython.longlong, minor=cython.longlong, verdict=cython.longlong)
    cdef long long _read_head(self, Octets memory, long long at, long long end) except -1
    @cython.locals(colon=cython.longlong, value=cython.longlong, length=cython.longlong)
    cdef long long _read_field(self, Octets memory, long long at, long long stop) except -1
    @cython.locals(comma=cython.longlong, start=cython.longlong, end=cython.longlong)
    cdef int _read_connection(self, Octets memory, long long at, long long stop) except -1


cdef bint _blank(long long octet) noexcept
@cython.locals(octet=cython.longlong)
cdef bint _text(Octets memory, long long at, long long stop) except -1
cdef long long _line_end(Octets memory, long long at, long long end) except -1
@cython.locals(value=cython.longlong, digit=cython.longlong)
cdef long long _number(Octets memory, long long at, long long stop) except? -1
@cython.locals(i=cython.longlong)
cdef bint _named(Octets memory, long long at, long long stop, Octets name) except -1
