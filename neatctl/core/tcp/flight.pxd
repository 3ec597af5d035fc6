import cython

from neatctl.core.native cimport Memory

cdef long long _MAX_RUNS, _NEVER, _FIRST_RUNS, _RUN, _SHIFT, _SACKED, _LOST, _AGAIN, _SETTLED, _NONE, _PATIENT_EPISODES


cdef class Flight:
    cdef public long long count, end, sacked, lost, top, newest_us, newest_end, rtt_us, look_us
    cdef public bint reordered
    cdef Memory _memory
    @cython.locals(last=cython.longlong, word=cython.longlong)
    cpdef sent(self, long long end, long long now)
    cpdef again(self, long long start, long long end, long long now)
    @cython.locals(gone=cython.longlong, end=cython.longlong)
    cpdef acknowledge(self, long long snd_una, long long now, long long min_rtt_us)
    @cython.locals(first=cython.longlong, news=cython.longlong, i=cython.longlong)
    cpdef long long report(self, long long start, long long end, long long now, long long min_rtt_us) except -1
    @cython.locals(found=cython.longlong, look=cython.longlong, i=cython.longlong, word=cython.longlong, sent_us=cython.longlong, due=cython.longlong)
    cpdef long long detect(self, long long patience_us, long long now) except -1
    @cython.locals(found=cython.longlong, i=cython.longlong, word=cython.longlong)
    cpdef long long lose(self, long long below) except -1
    @cython.locals(i=cython.longlong, word=cython.longlong)
    cpdef find_again(self, long long now)
    @cython.locals(i=cython.longlong)
    cpdef forget_reports(self)
    cpdef bint reneged(self) except -1
    @cython.locals(i=cython.longlong)
    cpdef long long next_lost(self) except? -1
    @cython.locals(i=cython.longlong)
    cpdef long long lost_end(self, long long seq) except? -1
    @cython.locals(i=cython.longlong)
    cpdef long long unreported_tail(self, long long octets) except? -1
    cdef long long _start(self, long long i) except? -1
    cdef long long _word(self, long long i) except? -1
    cdef long long _end(self, long long i) except? -1
    cdef int _put(self, long long i, long long start, long long word) except -1
    @cython.locals(word=cython.longlong)
    cdef int _count(self, long long i) except -1
    @cython.locals(word=cython.longlong)
    cdef int _uncount(self, long long i) except -1
    @cython.locals(word=cython.longlong, sent_us=cython.longlong)
    cdef _arrived(self, long long i, long long end, long long now, long long min_rtt_us)
    @cython.locals(low=cython.longlong, high=cython.longlong, middle=cython.longlong)
    cdef long long _find(self, long long seq) except? -1
    @cython.locals(need=cython.longlong, larger=Memory)
    cdef bint _make_room(self, long long runs) except -1
    @cython.locals(i=cython.longlong, memory=Memory)
    cdef long long _split(self, long long seq) except? -1
    @cython.locals(room=cython.bint, first=cython.longlong, last=cython.longlong, i=cython.longlong, memory=Memory)
    cdef int _set(self, long long start, long long end, long long word) except -1
    @cython.locals(memory=Memory)
    cdef int _join(self, long long i) except -1
    @cython.locals(kept=cython.longlong, i=cython.longlong)
    cdef int _pack(self) except -1


cdef class Repair:
    cdef public long long delivered, out, flight, since, again, again_timestamp, steps, patient, widened, marked, trial
    cdef public bint reordered
