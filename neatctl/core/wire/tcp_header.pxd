import cython

from neatctl.core.native cimport Memory

cdef long long _FIN, _SYN, _RST, _SYN_FIN, _SYN_RST, _HEADER, _SOUND, _BAD_LENGTH, _BAD_FLAGS, _ALIGNED
cdef long long _END, _NOP, _MSS, _SCALE, _PERMITTED, _SACK, _TIMESTAMPS, _MAX_SCALE, _PROTOCOL, _MASK, _PORTS


cdef class Segment:
    cdef public Memory memory
    cdef public long long at, seq, ack, flags, window, data_at, data_octets, length
    cdef public bint has_timestamps, sack_permitted
    cdef public long long ts_val, ts_ecr, mss, scale, sack_at, sack_blocks
    @cython.locals(header=cython.longlong, flags=cython.longlong)
    cpdef long long parse(self, Memory memory, long long at, long long octets) except -1
    @cython.locals(kind=cython.longlong, length=cython.longlong)
    cdef _parse_options(self, Memory memory, long long at, long long end)
    cdef _parse_syn_option(self, Memory memory, long long at, long long kind, long long length)

@cython.locals(pseudo=cython.longlong, i=cython.longlong)
cpdef bint checksum_holds(Memory memory, long long at, long long octets, bytes key) except -1
@cython.locals(at=cython.longlong)
cpdef long long answering_ports(bytes key) except -1
