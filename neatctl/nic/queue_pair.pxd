from neatctl.core.channel.face cimport Consumer, Producer

cdef long long CLOSED


cdef class QueuePair:
    cdef readonly long long replica, generation
    cdef readonly Producer producer
    cdef readonly Consumer consumer
    cdef public long long wanted
    cdef public bint told, faulted, retrying
    cdef public long long frames_to, frames_from
    cpdef long long state(self) except? -1
