import cython

cdef long long _THRESHOLD, _MAX_RANGES


cdef class Scoreboard:
    cdef list _edges
    cdef readonly long long octets
    @cython.locals(edges=list, count=cython.longlong, i=cython.longlong, j=cython.longlong, known=cython.longlong)
    cpdef long long add(self, long long start, long long end) except -1
    @cython.locals(edges=list)
    cpdef advance(self, long long snd_una)
    cpdef clear(self)
    cpdef long long top(self) except -1
    @cython.locals(above=cython.longlong, i=cython.longlong, ranges=cython.longlong)
    cpdef long long lost_edge(self, long long mss) except -1
    @cython.locals(i=cython.longlong)
    cpdef long long next_hole(self, long long seq) except -1
    @cython.locals(i=cython.longlong)
    cpdef long long hole_end(self, long long seq, long long limit) except -1
    @cython.locals(octets=cython.longlong, i=cython.longlong, low=cython.longlong, high=cython.longlong)
    cpdef long long holes(self, long long start, long long end) except -1
    cpdef long long edge(self, long long i) except -1
