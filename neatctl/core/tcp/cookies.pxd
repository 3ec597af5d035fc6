import cython

from neatctl.core.ip.output cimport IpOutput, Path
from neatctl.core.native cimport Memory
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.wire.tcp_header cimport Segment, answering_ports

cdef long long _PERIOD_US, _MASK, _HASH_MASK, _SYN_ACK, _HEADER, _CHECKSUM_AT, _ALIGNED, _TIMESTAMPS_OCTETS
cdef long long _MSS_HEAD, _SCALE_HEAD, _SACK_AND_TIMESTAMPS_HEAD, _SACK_PERMITTED

@cython.locals(mss=cython.longlong, offered=cython.longlong, scale=cython.longlong, period=cython.longlong, bits=cython.longlong, hashed=cython.longlong)
cpdef long long make_cookie(Tables tables, Segment segment, bytes key, long long now) except -1
@cython.locals(cookie=cython.longlong, period=cython.longlong, bits=cython.longlong, hashed=cython.longlong)
cpdef bint take_cookie(Tables tables, Segment segment, bytes key, long long now) except -1
@cython.locals(header=cython.longlong, output=IpOutput, path=Path, at=cython.longlong, memory=Memory, place=cython.longlong)
cpdef send_cookie(Tables tables, Segment segment, bytes key, long long mss, long long receive_octets, long long now)
