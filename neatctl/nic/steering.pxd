import cython

from neatctl.core.native cimport Memory
from neatctl.nic.counters cimport Counters
from neatctl.nic.filters cimport Filters
from neatctl.nic.flow_key cimport FlowKey
from neatctl.nic.fragments cimport Fragments
from neatctl.nic.rss cimport Rss
from neatctl.nic.tracking cimport Tracking

cdef long long DROP_FRAGMENT, DROP_NO_QUEUE, DROP_QUEUE_CLOSED, FILTERED, FLOW_CONFLICT, FLOW_MOVED, FLOW_UNKNOWN, FLOWS_FULL, FLOWS_NEW
cdef long long FLOWS_TOLD_BY_REPLICA, ACK_FLAG, LATER_FRAGMENT, REPLY, REQUEST, RST_FLAG, SYN_FLAG, TCP, BROADCAST_SORT
cdef long long ESTABLISHED, GONE, NEW, TCP4, TCP6, _ABSENT, _OPEN, _DRAINING, _CLOSED, _ALL, _FLAGS_OF_A_START, _TCP_PROTOCOL, _UDP_PROTOCOL


cdef class Steering:
    cdef readonly Rss rss
    cdef readonly Tracking tracking
    cdef readonly Counters counters
    cdef readonly long long hash
    cdef FlowKey _key, _out_key
    cdef Fragments _fragments
    cdef Memory _states
    cdef long long _first
    cdef public bint expires_late
    cdef bint _tracks
    cdef Filters _filters
    cpdef long long state(self, long long replica) except? -1
    @cython.locals(key=FlowKey, reason=cython.longlong, sort=cython.longlong, replica=cython.longlong)
    cpdef long long inbound(self, Memory memory, long long at, long long octets, long long now) except? -2
    @cython.locals(replica=cython.longlong)
    cdef long long _new_flow(self, FlowKey key, long long hashed) except? -2
    @cython.locals(replica=cython.longlong)
    cdef long long _by_filter(self, FlowKey key, long long hashed) except? -2
    @cython.locals(tracking=Tracking, kind=cython.longlong, starts=cython.bint, slot=cython.longlong, replica=cython.longlong, state=cython.longlong)
    cdef long long _tcp(self, FlowKey key, long long hashed, long long now) except? -2
    cdef long long _find(self, FlowKey key, long long kind, long long hashed, long long now) except? -2
    @cython.locals(flow_state=cython.longlong)
    cdef bint _over(self, long long slot, long long state, long long now) except? -1
    cdef bint _track(self, Memory key, long long kind, long long hashed, long long replica, long long state, long long now) except -1
    cdef long long _addresses(self, FlowKey key) except? -2
    @cython.locals(addresses=cython.longlong)
    cdef _first_fragment(self, FlowKey key, long long replica, long long now)
    @cython.locals(replica=cython.longlong, state=cython.longlong)
    cdef long long _later_fragment(self, FlowKey key, long long now) except? -2
    @cython.locals(key=FlowKey, hashed=cython.longlong, kind=cython.longlong, slot=cython.longlong, starts=cython.bint)
    cpdef bint outbound(self, Memory memory, long long at, long long octets, long long replica, long long now) except -1
    @cython.locals(state=cython.longlong)
    cdef bint _may_take(self, long long slot, long long replica) except? -1
    @cython.locals(key=Memory, hashed=cython.longlong, kind=cython.longlong, slot=cython.longlong)
    cpdef bint told(self, Memory memory, long long at, long long octets, long long replica, long long now) except? -1
    @cython.locals(key=FlowKey, hashed=cython.longlong, slot=cython.longlong)
    cpdef long long owner(self, Memory memory, long long at, long long octets) except? -2
