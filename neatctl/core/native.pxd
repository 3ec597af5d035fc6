cimport cython
from cpython.buffer cimport Py_buffer


@cython.final
cdef class Memory:
    cdef Py_buffer view
    cdef unsigned char *p
    cdef readonly Py_ssize_t octets
    cdef readonly bint writable
    cdef bint held

    cdef inline int check(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        if at < 0 or octets < 0 or at > self.octets - octets:
            raise IndexError(f"{octets} octets at {at} are outside {self.octets}")
        return 0

    cdef inline int check_write(self, Py_ssize_t at, Py_ssize_t octets) except -1:
        if at < 0 or octets < 0 or at > self.octets - octets or not self.writable:
            raise IndexError(f"{octets} octets at {at} cannot be written in {self.octets}")
        return 0

    cpdef release(self)
    cpdef long long get8(self, Py_ssize_t at) except -1
    cpdef long long get16(self, Py_ssize_t at) except -1
    cpdef long long get32(self, Py_ssize_t at) except -1
    cpdef int put8(self, Py_ssize_t at, long long value) except -1
    cpdef int put16(self, Py_ssize_t at, long long value) except -1
    cpdef int put32(self, Py_ssize_t at, long long value) except -1
    cpdef long long get16h(self, Py_ssize_t at) except -1
    cpdef int put16h(self, Py_ssize_t at, long long value) except -1
    cpdef long long get32h(self, Py_ssize_t at) except -1
    cpdef int put32h(self, Py_ssize_t at, long long value) except -1
    cpdef long long load64(self, Py_ssize_t at) except? -1
    cpdef int store64(self, Py_ssize_t at, long long value) except -1
    cpdef int copy(self, Py_ssize_t at, Memory source, Py_ssize_t source_at, Py_ssize_t octets) except -1
    cpdef int put(self, Py_ssize_t at, bytes data) except -1
    cpdef int put_part(self, Py_ssize_t at, bytes data, Py_ssize_t start, Py_ssize_t octets) except -1
    cpdef int fill(self, Py_ssize_t at, Py_ssize_t octets, int value) except -1
    cpdef bytes bytes(self, Py_ssize_t at, Py_ssize_t octets)
    cpdef bint equal(self, Py_ssize_t at, Memory other, Py_ssize_t other_at, Py_ssize_t octets) except -1
    cpdef long long sum(self, Py_ssize_t at, Py_ssize_t octets, long long start) except -1
    cpdef Py_ssize_t read_fd(self, int fd, Py_ssize_t at, Py_ssize_t octets) except -2
    cpdef Py_ssize_t write_fd(self, int fd, Py_ssize_t at, Py_ssize_t octets) except -2


cpdef void fence() noexcept
cpdef long long now_us() noexcept
cpdef void yield_cpu()
