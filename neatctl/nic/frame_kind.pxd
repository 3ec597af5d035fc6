import cython

from neatctl.core.native cimport Memory

cdef long long _OTHER, _ARP_REQUEST, _ARP_REPLY, _ECHO, _ECHO_REPLY, _UNREACHABLE, _ICMP_OTHER, _UDP, _SYN, _SYN_ACK, _RST, _FIN
cdef long long _DATA, _ACK, _IPV6, _IP_OTHER, _FRAGMENT, _ETHERNET

@cython.locals(ethertype=cython.longlong, operation=cython.longlong, ip=cython.longlong, protocol=cython.longlong, header=cython.longlong, room=cython.longlong, kind=cython.longlong)
cpdef long long frame_kind(Memory memory, long long at, long long octets) except -1
@cython.locals(flags=cython.longlong)
cdef long long _segment_kind(Memory memory, long long tcp, long long octets) except -1
