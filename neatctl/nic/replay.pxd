import cython

from neatctl.core.native cimport Memory
from neatctl.nic.counters cimport Counters
from neatctl.nic.seen_flows cimport SeenFlows
from neatctl.nic.steering cimport Steering
from neatctl.nic.tracking cimport Tracking

cdef long long DROP_OTHER_HOST, FILTERED, FLOWS_EVICTED, FLOWS_EXPIRED, RX_FRAMES, RX_OCTETS, TX_FRAMES, TX_OCTETS
cdef long long _HEADER, _HEAD_OCTETS, _LONGEST, _ETHERNET, _SLL, _SLL2, _IPV4, _IPV6, _ARP, _BROADCAST, _PLACE, _ALL
cdef long long _QUEUE_SHIFT, _ARRIVES, _LEAVES, _PASSES_BY
cdef long long _EXPIRE_EVERY_US, _EXPIRE_PARTS, _LONG_US, _SLOTS_A_FRAME

@cython.locals(version=cython.longlong)
cpdef long long ethertype_of(Memory memory, long long at, long long captured, long long link, long long front) except? -1


cdef class NicReplay:
    cdef readonly Steering steering
    cdef readonly long long to_all, dropped
    cdef readonly SeenFlows seen
    cdef Memory _queues, _appliance, _staging
    cdef long long _begin_ns, _now, _expire_at, _arrived, _paid, _credit, _expired_slots, _looked_at
    cpdef long long frames(self, long long replica) except? -1
    cpdef long long flows(self, long long replica) except? -1
    cpdef long long hashed_flows(self, long long replica) except? -1
    @cython.locals(steering=Steering, counters=Counters, queues=Memory, arrived=cython.longlong, octets_in=cython.longlong, i=cython.longlong, place=cython.longlong, at=cython.longlong, captured=cython.longlong, octets=cython.longlong, source=Memory, way=cython.longlong, filtered=cython.longlong, replica=cython.longlong, queue=cython.longlong)
    cpdef play(self, Memory memory, Memory places, long long count, long long link, long long front)
    @cython.locals(now=cython.longlong, last=cython.longlong)
    cdef _pass_time(self, long long time_ns)
    @cython.locals(steering=Steering, tracking=Tracking, slots=cython.longlong, arrived=cython.longlong)
    cdef _expire(self, long long last, long long now)
    @cython.locals(tracking=Tracking)
    cdef _look(self, long long now)
    @cython.locals(staging=Memory)
    cdef _stage(self, Memory memory, long long at, long long captured, long long link, long long front)
    @cython.locals(appliance=Memory, width=cython.longlong, ethertype=cython.longlong, to_group=cython.bint, source=cython.longlong, destination=cython.longlong, wide=cython.longlong)
    cdef long long _way(self, Memory memory, long long at, long long octets) except -1
    @cython.locals(steering=Steering, counters=Counters, replica=cython.longlong)
    cdef _leave(self, Memory memory, long long at, long long octets)
