# cython: language_level=3
"""What cannot be said in Python: raw memory, atomic loads and stores, fences, system calls without objects.

`native.py` beside this file is the plain twin with the same faces; the interpreter prefers the
compiled module where it was built. Knows nothing of packets, rings or processes.
"""
from cpython.buffer cimport PyObject_GetBuffer, PyBuffer_Release, PyBUF_SIMPLE, PyBUF_WRITABLE
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport errno, EAGAIN, EINTR
from libc.string cimport memcpy, memmove, memset, memcmp
from libc.stdint cimport uint64_t, uint32_t
from libc.time cimport timespec
from posix.time cimport clock_gettime, CLOCK_MONOTONIC
from posix.unistd cimport read as c_read, write as c_write

import os

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline long long neat_load64(const unsigned char *p) {
        return (long long)__atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
    }
    static inline void neat_store64(unsigned char *p, long long v) {
        __atomic_store_n((uint64_t *)p, (uint64_t)v, __ATOMIC_RELEASE);
    }
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
    long long neat_load64(const unsigned char *p) noexcept nogil
    void neat_store64(unsigned char *p, long long v) noexcept nogil
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

    cpdef long long get8(self, Py_ssize_t at) except -1:
        self.check(at, 1)
        return self.p[at]

    cpdef long long get16(self, Py_ssize_t at) except -1:
        self.check(at, 2)
        return (<long long>self.p[at] << 8) | self.p[at + 1]

    cpdef long long get32(self, Py_ssize_t at) except -1:
        self.check(at, 4)
        return ((<long long>self.p[at] << 24) | (<long long>self.p[at + 1] << 16)
                | (<long long>self.p[at + 2] << 8) | self.p[at + 3])

    cpdef int put8(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 1)
        self.p[at] = <unsigned char>value
        return 0

    cpdef int put16(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 2)
        self.p[at] = <unsigned char>(value >> 8)
        self.p[at + 1] = <unsigned char>value
        return 0

    cpdef int put32(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 4)
        self.p[at] = <unsigned char>(value >> 24)
        self.p[at + 1] = <unsigned char>(value >> 16)
        self.p[at + 2] = <unsigned char>(value >> 8)
        self.p[at + 3] = <unsigned char>value
        return 0

    cpdef long long get16h(self, Py_ssize_t at) except -1:
        cdef unsigned short value
        self.check(at, 2)
        memcpy(&value, self.p + at, 2)
        return value

    cpdef int put16h(self, Py_ssize_t at, long long value) except -1:
        cdef unsigned short short_value = <unsigned short>value
        self.check_write(at, 2)
        memcpy(self.p + at, &short_value, 2)
        return 0

    cpdef long long get32h(self, Py_ssize_t at) except -1:
        cdef uint32_t value
        self.check(at, 4)
        memcpy(&value, self.p + at, 4)
        return value

    cpdef int put32h(self, Py_ssize_t at, long long value) except -1:
        cdef uint32_t word = <uint32_t>value
        self.check_write(at, 4)
        memcpy(self.p + at, &word, 4)
        return 0

    cpdef long long load64(self, Py_ssize_t at) except? -1:
        self.check(at, 8)
        return neat_load64(self.p + at)

    cpdef int store64(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 8)
        neat_store64(self.p + at, value)
        return 0

    cpdef int copy(self, Py_ssize_t at, Memory source, Py_ssize_t source_at, Py_ssize_t octets) except -1:
        self.check_write(at, octets)
        source.check(source_at, octets)
        memmove(self.p + at, source.p + source_at, octets)
        return 0

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


cpdef void fence() noexcept:
    neat_fence()


cpdef long long now_us() noexcept:
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <long long>time.tv_sec * 1000000 + time.tv_nsec // 1000


cpdef void yield_cpu():
    with nogil:
        sched_yield()
