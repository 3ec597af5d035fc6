import cython

from neatctl.core.ip.counters cimport IpCounters
from neatctl.core.ip.input6 cimport Ip6Input
from neatctl.core.ip.keys cimport Keys
from neatctl.core.ip.output cimport IpOutput
from neatctl.core.native cimport Memory
from neatctl.core.tcp.layer cimport TcpLayer
from neatctl.core.udp.udp_layer cimport UdpLayer

cdef long long _ETHERNET, _IPV4_MIN, _ETHERTYPE_IPV4, _ETHERTYPE_ARP, _ETHERTYPE_IPV6, _ICMP, _TCP, _UDP, _MULTICAST
cdef long long _BROADCAST, _FRAGMENTED, _MORE, _CHECKSUM_KNOWN, _FLAGS_AT, _FRAME_AT, _KEY_OCTETS
cdef long long _PORT_UNREACHABLE, _PROTOCOL_UNREACHABLE


cdef class IpInput:
    cdef IpOutput _output
    cdef TcpLayer _tcp
    cdef UdpLayer _udp
    cdef IpCounters _counters
    cdef long long _local, _directed_broadcast
    cdef Memory _mac
    cdef Keys _keys
    cdef object _icmp, _fragments
    cdef Ip6Input _six
    @cython.locals(frame=cython.longlong, group=cython.longlong, ethertype=cython.longlong, known=cython.longlong)
    cpdef receive(self, Memory memory, long long at, long long octets, long long now)
    cpdef expire(self, long long now)
    @cython.locals(counters=IpCounters, ip=cython.longlong, version=cython.longlong, header=cython.longlong, total=cython.longlong, destination=cython.longlong)
    cdef _ipv4(self, Memory memory, long long frame, long long octets, bint known, bint group, long long now)
    @cython.locals(ip=cython.longlong, protocol=cython.longlong, key=bytes)
    cdef _payload(self, Memory memory, long long frame, long long header, long long total, bint known, long long now)
    @cython.locals(first=cython.longlong)
    cdef bint _source_is_sound(self, long long source) except -1
    cdef bint _options_are_sound(self, Memory memory, long long ip, long long header, long long now) except -1
    @cython.locals(ip=cython.longlong, field=cython.longlong, offset=cython.longlong, octets=cython.longlong, more=cython.bint, datagram=Memory)
    cdef _fragment(self, Memory memory, long long frame, long long header, long long total, long long now)
