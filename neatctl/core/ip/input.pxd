import cython

from neatctl.core.ip.counters cimport IpCounters
from neatctl.core.ip.neighbours cimport Neighbours
from neatctl.core.ip.output cimport IpOutput, Path
from neatctl.core.native cimport Memory
from neatctl.core.tcp.layer cimport TcpLayer

cdef long long _ETHERNET, _IPV4_MIN, _ETHERTYPE_IPV4, _ETHERTYPE_ARP, _ICMP, _TCP, _UDP, _MULTICAST, _BROADCAST
cdef long long _CHECKSUM_KNOWN, _FLAGS_AT, _FRAME_AT, _ECHO_REPLY, _UNREACHABLE, _ECHO, _QUOTED, _KEY_OCTETS, _KEYS_MASK
cdef long long _PROTOCOL_UNREACHABLE, _PORT_UNREACHABLE, _ERROR_GAP_US, _ERROR_BURST_US


cdef class IpInput:
    cdef IpOutput _output
    cdef TcpLayer _tcp
    cdef IpCounters _counters
    cdef long long _local, _directed_broadcast, _errors_us
    cdef Memory _mac, _key_octets
    cdef list _keys
    @cython.locals(frame=cython.longlong, group=cython.longlong, ethertype=cython.longlong, known=cython.longlong)
    cpdef receive(self, Memory memory, long long at, long long octets, long long now)
    @cython.locals(counters=IpCounters, ip=cython.longlong, version=cython.longlong, header=cython.longlong, total=cython.longlong, destination=cython.longlong, broadcast=cython.bint, protocol=cython.longlong, key=bytes, code=cython.longlong)
    cdef _ipv4(self, Memory memory, long long frame, long long octets, bint known, bint group, long long now)
    @cython.locals(slot=cython.longlong, key=bytes)
    cdef bytes _key(self, Memory memory, long long at)
    @cython.locals(first=cython.longlong)
    cdef bint _source_is_sound(self, long long source) except -1
    @cython.locals(at=cython.longlong, octets=cython.longlong, kind=cython.longlong)
    cdef _icmp(self, Memory memory, long long ip, long long header, long long total, long long now)
    @cython.locals(quoted=cython.longlong, header=cython.longlong, ports=cython.longlong)
    cdef _quoted(self, Memory memory, long long at, long long octets, long long now)
    @cython.locals(quoted=cython.longlong)
    cdef _send_unreachable(self, Memory memory, long long ip, long long header, long long total, long long code, long long now)
    @cython.locals(output=IpOutput, path=Path, at=cython.longlong, answer=Memory)
    cdef bint _send_icmp(self, Memory memory, long long ip, long long head, long long second, long long source_at, long long octets, long long now) except -1
