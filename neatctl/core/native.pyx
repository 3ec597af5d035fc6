# cython: language_level=3
"""What cannot be said in Python: raw memory, atomic loads and stores, fences, system calls without objects.

`native.py` beside this file is the plain twin with the same faces; the interpreter prefers the
compiled module where it was built. Knows nothing of packets, rings or processes.
"""
from cpython.buffer cimport PyObject_GetBuffer, PyBuffer_Release, PyBUF_SIMPLE, PyBUF_WRITABLE
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport errno, EAGAIN, EINTR
from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memcpy, memset, memcmp
from libc.stdint cimport uint64_t, uint32_t
from libc.time cimport timespec
from posix.time cimport clock_gettime, CLOCK_MONOTONIC
from posix.unistd cimport close as c_close, read as c_read, write as c_write

import os

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long count, int timeout)
    enum:
        POLLIN

cdef extern from "<sys/epoll.h>" nogil:
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event *event)
    int epoll_wait(int epfd, epoll_event *events, int maxevents, int timeout)
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline void neat_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    /* Internet checksum (RFC 1071) in 64-bit steps; the result is in network order, folded, not inverted. */
    static unsigned int neat_sum(const unsigned char *p, size_t n, unsigned int start) {
        uint64_t sum = 0, word;
        while (n >= 8) { memcpy(&word, p, 8); sum += word; if (sum < word) sum++; p += 8; n -= 8; }
        if (n >= 4) { uint32_t w; memcpy(&w, p, 4); sum += w; if (sum < w) sum++; p += 4; n -= 4; }
        uint32_t tail = 0;
        if (n) { memcpy(&tail, p, n); }
        sum = (sum & 0xffffffffu) + (sum >> 32) + tail;
        while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        sum = ((sum & 0xff) << 8) | (sum >> 8);
    #endif
        sum += start;
        while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
        return (unsigned int)sum;
    }
    """
    void neat_fence() noexcept nogil
    unsigned int neat_sum(const unsigned char *p, size_t n, unsigned int start) noexcept nogil

COMPILED = True


cdef class Memory:
    """A buffer that stays open: bounds-checked reads and writes at octet offsets (see native.py)."""

    def __cinit__(self, buffer):
        self.writable = True
        try:
            PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        except BufferError:
            PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE)
            self.writable = False
        self.held = True
        self.p = <unsigned char *>self.view.buf
        self.octets = self.view.len

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cpdef release(self):
        self.octets = 0
        self.writable = False
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    def __len__(self):
        return self.octets

    cdef int outside(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        if 0 <= octets and 0 <= at <= self.octets - octets:
            raise IndexError(f"{octets} octets at {at} cannot be written: the memory is read-only")
        raise IndexError(f"{octets} octets at {at} are outside {self.octets}")

    cpdef int put(self, Py_ssize_t at, bytes data) except -1:
        cdef Py_ssize_t octets = len(data)
        self.check_write(at, octets)
        memcpy(self.p + at, <const unsigned char *>data, octets)
        return 0

    cpdef int put_part(self, Py_ssize_t at, bytes data, Py_ssize_t start, Py_ssize_t octets) except -1:
        if start < 0 or octets < 0 or start > len(data) - octets:
            raise IndexError(f"{octets} octets from {start} are outside {len(data)}")
        self.check_write(at, octets)
        memcpy(self.p + at, <const unsigned char *>data + start, octets)
        return 0

    cpdef int fill(self, Py_ssize_t at, Py_ssize_t octets, int value) except -1:
        self.check_write(at, octets)
        memset(self.p + at, value, octets)
        return 0

    cpdef bytes bytes(self, Py_ssize_t at, Py_ssize_t octets):
        self.check(at, octets)
        return PyBytes_FromStringAndSize(<char *>self.p + at, octets)

    cpdef bint equal(self, Py_ssize_t at, Memory other, Py_ssize_t other_at, Py_ssize_t octets) except -1:
        self.check(at, octets)
        other.check(other_at, octets)
        return memcmp(self.p + at, other.p + other_at, octets) == 0

    cpdef long long sum(self, Py_ssize_t at, Py_ssize_t octets, long long start) except -1:
        self.check(at, octets)
        return neat_sum(self.p + at, octets, <unsigned int>start)

    cpdef Py_ssize_t read_fd(self, int fd, Py_ssize_t at, Py_ssize_t octets) except -2:
        cdef Py_ssize_t got
        self.check_write(at, octets)
        while True:
            got = c_read(fd, self.p + at, octets)
            if got >= 0:
                return got
            if errno == EAGAIN:
                return -1
            if errno != EINTR:
                raise OSError(errno, os.strerror(errno))

    cpdef Py_ssize_t write_fd(self, int fd, Py_ssize_t at, Py_ssize_t octets) except -2:
        cdef Py_ssize_t put
        self.check(at, octets)
        while True:
            put = c_write(fd, self.p + at, octets)
            if put >= 0:
                return put
            if errno == EAGAIN:
                return -1
            if errno != EINTR:
                raise OSError(errno, os.strerror(errno))


cdef class Epoll:
    """epoll(7) without objects: see native.py."""

    def __cinit__(self, bint alone=False):
        self.alone = alone
        self.beside = -1
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        self.close()

    def fileno(self):
        return self.fd

    cpdef close(self):
        if self.fd >= 0:
            c_close(self.fd)
            self.fd = -1

    cpdef register(self, int fd, unsigned int events):
        cdef epoll_event event
        event.events = events
        event.data.u64 = 0
        event.data.fd = fd
        if epoll_ctl(self.fd, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(errno, os.strerror(errno))

    cpdef unregister(self, int fd):
        cdef epoll_event event
        if epoll_ctl(self.fd, EPOLL_CTL_DEL, fd, &event) < 0:
            raise OSError(errno, os.strerror(errno))

    cdef int sleep(self, int milliseconds) noexcept nogil:
        """As epoll_wait, with the descriptor beside; that one is not among those that are ready, only counted."""
        cdef pollfd fds[2]
        cdef int ready
        if self.beside < 0:
            return epoll_wait(self.fd, self.events, 16, milliseconds)
        fds[0].fd = self.fd
        fds[1].fd = self.beside
        fds[0].events = fds[1].events = POLLIN
        fds[0].revents = fds[1].revents = 0
        ready = poll(fds, 2, milliseconds)
        if ready <= 0:
            return ready
        return epoll_wait(self.fd, self.events, 16, 0) if fds[0].revents else 0

    cpdef long long wait(self, long long timeout_us) except -1:
        cdef int milliseconds = -1
        if timeout_us == 0:
            self.count = epoll_wait(self.fd, self.events, 16, 0)
        else:
            if timeout_us > 0:
                milliseconds = <int>min((timeout_us + 999) // 1000, 1000000000)
            if self.alone:
                self.count = self.sleep(milliseconds)
            else:
                with nogil:
                    self.count = self.sleep(milliseconds)
        if self.count < 0:
            if errno != EINTR:
                self.count = 0
                raise OSError(errno, os.strerror(errno))
            self.count = 0
            PyErr_CheckSignals()
        return self.count

    cpdef long long ready(self, long long i) except -1:
        if i < 0 or i >= self.count:
            raise IndexError(f"{i} of {self.count} descriptors")
        return self.events[i].data.fd


cpdef void fence() noexcept:
    neat_fence()


cpdef long long now_us() noexcept:
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <long long>time.tv_sec * 1000000 + time.tv_nsec // 1000


cpdef void yield_cpu() noexcept:
    sched_yield()
