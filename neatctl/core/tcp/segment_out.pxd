import cython

from neatctl.core.ip.output cimport IpOutput
from neatctl.core.native cimport Memory
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb

cdef long long _ACK, _CWR, _ECE, _RST, _SYN, _HEADER, _CHECKSUM_AT, _ALIGNED, _TIMESTAMPS_OCTETS, _NEVER, _SYN_SENT
cdef long long _MSS_HEAD, _SCALE_HEAD, _SACK_AND_TIMESTAMPS_HEAD, _SACK_PERMITTED

@cython.locals(header=cython.longlong, blocks=cython.longlong, reports=cython.bint, output=IpOutput, at=cython.longlong, memory=Memory)
cpdef long long put_segment(Tables tables, Tcb tcb, long long seq, long long octets, long long flags, long long now) except -1
@cython.locals(active=cython.bint, timestamps=cython.bint, sack=cython.bint, scale=cython.bint, header=cython.longlong, output=IpOutput, at=cython.longlong, memory=Memory, window=cython.longlong, flags=cython.longlong, place=cython.longlong)
cpdef long long put_syn(Tables tables, Tcb tcb, long long now) except -1
cpdef long long announced_mss(Tables tables, Tcb tcb) except -1
@cython.locals(output=IpOutput, at=cython.longlong, memory=Memory)
cpdef long long put_reset(Tables tables, Tcb tcb, long long now) except -1
@cython.locals(edge=cython.longlong)
cpdef long long window_edge(Tcb tcb) noexcept
@cython.locals(edge=cython.longlong, scale=cython.longlong, field=cython.longlong)
cpdef long long window_field(Tcb tcb) noexcept
@cython.locals(flags=cython.longlong)
cdef long long _marks(Tables tables, Tcb tcb, long long seq, long long octets) except -1
cdef void _acknowledged(Tcb tcb) noexcept
