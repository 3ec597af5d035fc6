import cython

from neatctl.core.channel.ring cimport RingProducer
from neatctl.core.native cimport Memory
from neatctl.nic.clock cimport wall_ns
from neatctl.nic.counters cimport Counters

cdef long long MIRROR_FULL, _MOST, _VNET, _VNET_AT, _FRAME_AT, _REPLICA_AT, _DIRECTION_AT


cdef class OpenMirror:
    cdef readonly object mirror
    cdef readonly long long which
    cdef readonly RingProducer producer


cdef class Mirrors:
    cdef readonly long long which
    cdef Counters _counters
    cdef object _open_ring, _ended
    cdef list _open
    cdef set _given_up
    @cython.locals(held=OpenMirror, faulted=OpenMirror)
    cpdef copy(self, Memory memory, long long at, long long octets, long long replica, long long direction)
    @cython.locals(place=cython.longlong, record=Memory)
    cdef _put(self, RingProducer producer, Memory memory, long long at, long long octets, long long replica, long long direction)
    @cython.locals(held=OpenMirror)
    cpdef flush(self)
