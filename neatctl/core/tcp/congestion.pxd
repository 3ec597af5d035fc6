import cython

cdef long long _INITIAL_SEGMENTS, _LARGE, _RENO
cdef double _C, _BETA, _ALPHA


cdef class Congestion:
    cdef public long long cwnd, ssthresh, prior_cwnd, prior_ssthresh
    cpdef begin(self, long long mss)
    cpdef on_ack(self, long long acked, long long mss, long long rtt_us, long long now)
    cpdef on_loss(self, long long flight, long long mss)
    cpdef on_timeout(self, long long flight, long long mss, bint first)
    cpdef on_mistake(self)
    cpdef on_idle(self, long long mss)


cdef class NewReno(Congestion):
    cdef long long _counted
    @cython.locals(growth=cython.longlong)
    cpdef on_ack(self, long long acked, long long mss, long long rtt_us, long long now)
    cpdef on_loss(self, long long flight, long long mss)
    cpdef on_timeout(self, long long flight, long long mss, bint first)


cdef class Cubic(Congestion):
    cdef double _top, _prior_top, _k_s, _reno
    cdef long long _epoch_us
    @cython.locals(cwnd=cython.longlong, growth=cython.longlong, since=cython.double, ahead=cython.double, alpha=cython.double, target=cython.double)
    cpdef on_ack(self, long long acked, long long mss, long long rtt_us, long long now)
    cpdef on_loss(self, long long flight, long long mss)
    cpdef on_timeout(self, long long flight, long long mss, bint first)
    cpdef on_mistake(self)
    cpdef on_idle(self, long long mss)
    cdef _decrease(self, long long flight, long long mss)


cpdef Congestion congestion(long long number)
