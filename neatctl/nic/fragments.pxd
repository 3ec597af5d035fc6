import cython

from neatctl.core.native cimport Memory
from neatctl.nic.flow_key cimport FlowKey

cdef long long _SLOT, _REPLICA_AT, _PROTOCOL_AT, _OCTETS_AT, _ID_AT, _ADDRESSES_AT, _DATAGRAMS, _LIFETIME_US, _IPV4_ADDRESSES


cdef class Fragments:
    cdef Memory _memory
    cdef long long _place(self, FlowKey key, long long hashed) except? -1
    @cython.locals(memory=Memory, at=cython.longlong)
    cpdef remember(self, FlowKey key, long long addresses, long long hashed, long long replica, long long now)
    @cython.locals(memory=Memory, at=cython.longlong)
    cpdef long long find(self, FlowKey key, long long hashed, long long now) except? -1
