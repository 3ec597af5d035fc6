import cython

from neatctl.core.native cimport Memory
from neatctl.core.ip.output cimport IpOutput, Path
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.time_wait cimport TimeWait
from neatctl.core.wire.seq cimport before, unwrap
from neatctl.core.wire.tcp_header cimport Segment, answering_ports

cdef long long _ACK, _FIN, _RST, _SYN, _SILENCE_US, _HEADER, _CHECKSUM_AT, _ALIGNED, _TIMESTAMPS_OCTETS, _NO_TIMESTAMPS

@cython.locals(path=Path)
cpdef reply_reset(Tables tables, Segment segment, bytes key, long long now)
@cython.locals(output=IpOutput, header=cython.longlong, at=cython.longlong, memory=Memory)
cpdef reply(Tables tables, Path path, bytes key, long long seq, long long ack, long long flags, long long window, long long ts_recent, long long now)
@cython.locals(seq=cython.longlong)
cpdef bint arrive_time_wait(Tables tables, TimeWait rest, Segment segment, long long now) except -1
cdef bint _is_fresh(TimeWait rest, Segment segment, long long seq) except -1
