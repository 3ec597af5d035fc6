import cython

from neatctl.core.native cimport Memory
from neatctl.core.channel.doorbell cimport Ringer
from neatctl.core.channel.face cimport Consumer, Producer

cdef long long _BATCH_OCTETS, _MAX_RECORD, _MESSAGE_OCTETS, _HEADER, _LENGTH_MASK, _GENERATION_MASK, _ROOM_EVERY, _POLLIN, _POLLOUT


cdef class BatchProducer(Producer):
    cdef object _socket, _look, _batch
    cdef long long _stamp, _used, _reserved
    cpdef long long reserve(self, long long octets) except? -2
    cpdef commit(self, long long octets)
    cpdef flush(self)
    cpdef want_room(self)


cdef class BatchConsumer(Consumer):
    cdef object _socket, _look, _message
    cdef Ringer _producer
    cdef long long _generation, _place, _end, _need, _messages
    @cython.locals(word=cython.longlong, length=cython.longlong, need=cython.longlong)
    cpdef long long peek(self) except? -2
    @cython.locals(octets=cython.longlong)
    cdef bint _next_message(self) except? -1
    cpdef release(self)
    cpdef flush(self)
    cpdef bint arm(self) except? -1
    cpdef disarm(self)
