import cython

from neatctl.apps.load.counts cimport Counts
from neatctl.core.native cimport Memory
from neatctl.nic.clock cimport now_ns
from neatctl.nic.devices.packet_socket cimport PacketSocket

cdef long long _PLACE, _BURST, _LONGEST_NS, _ARP_EVERY, _BEHIND_NS, _PATIENCE_NS


cdef class Pacing:
    cdef readonly bint at_once
    cdef long long _numerator, _denominator, _first_ns, _last
    @cython.locals(i=cython.longlong, place=cython.longlong, time_ns=cython.longlong, passed=cython.longlong, due=cython.longlong)
    cpdef schedule(self, Memory places, long long count)
    @cython.locals(ready=cython.longlong, most=cython.longlong)
    cpdef long long due(self, Memory places, long long first, long long count, long long passed_ns) except -1


cdef class Player:
    cdef readonly Counts lateness
    cdef readonly long long arp_answered, begun_ns
    cdef PacketSocket _link
    cdef Pacing _pacing
    cdef object _network
    cdef Memory _question
    cdef long long _turns, _stuck_ns
    @cython.locals(now=cython.longlong, end=cython.longlong, done=cython.longlong, passed=cython.longlong, ready=cython.longlong, i=cython.longlong, pause=cython.longlong)
    cpdef long long play(self, Memory memory, Memory places, long long first, long long count, long long slice_ns) except -1
    @cython.locals(sent=cython.longlong)
    cdef long long _push(self, Memory memory, Memory places, long long first, long long count, long long now) except -1
    @cython.locals(answered=cython.longlong, octets=cython.longlong)
    cpdef long long hear(self) except -1
