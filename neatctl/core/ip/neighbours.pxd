import cython

from neatctl.core.native cimport Memory
from neatctl.core.ip.counters cimport IpCounters


cdef class Neighbour:
    cdef readonly bytes address
    cdef public bytes mac
    cdef public long long confirmed_us, attempts, asked_us, ask_us
    cdef public list held


cdef class Neighbours:
    cdef bytes _address
    cdef bytes _mac
    cdef IpCounters _counters
    cdef dict _table
    cdef public list out
    cpdef Neighbour neighbour(self, bytes address)
    cpdef hold(self, Neighbour neighbour, bytes record, long long now)
    cpdef doubt(self, Neighbour neighbour, long long now)
    cpdef arrive(self, Memory memory, long long at, long long octets, long long now)
    cpdef expire(self, long long now)
