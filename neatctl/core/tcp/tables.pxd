import cython

from neatctl.core.ip.output cimport IpOutput, Path
from neatctl.core.local_end cimport LocalEnds
from neatctl.core.tcp.application cimport Listener
from neatctl.core.tcp.counters cimport TcpCounters
from neatctl.core.tcp.isn cimport Secrets
from neatctl.core.tcp.send_buffer cimport BufferPool
from neatctl.core.tcp.tcb cimport Flow, Tcb
from neatctl.core.tcp.time_wait cimport TimeWaits
from neatctl.core.tcp.wheel cimport Wheel

cdef long long _NEVER, _WHOLE_HANDSHAKES, _SLOT_BITS, _SLOT_MASK, _ID_MASK, _IPV4_HEADER, _IPV6_HEADER, _TCP_HEADER, _KEY_IPV4


cdef class Tables:
    cdef public IpOutput output
    cdef readonly TcpCounters counters
    cdef readonly Secrets secrets
    cdef readonly long long timestamp_offset, gso_octets, send_octets, index
    cdef readonly long long receive_octets, receive_most_octets, send_most_octets, grown_most_octets
    cdef readonly long long max_connections
    cdef public long long cookies_until_us, kept, grown_octets, next_port, whole_handshakes
    cdef readonly object option_sets, path_mtus
    cdef readonly bytes birth
    cdef readonly dict flows, applications, listeners
    cdef readonly LocalEnds local_ends
    cdef public long long live
    cdef readonly TimeWaits waits
    cdef readonly BufferPool pool
    cdef readonly Wheel wheel
    cdef readonly long long pending
    cdef list _touched
    cdef long long _mss
    cdef public bint blocked
    cdef readonly bint ecn
    cdef list _slots, _ids
    cpdef Path path(self, bytes key, long long now)
    @cython.locals(scale=cython.longlong)
    cpdef long long scale_for(self, long long receive_octets) noexcept
    @cython.locals(mtu=cython.longlong)
    cpdef long long mss_for(self, bytes key) except? -1
    cpdef Listener listener_for(self, bytes key)
    cpdef enter(self, Tcb tcb)
    cpdef leave(self, Tcb tcb)
    cpdef number(self, Tcb tcb)
    @cython.locals(slot=cython.longlong)
    cpdef free_id(self, Tcb tcb)
    @cython.locals(slot=cython.longlong, tcb=Tcb)
    cpdef Tcb with_id(self, long long id)
    cpdef touch(self, Tcb tcb)
    @cython.locals(tcb=Tcb)
    cpdef Tcb touched(self, long long place)
    @cython.locals(places=list, place=cython.longlong)
    cpdef forget_touched(self, long long count)
    @cython.locals(due=cython.longlong)
    cpdef arm(self, Tcb tcb, long long now)
    cpdef long long timestamp(self, long long now) noexcept
