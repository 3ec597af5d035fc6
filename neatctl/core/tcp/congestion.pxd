import cython

cdef long long _INITIAL_SEGMENTS, _LARGE


cdef class Congestion:
    cdef public long long cwnd, ssthresh
    cpdef begin(self, long long mss)
    cpdef on_ack(self, long long acked, long long mss, long long now)
    cpdef on_loss(self, long long flight, long long mss, long long now)
    cpdef on_timeout(self, long long flight, long long mss, bint first, long long now)
    cpdef on_recovered(self, long long flight, long long mss, long long now)
    cpdef on_idle(self, long long mss, long long now)


cdef class NewReno(Congestion):
    cdef long long _counted
    @cython.locals(growth=cython.longlong)
    cpdef on_ack(self, long long acked, long long mss, long long now)
    cpdef on_loss(self, long long flight, long long mss, long long now)
    cpdef on_timeout(self, long long flight, long long mss, bint first, long long now)
    cpdef on_recovered(self, long long flight, long long mss, long long now)
    cpdef on_idle(self, long long mss, long long now)
