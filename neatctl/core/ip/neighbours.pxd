from neatctl.core.ip.counters cimport IpCounters


cdef class Neighbour:
    cdef readonly bytes address
    cdef public bytes mac
    cdef public long long confirmed_us, attempts, asked_us, ask_us
    cdef public bint probing, stale, used
    cdef public list held


cdef class NeighbourCache:
    cdef readonly IpCounters counters
    cdef readonly dict table
    cdef readonly list out
    cdef public long long fresh_us, delay_us, retry_us
    cpdef solicit(self, bytes address, bytes mac)
    cpdef gave_up(self, Neighbour neighbour)
    cpdef Neighbour neighbour(self, bytes address)
    cpdef hold(self, Neighbour neighbour, bytes record, long long now)
    cpdef doubt(self, Neighbour neighbour, long long now)
    cpdef expire(self, long long now)
