from neatctl.core.native cimport Memory


cdef class Producer:
    cdef public Memory memory
    cdef public long long full
    cpdef long long reserve(self, long long octets) except? -2
    cpdef commit(self, long long octets)
    cpdef flush(self)
    cpdef want_room(self)
    cpdef bint send(self, bytes record) except? -1


cdef class Consumer:
    cdef public Memory memory
    cdef public long long at
    cpdef long long peek(self) except? -2
    cpdef release(self)
    cpdef flush(self)
    cpdef bint arm(self) except? -1
    cpdef disarm(self)
    cpdef bytes receive(self)
