# cython: language_level=3
"""The system calls of the load client without objects: see kernel.py, the plain twin."""

from libc.errno cimport EINPROGRESS, EINTR, errno
from libc.string cimport memcpy, memset
from libc.time cimport timespec
from posix.time cimport CLOCK_MONOTONIC, clock_gettime
from posix.unistd cimport close as c_close

from neatctl.apps.load.octets cimport Octets

import os
import socket

cdef extern from *:
    """
    #include <errno.h>
    #include <sys/epoll.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    #ifndef SYS_epoll_pwait2
    #define SYS_epoll_pwait2 441
    #endif
    struct neat_time { long long seconds, ns; };
    /* epoll with a time-out in microseconds. Before Linux 5.11 it is in milliseconds, rounded down: the last one is
       polled away. */
    static int neat_epoll(int fd, struct epoll_event *ready, int most, long long timeout_us) {
        static int lacking = 0;
        if (!lacking) {
            struct neat_time time = { timeout_us / 1000000, timeout_us % 1000000 * 1000 };
            int count = (int)syscall(SYS_epoll_pwait2, fd, ready, most, &time, NULL, 0);
            if (count >= 0 || errno != ENOSYS) return count;
            lacking = 1;
        }
        return epoll_wait(fd, ready, most, (int)(timeout_us / 1000));
    }
    """
    int neat_epoll(int fd, epoll_event *ready, int most, long long timeout_us) nogil

cdef extern from "<sys/epoll.h>" nogil:
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event *event)
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLLIN
        EPOLLOUT
        EPOLLRDHUP
        EPOLLET

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    cdef struct sockaddr:
        pass
    int c_socket "socket"(int domain, int kind, int protocol)
    int c_connect "connect"(int fd, sockaddr *address, socklen_t octets)
    Py_ssize_t c_send "send"(int fd, const void *data, size_t octets, int flags)
    Py_ssize_t c_recv "recv"(int fd, void *data, size_t octets, int flags)
    int getsockopt(int fd, int level, int option, void *value, socklen_t *octets)
    int getsockname(int fd, sockaddr *address, socklen_t *octets)
    enum:
        AF_INET
        SOCK_STREAM
        SOCK_NONBLOCK
        SOCK_CLOEXEC
        MSG_NOSIGNAL
        SOL_SOCKET
        SO_ERROR

cdef extern from "<arpa/inet.h>" nogil:
    unsigned short htons(unsigned short value)
    unsigned short ntohs(unsigned short value)

cdef extern from "<sys/prctl.h>" nogil:
    int prctl(int option, unsigned long value)
    enum:
        PR_SET_TIMERSLACK

COMPILED = True


cdef class Target:
    """Where connections go."""

    def __cinit__(self, str address, int port):
        cdef bytes octets = socket.inet_aton(address)
        memset(&self.address, 0, sizeof(self.address))
        self.address.sin_family = AF_INET
        self.address.sin_port = htons(<unsigned short>port)
        memcpy(&self.address.sin_addr, <const char *>octets, 4)

    cpdef long long connect(self) noexcept:
        cdef int fd = c_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        cdef int failure
        if fd < 0:
            return -errno
        if c_connect(fd, <sockaddr *>&self.address, sizeof(self.address)) < 0 and errno != EINPROGRESS:
            failure = errno
            c_close(fd)
            return -failure
        return fd


cdef class Poller:
    """Waits for many sockets at once, told by edges."""

    def __cinit__(self):
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        self.close()

    cpdef close(self):
        if self.fd >= 0:
            c_close(self.fd)
            self.fd = -1

    cpdef long long watch(self, long long fd, long long tag) noexcept:
        cdef epoll_event event
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
        event.data.u64 = <unsigned long long>tag
        return 0 if epoll_ctl(self.fd, EPOLL_CTL_ADD, <int>fd, &event) == 0 else -errno

    cpdef long long wait(self, long long timeout_us) except -2:
        if timeout_us < 0:
            timeout_us = 0
        with nogil:
            self.count = neat_epoll(self.fd, self.ready, 512, timeout_us)
        if self.count < 0:
            self.count = 0
            if errno != EINTR:
                raise OSError(errno, os.strerror(errno))
            return -1
        return self.count

    cpdef long long tag(self, long long i) except? -1:
        if i < 0 or i >= self.count:
            raise IndexError(f"{i} of {self.count}")
        return <long long>self.ready[i].data.u64

    cpdef long long events(self, long long i) except? -1:
        if i < 0 or i >= self.count:
            raise IndexError(f"{i} of {self.count}")
        return self.ready[i].events


cpdef long long send(long long fd, Octets memory, long long at, long long octets) except? -2:
    cdef Py_ssize_t sent
    memory.check(at, octets)
    while True:
        sent = c_send(<int>fd, memory.p + at, octets, MSG_NOSIGNAL)
        if sent >= 0:
            return sent
        if errno != EINTR:
            return -errno


cpdef long long receive(long long fd, Octets memory, long long at, long long octets) except? -2:
    cdef Py_ssize_t got
    memory.check(at, octets)
    while True:
        got = c_recv(<int>fd, memory.p + at, octets, 0)
        if got >= 0:
            return got
        if errno != EINTR:
            return -errno


cpdef void close_socket(long long fd) noexcept:
    c_close(<int>fd)


cpdef long long error_of(long long fd) noexcept:
    cdef int value = 0
    cdef socklen_t octets = sizeof(value)
    if getsockopt(<int>fd, SOL_SOCKET, SO_ERROR, &value, &octets) < 0:
        return errno
    return value


cpdef long long local_port(long long fd) noexcept:
    cdef sockaddr_in address
    cdef socklen_t octets = sizeof(address)
    if getsockname(<int>fd, <sockaddr *>&address, &octets) < 0:
        return 0
    return ntohs(address.sin_port)


cpdef long long now_us() noexcept:
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <long long>time.tv_sec * 1000000 + time.tv_nsec // 1000


cpdef void exact_timers() noexcept:
    prctl(PR_SET_TIMERSLACK, 1)
