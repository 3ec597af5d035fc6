import cython

from neatctl.core.native cimport Memory

cdef long long DROP_ARP, DROP_ETHERTYPE, DROP_IP_HEADER, DROP_IP_LENGTH, DROP_MULTICAST, DROP_OTHER_HOST
cdef long long DROP_QUOTE, DROP_RUNT, DROP_TRANSPORT
cdef long long _ETHERNET, _IPV4, _ARP, _IPV6, _ICMP, _ICMPV6, _TCP_PROTOCOL, _UDP_PROTOCOL, _IPV6_FRAGMENT
cdef long long _ECHO6, _LISTENER_QUERY, _ROUTER_ADVERTISEMENT, _SOLICITATION, _ADVERTISEMENT
cdef long long _BROADCAST_ADDRESS, _MAX_EXTENSION_HEADERS, _TCP, _UDP, _OTHER, _LATER_FRAGMENT, _REQUEST, _REPLY, _BROADCAST


cdef class FlowKey:
    cdef readonly Memory memory
    cdef readonly long long octets, sort, protocol, flags, fragment_id
    cdef readonly bint quoted, first_fragment
    cdef bint _any_mac
    cdef long long _mac_high, _mac_low
    @cython.locals(end=cython.longlong, group=cython.longlong, mine=cython.bint, ethertype=cython.longlong)
    cpdef long long parse(self, Memory memory, long long at, long long octets) except? -2
    @cython.locals(end=cython.longlong, ethertype=cython.longlong, transport=cython.longlong)
    cpdef bint parse_outbound(self, Memory memory, long long at, long long octets) except? -1
    @cython.locals(key=Memory)
    cdef int _reverse(self, Memory memory, long long addresses, long long width, long long transport) except -1
    @cython.locals(operation=cython.longlong, gratuitous=cython.bint)
    cdef long long _arp(self, Memory memory, long long at, long long end) except? -2
    @cython.locals(header=cython.longlong, total=cython.longlong, protocol=cython.longlong, fragment=cython.longlong, destination=cython.longlong)
    cdef long long _ipv4(self, Memory memory, long long at, long long end, long long group) except? -2
    @cython.locals(octets=cython.longlong, header=cython.longlong, length=cython.longlong)
    cdef long long _ports(self, Memory memory, long long at, long long end) except? -2
    @cython.locals(kind=cython.longlong, header=cython.longlong)
    cdef long long _icmp(self, Memory memory, long long at, long long end) except? -2
    cdef long long _quote(self, Memory memory, long long addresses, long long width, long long protocol, long long transport, long long end) except? -2
    @cython.locals(total=cython.longlong, protocol=cython.longlong, place=cython.longlong, fragment=cython.longlong, _=cython.longlong)
    cdef long long _ipv6(self, Memory memory, long long at, long long end, long long group) except? -2
    @cython.locals(kind=cython.longlong)
    cdef long long _icmpv6(self, Memory memory, long long at, long long end, long long group) except? -2
