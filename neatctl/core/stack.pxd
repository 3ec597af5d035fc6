import cython

from neatctl.core.channel.face cimport Producer
from neatctl.core.ip.counters cimport IpCounters
from neatctl.core.ip.input cimport IpInput
from neatctl.core.ip.output cimport IpOutput
from neatctl.core.native cimport Memory
from neatctl.core.tcp.layer cimport TcpLayer
from neatctl.core.udp.udp_layer cimport UdpLayer

cdef long long _FRAME_AT, _KIND_AT, _FRAME, _NEIGHBOURS_US, _SEND_TO, _SOCKET_HEADER


cdef class Stack:
    cdef readonly IpCounters counters
    cdef readonly IpOutput output
    cdef readonly TcpLayer tcp
    cdef readonly UdpLayer udp
    cdef IpInput _input
    cdef long long _neighbours_us
    cdef bint _first
    cpdef attach_nic(self, Producer net)
    cpdef receive(self, Memory memory, long long at, long long octets, long long now)
    cpdef command(self, long long app, Memory memory, long long at, long long octets, long long now)
    @cython.locals(sent=cython.longlong)
    cpdef long long transmit(self, long long now) except? -1
    @cython.locals(due=cython.longlong)
    cpdef long long deadline(self) except? -2
    cpdef expire(self, long long now)
