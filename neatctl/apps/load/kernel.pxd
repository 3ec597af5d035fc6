cimport cython
from libc.stdint cimport uint32_t, uint64_t

from neatctl.apps.load.octets cimport Octets

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data

cdef extern from "<netinet/in.h>" nogil:
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct sockaddr_in:
        unsigned short sin_family
        unsigned short sin_port
        in_addr sin_addr


@cython.final
cdef class Target:
    cdef sockaddr_in address
    cpdef long long connect(self) noexcept


@cython.final
cdef class Poller:
    cdef int fd
    cdef int count
    cdef epoll_event ready[512]
    cpdef long long watch(self, long long fd, long long tag) noexcept
    cpdef long long wait(self, long long timeout_us) except -2
    cpdef long long tag(self, long long i) except? -1
    cpdef long long events(self, long long i) except? -1
    cpdef close(self)


cpdef long long send(long long fd, Octets memory, long long at, long long octets) except? -2
cpdef long long receive(long long fd, Octets memory, long long at, long long octets) except? -2
cpdef void close_socket(long long fd) noexcept
cpdef long long error_of(long long fd) noexcept
cpdef long long local_port(long long fd) noexcept
cpdef long long now_us() noexcept
cpdef void exact_timers() noexcept
