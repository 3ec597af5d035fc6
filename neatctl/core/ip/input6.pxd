import cython

from neatctl.core.ip.counters cimport IpCounters
from neatctl.core.ip.keys cimport Keys
from neatctl.core.ip.output cimport IpOutput
from neatctl.core.native cimport Memory
from neatctl.core.tcp.layer cimport TcpLayer

cdef long long _ETHERNET, _IPV6, _TCP, _KEY_OCTETS, _PORTS


cdef class Ip6Input:
    cdef IpOutput _output
    cdef TcpLayer _tcp
    cdef IpCounters _counters
    cdef object _discovery, _chain
    cdef Keys _keys
    @cython.locals(ip=cython.longlong, payload=cython.longlong, plain=cython.bint, key=bytes, accepted=cython.longlong)
    cpdef receive(self, Memory memory, long long frame, long long octets, bint known, bint group, long long now)
    @cython.locals(source=bytes)
    cdef long long _check(self, Memory memory, long long ip, bint group) except -1
    cpdef expire(self, long long now)
    cdef _changed(self)
