import cython

from neatctl.core.channel.face cimport Producer
from neatctl.core.ip.output cimport IpOutput, Path
from neatctl.core.local_end cimport LocalEnd, LocalEnds
from neatctl.core.native cimport Memory
from neatctl.core.udp.counters cimport UdpCounters

cdef long long _HEADER, _CHECKSUM_AT, _RECORD, _ID_AT, _VALUE_AT, _LARGEST, _DATAGRAM, _UNDELIVERED, _MAX_DATAGRAM
cdef long long _UDP, _PORTS, _ADDRESS4, _ENDS4, _ENDS6, _MOST_OCTETS


cdef class Bound(LocalEnd):
    cdef readonly long long app
    cdef readonly Producer events


cdef class UdpLayer:
    cdef readonly UdpCounters counters
    cdef IpOutput _output
    cdef LocalEnds _ends
    cdef dict _sockets
    @cython.locals(counters=UdpCounters, length=cython.longlong, right=cython.bint, pseudo=cython.longlong, bound=Bound)
    cpdef bint arrive(self, Memory memory, long long at, long long octets, long long addresses, long long width, bint checksum_known) except -1
    @cython.locals(events=Producer, place=cython.longlong, ends=cython.longlong, target=Memory)
    cdef _deliver(self, Bound bound, Memory memory, long long at, long long octets, long long addresses, long long width)
    @cython.locals(ends=cython.longlong, payload=cython.longlong, bound=Bound, width=cython.longlong, remote=bytes, source=bytes)
    cpdef command(self, long long app, Memory memory, long long at, long long octets, long long now)
    @cython.locals(output=IpOutput, octets=cython.longlong, datagram=Memory, checksum=cython.longlong, place=cython.longlong, sent=cython.bint)
    cdef _send(self, Bound bound, Path path, Memory memory, long long at, long long ends, long long payload, long long now)
    cdef _write(self, Memory target, long long place, long long port, Memory memory, long long at, long long ends, long long payload)
