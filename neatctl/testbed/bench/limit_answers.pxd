import cython

from neatctl.core.native cimport Epoll, Memory
from neatctl.core.spin cimport Spin

cdef long long _VNET, _ROOM, _IP, _TCP, _DATA, _FIN, _SYN, _RST, _PSH, _ACK, _NEEDS_CSUM, _GSO_TCPV4, _MASK32, _ISS
cdef long long _DATA_OFFSET, _SYN_DATA_OFFSET, _MSS_OPTION, _END_OF_HEAD, _LATER_FRAGMENT, _CLOSE_OCTETS, _MSS, _BURST


cdef class Answers:
    cdef readonly long long requests, passed
    cdef readonly Memory reply
    cdef Memory _received, _bare, _keep, _last, _usual, _close
    cdef long long _usual_octets, _pseudo
    cdef bint _usual_last
    cdef Spin _spin
    cdef Epoll _epoll
    @cython.locals(end=cython.longlong, data=cython.longlong, flags=cython.longlong, seq=cython.longlong, ack=cython.longlong)
    cpdef long long answer(self, Memory frame, long long octets) except? -1
    @cython.locals(at=cython.longlong)
    cdef bint _is_last(self, Memory frame, long long data, long long octets) except? -1
    @cython.locals(checksum=cython.longlong)
    cdef long long _fill(self, Memory reply, Memory frame, long long octets, long long seq, long long ack, long long offset_and_flags) except? -1
    @cython.locals(frames=cython.longlong, got=cython.longlong, octets=cython.longlong)
    cpdef long long turn(self, int fd) except? -1
    @cython.locals(frames=cython.longlong, idle=cython.longlong)
    cpdef serve(self, int fd)
