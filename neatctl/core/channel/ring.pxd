import cython

from neatctl.core.native cimport Memory, fence
from neatctl.core.channel.doorbell cimport Ringer
from neatctl.core.channel.face cimport Consumer, Producer

cdef long long _TAIL, _HEAD, _ASLEEP, _WANTS_ROOM, _RECORDS, _HEADER, _FILLER, _GENERATION_MASK


cdef class RingProducer(Producer):
    cdef long long _capacity, _stamp, _tail, _published, _head, _place, _reserved
    cdef Ringer _consumer
    @cython.locals(need=cython.longlong, place=cython.longlong, room_to_end=cython.longlong, total=cython.longlong, head=cython.longlong)
    cpdef long long reserve(self, long long octets) except? -2
    cpdef commit(self, long long octets)
    cpdef flush(self)
    cpdef want_room(self)


cdef class RingConsumer(Consumer):
    cdef long long _capacity, _generation, _head, _published, _told, _tail, _need
    cdef Ringer _producer
    @cython.locals(tail=cython.longlong, place=cython.longlong, word=cython.longlong, length=cython.longlong, need=cython.longlong)
    cpdef long long peek(self) except? -2
    cpdef release(self)
    cpdef flush(self)
    cdef _tell_room(self)
    cpdef bint arm(self) except? -1
    cpdef disarm(self)
