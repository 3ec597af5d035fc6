cdef class Network:
    cpdef object accept(self)
    cpdef object receive(self, object sock)
    cpdef long long send(self, object sock, bytes data, long long at, long long stop) except? -2
    cpdef shut(self, object sock)
    cpdef close(self, object sock)
    cpdef abort(self, object sock)
    cpdef watch(self, object sock, object token, long long events, long long watched)
    cpdef list poll(self, long long timeout_us)
