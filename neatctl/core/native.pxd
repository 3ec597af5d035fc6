cimport cython
from cpython.buffer cimport Py_buffer

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data


cdef extern from *:
    """
    #include <stdint.h>
    static inline long long neat_load64(const unsigned char *p) {
        return (long long)__atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
    }
    static inline void neat_store64(unsigned char *p, long long v) {
        __atomic_store_n((uint64_t *)p, (uint64_t)v, __ATOMIC_RELEASE);
    }
    """
    long long neat_load64(const unsigned char *p) noexcept nogil
    void neat_store64(unsigned char *p, long long v) noexcept nogil


# What runs several times for each packet is written here, so that who cimports it gets it inlined.
@cython.final
cdef class Memory:
    cdef Py_buffer view
    cdef unsigned char *p
    cdef readonly Py_ssize_t octets
    cdef readonly bint writable
    cdef bint held

    cdef int outside(self, Py_ssize_t at, Py_ssize_t octets) except -1

    cdef inline int check(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        if at < 0 or octets < 0 or at > self.octets - octets:
            self.outside(at, octets)
            return -1
        return 0

    cdef inline int check_write(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        if at < 0 or octets < 0 or at > self.octets - octets or not self.writable:
            self.outside(at, octets)
            return -1
        return 0

    cpdef release(self)

    cpdef inline long long get8(self, Py_ssize_t at) except -1:
        self.check(at, 1)
        return self.p[at]

    cpdef inline long long get16(self, Py_ssize_t at) except -1:
        self.check(at, 2)
        return (<long long>self.p[at] << 8) | self.p[at + 1]

    cpdef inline long long get32(self, Py_ssize_t at) except -1:
        self.check(at, 4)
        return ((<long long>self.p[at] << 24) | (<long long>self.p[at + 1] << 16)
                | (<long long>self.p[at + 2] << 8) | self.p[at + 3])

    cpdef inline int put8(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 1)
        self.p[at] = <unsigned char>value
        return 0

    cpdef inline int put16(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 2)
        self.p[at] = <unsigned char>(value >> 8)
        self.p[at + 1] = <unsigned char>value
        return 0

    cpdef inline int put32(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 4)
        self.p[at] = <unsigned char>(value >> 24)
        self.p[at + 1] = <unsigned char>(value >> 16)
        self.p[at + 2] = <unsigned char>(value >> 8)
        self.p[at + 3] = <unsigned char>value
        return 0

    cpdef inline long long get16h(self, Py_ssize_t at) except -1:
        cdef unsigned short value
        self.check(at, 2)
        memcpy(&value, self.p + at, 2)
        return value

    cpdef inline int put16h(self, Py_ssize_t at, long long value) except -1:
        cdef unsigned short short_value = <unsigned short>value
        self.check_write(at, 2)
        memcpy(self.p + at, &short_value, 2)
        return 0

    cpdef inline long long get32h(self, Py_ssize_t at) except -1:
        cdef uint32_t value
        self.check(at, 4)
        memcpy(&value, self.p + at, 4)
        return value

    cpdef inline int put32h(self, Py_ssize_t at, long long value) except -1:
        cdef uint32_t word = <uint32_t>value
        self.check_write(at, 4)
        memcpy(self.p + at, &word, 4)
        return 0

    cpdef inline long long load64(self, Py_ssize_t at) except? -1:
        self.check(at, 8)
        return neat_load64(self.p + at)

    cpdef inline int store64(self, Py_ssize_t at, long long value) except -1:
        self.check_write(at, 8)
        neat_store64(self.p + at, value)
        return 0

    cpdef inline int copy(self, Py_ssize_t at, Memory source, Py_ssize_t source_at, Py_ssize_t octets) except -1:
        self.check_write(at, octets)
        source.check(source_at, octets)
        memmove(self.p + at, source.p + source_at, octets)
        return 0

    cpdef int put(self, Py_ssize_t at, bytes data) except -1
    cpdef int put_part(self, Py_ssize_t at, bytes data, Py_ssize_t start, Py_ssize_t octets) except -1
    cpdef int fill(self, Py_ssize_t at, Py_ssize_t octets, int value) except -1
    cpdef bytes bytes(self, Py_ssize_t at, Py_ssize_t octets)
    cpdef bint equal(self, Py_ssize_t at, Memory other, Py_ssize_t other_at, Py_ssize_t octets) except -1
    cpdef long long sum(self, Py_ssize_t at, Py_ssize_t octets, long long start) except -1
    cpdef Py_ssize_t read_fd(self, int fd, Py_ssize_t at, Py_ssize_t octets) except -2
    cpdef Py_ssize_t write_fd(self, int fd, Py_ssize_t at, Py_ssize_t octets) except -2


@cython.final
cdef class Epoll:
    cdef int fd
    cdef int count
    cdef public int beside
    cdef bint alone
    cdef epoll_event events[16]
    cdef int sleep(self, int milliseconds) noexcept nogil
    cpdef close(self)
    cpdef register(self, int fd, unsigned int events)
    cpdef unregister(self, int fd)
    cpdef long long wait(self, long long timeout_us) except -1
    cpdef long long ready(self, long long i) except -1


cpdef void fence() noexcept
cpdef long long now_us() noexcept
cpdef void yield_cpu() noexcept
