import cython

from neatctl.core.channel.ring cimport RingConsumer
from neatctl.core.native cimport Memory
from neatctl.nic.checksums cimport complete
from neatctl.nic.frame_kind cimport frame_kind
from neatctl.testbed.replay.pcapng cimport PcapngWriter

cdef long long _FRAME_AT, _VNET_AT, _REPLICA_AT, _DIRECTION_AT, _SENT, _LONGEST, _EVERYBODY, _PLACES, _KINDS, MAX_REPLICA


cdef class MirrorReader:
    cdef readonly long long frames, octets, passed_over, first_ns, last_ns
    cdef PcapngWriter _writer
    cdef object _choose
    cdef long long _replica, _limit
    cdef Memory _scratch, _tally
    cdef list _interfaces, _options
    @cython.locals(records=cython.longlong, length=cython.longlong)
    cpdef long long read(self, RingConsumer ring) except -1
    @cython.locals(replica=cython.longlong, sent=cython.bint, scratch=Memory, time_ns=cython.longlong, interface=cython.longlong, options=Memory, place=cython.longlong)
    cdef bint _take(self, Memory memory, long long at, long long octets) except -1
    cdef long long _describe(self, long long replica) except -1
