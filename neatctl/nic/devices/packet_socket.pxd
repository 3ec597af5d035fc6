cimport cython

from neatctl.core.native cimport Memory


@cython.final
cdef class PacketSocket:
    cdef object socket
    cdef int fd
    cdef readonly bytes mac
    cdef readonly long long mtu, sent, no_room, held, too_long
    cpdef bint send(self, Memory memory, long long at, long long octets) except -1
    cpdef long long send_batch(self, Memory memory, Memory places, long long first, long long count) except -1
    cpdef long long send_while_room(self, Memory memory, Memory places, long long first, long long count) except -1
    cdef long long send_places(
        self, Memory memory, Memory places, long long first, long long count, bint hold
    ) except -1
    cpdef long long receive(self, Memory memory, long long at, long long octets) except -2
    cpdef bint wait(self, long long timeout_ns) except -1
    cdef int failed(self, int code) except -1


cpdef bint wait_readable(int fd, long long timeout_ns) except -1
