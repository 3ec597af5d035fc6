import cython

from neatctl.core.native cimport Memory
from neatctl.nic.checksums cimport change, update
from neatctl.nic.replay cimport ethertype_of

cdef long long _ETHERNET, _LINK_ETHERNET, _IPV4, _IPV6, _ARP, _TCP, _UDP, _ICMP, _ONES, _PLACE, _BATCH, _GROUPS


cdef class Survey:
    cdef readonly long long frames, first_ns, last_ns
    cdef readonly dict opened, to
    @cython.locals(i=cython.longlong, at=cython.longlong, ip=cython.longlong, octets=cython.longlong, time_ns=cython.longlong, ethertype=cython.longlong, header=cython.longlong, destination=cython.longlong)
    cpdef count(self, Memory memory, Memory places, long long count, long long link, long long front)


cdef class Rewriter:
    cdef readonly Memory counts, out, places
    cdef readonly long long arp, moved, truncated
    cdef object _servers
    cdef bint _any
    cdef long long _one, _appliance, _longest, _used
    cdef Memory _header
    cdef dict _moved
    cdef long long _moved_first, _moved_second
    @cython.locals(ready=cython.longlong, i=cython.longlong, place=cython.longlong, captured=cython.longlong, octets=cython.longlong)
    cpdef long long prepare(self, Memory memory, Memory places, long long first, long long count, long long link, long long front) except -1
    cdef long long _no(self, long long reason) except? -1
    @cython.locals(octets=cython.longlong, ethertype=cython.longlong, ip=cython.longlong, destination=cython.longlong, out=Memory)
    cdef long long _frame(self, Memory memory, long long at, long long captured, long long link, long long front) except? -1
    cdef bint _is_server(self, long long address) except -1
    @cython.locals(out=Memory, source=cython.longlong, destination=cython.longlong, difference=cython.longlong, new_source=cython.longlong, header=cython.longlong, protocol=cython.longlong, transport=cython.longlong, kind=cython.longlong)
    cdef _readdress(self, long long ip, long long octets)
    @cython.locals(out=Memory)
    cdef _quote(self, long long ip, long long server, long long client, long long new_client)
